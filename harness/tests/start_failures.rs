//! Clusters that can't start: a typed reason, the evidence in its place, and no server left.

use std::path::Path;
use std::time::{Duration, Instant};

use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{
    BinaryError, Cluster, ClusterBuilder, Error, MAX_NODES, NodeState, Runtime, ServerRequest,
};
use rustix::process::{Pid, test_kill_process};

#[cfg(target_os = "linux")]
use crate::support::processes_mentioning;
use crate::support::{PATIENCE, fake_server};

/// Starts what must fail in a directory of the test's own; returns the reason, having seen
/// that the evidence is there and the servers are not.
async fn failed_start(builder: ClusterBuilder, root: &Path) -> Error {
    let builder = builder.runtime(Runtime::Process);
    match builder.scratch_root(root).start().await {
        Err(Error::StartFailed { evidence, source }) => {
            assert!(evidence.starts_with(root), "{}", evidence.display());
            assert!(evidence.join("node-1/server.conf").is_file());
            assert!(evidence.join("node-1/server.log").is_file());
            #[cfg(target_os = "linux")]
            assert_eq!(processes_mentioning(root), []);
            *source
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_exits_at_once_is_quoted() {
    let (root, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = fake_server(bin.path(), "echo 'out of luck' >&2\nexit 3");
    let reason = failed_start(Cluster::builder().nodes(1).server(server), root.path()).await;
    let Error::Exited {
        node,
        status,
        log_tail,
    } = reason
    else {
        panic!("{reason:?}");
    };
    assert_eq!((node.as_str(), status.as_str()), ("n1", "exit status: 3"));
    assert_eq!(log_tail, "out of luck");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_that_refuses_its_configuration_is_quoted() {
    let root = tempfile::tempdir().unwrap();
    let builder = Cluster::builder().extra_config("no_such_setting: true");
    let reason = failed_start(builder, root.path()).await;
    assert!(matches!(reason, Error::Exited { .. }), "{reason:?}");
    let message = reason.to_string();
    assert!(message.contains("no_such_setting"), "{message}");
}

/// Two servers of three are fine, and must go all the same.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_node_fails_the_cluster() {
    let (root, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let real = ServerRequest::from_env().unwrap().locate().unwrap();
    let body = format!(
        "case \"$2\" in */node-2/*) echo 'not today'; exit 1;; esac\nexec '{}' \"$@\"",
        real.path.display()
    );
    let server = fake_server(bin.path(), &body);
    let reason = failed_start(Cluster::builder().server(server), root.path()).await;
    assert!(
        matches!(&reason, Error::Exited { node, .. } if node == "n2"),
        "{reason:?}"
    );
}

/// A script's body that never listens. `exec` leaves no child behind, and the file tells which
/// process must be gone: its command line says nothing any more.
const HANG: &str = "echo $$ > pid; exec sleep 600";

/// Whether the one node of a cluster that hung still has a server, given the cluster's root.
fn still_hangs(root: &Path) -> bool {
    let home = std::fs::read_dir(root).unwrap().next().unwrap().unwrap();
    let pid = std::fs::read_to_string(home.path().join("node-1/pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_given_up() {
    let (root, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let limit = Duration::from_secs(2);
    let began = Instant::now();
    let builder = Cluster::builder()
        .nodes(1)
        .server(fake_server(bin.path(), HANG))
        .ready_within(limit);
    let reason = failed_start(builder, root.path()).await;
    assert!(matches!(&reason, Error::Timeout { .. }), "{reason:?}");
    assert!(reason.to_string().contains("n1"), "{reason}");
    assert!(began.elapsed() < limit * 10, "{:?}", began.elapsed());
    assert!(!still_hangs(root.path()));
}

/// The node counts as stopped, so its store must be nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_is_abandoned_leaves_no_server() {
    let (root, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let real = ServerRequest::from_env().unwrap().locate().unwrap();
    let body = format!(
        "if [ -e hang ]; then {HANG}; fi\nexec '{}' \"$@\"",
        real.path.display()
    );
    let builder = Cluster::builder()
        .nodes(1)
        .server(fake_server(bin.path(), &body))
        .runtime(Runtime::Process)
        .scratch_root(root.path());
    let cluster = builder.start().await.unwrap();
    let node = cluster.node("n1");
    node.kill().await.unwrap();
    let home = std::fs::read_dir(root.path()).unwrap().next().unwrap();
    let home = home.unwrap().path().join("node-1");
    std::fs::write(home.join("hang"), "").unwrap();

    let hangs = until(PATIENCE, || async {
        match std::fs::read_to_string(home.join("pid")) {
            Ok(pid) if pid.ends_with('\n') => Probe::Ready(()),
            other => Probe::Pending(format!("{other:?}")),
        }
    });
    tokio::select! {
        started = node.start() => panic!("{started:?}"),
        hangs = hangs => hangs.unwrap(),
    }
    assert!(!still_hangs(root.path()));
    assert_eq!(node.state().unwrap(), NodeState::Stopped);

    std::fs::remove_file(home.join("hang")).unwrap();
    node.start().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_binary_is_named() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("no-such-server");
    let server = ServerRequest {
        path: Some(path.clone()),
        ..ServerRequest::default()
    };
    let builder = Cluster::builder()
        .runtime(Runtime::Process)
        .server(server)
        .scratch_root(root.path());
    match builder.start().await {
        Err(Error::Binary(BinaryError::Unusable { path: named, .. })) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    }
    // Nothing was started, so there is nothing to keep.
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_that_cant_be_are_refused() {
    let builders = [
        Cluster::builder().nodes(0),
        Cluster::builder().nodes(MAX_NODES + 1),
        Cluster::builder().nodes(1).tags(["a"]).tags(["b"]),
    ];
    for builder in builders {
        let outcome = builder.clone().start().await;
        assert!(
            matches!(&outcome, Err(Error::BadCluster(_))),
            "{builder:?}: {outcome:?}"
        );
    }
}
