//! What only containers have: an engine, images, and things in the engine that must go.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use lifeboat_harness::wait::{Probe, pause_for, until};
use lifeboat_harness::{
    BinaryError, Cluster, ClusterBuilder, ContainerEngine, Error, Runtime, ServerSource,
    identify_image,
};
use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};
use serde_json::Value;
use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveImageOptions, TagImageOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{PATIENCE, connect, create_stream, publish, start, wait_copy};

/// Tells the test below, run as a child, to hold a cluster.
const HOLDS: &str = "LIFEBOAT_TEST_HOLDS_CONTAINERS";
/// What that child says when its cluster is up.
const HELD: &str = "the held containers are ready";
/// How soon everything must be gone after the owner was killed.
const GONE_WITHIN: Duration = Duration::from_secs(15);

fn containers() -> ClusterBuilder {
    Cluster::builder().runtime(Runtime::Container)
}

async fn docker() -> Docker {
    docker_client_instance().await.unwrap()
}

/// What a process owns in the engine: containers, networks and volumes by name.
async fn owned_by(docker: &Docker, pid: Pid) -> Vec<String> {
    let filters = HashMap::from([("label", vec!["lifeboat.owner"])]);
    let owns = |labels: &HashMap<String, String>| {
        let owner = labels.get("lifeboat.owner").map(String::as_str);
        owner.is_some_and(|owner| owner.contains(&format!("/{}/", pid.as_raw_nonzero())))
    };
    let all = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters);
    let mut found = Vec::new();
    for one in docker.list_containers(Some(all.build())).await.unwrap() {
        if one.labels.as_ref().is_some_and(owns) {
            found.extend(one.names.into_iter().flatten());
        }
    }
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    for one in docker.list_networks(Some(networks)).await.unwrap() {
        if one.labels.as_ref().is_some_and(owns) {
            found.extend(one.name);
        }
    }
    let volumes = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = docker.list_volumes(Some(volumes)).await.unwrap().volumes;
    for one in volumes.into_iter().flatten() {
        if owns(&one.labels) {
            found.push(one.name);
        }
    }
    found
}

async fn assert_gone(docker: &Docker, pid: Pid) {
    until(GONE_WITHIN, || async {
        let left = owned_by(docker, pid).await;
        if left.is_empty() {
            Probe::Ready(())
        } else {
            Probe::Pending(format!("{left:?}"))
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_says_who_it_is() {
    assert_ne!(ContainerEngine::find().await.unwrap().version, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_containers_with_volumes_on_one_network_and_all_go() {
    let docker = docker().await;
    let cluster = start(containers().nodes(3)).await;
    let owned = owned_by(&docker, getpid()).await;
    assert_eq!(owned.len(), 7, "{owned:?}");
    for node in ["node-1", "node-2", "node-3"] {
        assert!(owned.iter().any(|name| name.ends_with(node)), "{owned:?}");
    }
    drop(cluster);
    // At once: a drop returns when all is done.
    assert_eq!(owned_by(&docker, getpid()).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_the_very_binary_that_local_processes_run() {
    let docker = docker().await;
    let process = start(Cluster::builder().nodes(1).runtime(Runtime::Process)).await;
    let container = start(containers().nodes(1)).await;
    assert_eq!(process.binary(), container.binary());
    let monitor = container.node("n1").monitor().unwrap();
    let varz: Value = monitor.get("/varz").await.unwrap();
    assert_eq!(varz["version"], process.binary().version.to_string());
    let sha256 = &process.binary().sha256;
    let name = format!(
        "lifeboat/nats-server:{}-{}",
        process.binary().version,
        &sha256[..12]
    );
    let image = docker.inspect_image(&name).await.unwrap();
    let labels = image.config.unwrap().labels.unwrap();
    assert_eq!(labels.get("lifeboat.sha256"), Some(sha256));
    // Once per version: another cluster runs the same image.
    drop(start(containers().nodes(1)).await);
    assert_eq!(docker.inspect_image(&name).await.unwrap().id, image.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_named_is_identified_and_run() {
    let docker = docker().await;
    let made = start(containers().nodes(1)).await.binary().clone();
    let name = format!(
        "lifeboat/nats-server:{}-{}",
        made.version,
        &made.sha256[..12]
    );
    let tag = TagImageOptionsBuilder::new()
        .repo("lifeboat-test/nats")
        .tag("named");
    docker.tag_image(&name, Some(tag.build())).await.unwrap();

    let image = identify_image("lifeboat-test/nats:named").await.unwrap();
    assert_eq!(
        (&image.version, image.source),
        (&made.version, ServerSource::Image)
    );
    assert_ne!(image.sha256, made.sha256, "the digest is the image's");
    let cluster = start(containers().image("lifeboat-test/nats:named")).await;
    assert_eq!(cluster.binary(), &image);
    drop(cluster);
    let removed = docker
        .remove_image("lifeboat-test/nats:named", None::<RemoveImageOptions>, None)
        .await;
    removed.unwrap();

    // There is no registry to have it from.
    let nowhere = identify_image("lifeboat-test/nats:nowhere").await;
    assert!(
        matches!(&nowhere, Err(Error::Binary(BinaryError::Unusable { reason, .. })) if reason.contains("can't pull")),
        "{nowhere:?}"
    );
    assert_eq!(owned_by(&docker, getpid()).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_start_is_quoted_and_leaves_its_evidence_only() {
    let root = tempfile::tempdir().unwrap();
    let builder = containers().extra_config("no_such_setting: true");
    let Err(Error::StartFailed { evidence, source }) =
        builder.scratch_root(root.path()).start().await
    else {
        panic!("it started");
    };
    assert!(source.to_string().contains("no_such_setting"), "{source}");
    for file in ["server.conf", "server.log"] {
        assert!(evidence.join("node-1").join(file).is_file(), "{file}");
    }
    assert_eq!(owned_by(&docker().await, getpid()).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_panic_only_the_evidence_is_left() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_owned();
    let test = tokio::spawn(async move {
        let cluster = start(containers().scratch_root(path)).await;
        let client = connect(&cluster, "n1").await;
        create_stream(&client, "S", 3).await;
        panic!("on purpose");
    });
    assert!(test.await.unwrap_err().is_panic());
    assert_eq!(owned_by(&docker().await, getpid()).await, [""; 0]);
    let kept = std::fs::read_dir(root.path()).unwrap().next().unwrap();
    let kept = kept.unwrap().path();
    for node in ["node-1", "node-2", "node-3"] {
        for file in ["server.conf", "server.log", "store/jetstream"] {
            let file = kept.join(node).join(file);
            assert!(file.exists(), "{}", file.display());
        }
    }
}

/// A caller that loses its patience drops the future: at any moment, that must be all it takes.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_abandoned_start_nothing_is_left() {
    let docker = docker().await;
    for patience in [50, 200, 400, 800] {
        let start = tokio::time::timeout(Duration::from_millis(patience), containers().start());
        drop(start.await);
        assert_gone(&docker, getpid()).await;
    }
}

/// The log of a container that was replaced, as after a wipe, is not lost with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_log_outlives_its_container() {
    let cluster = start(containers()).await;
    let client = connect(&cluster, "n1").await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 10).await;
    let node = cluster.node("n3");
    node.kill().await.unwrap();
    node.wipe().await.unwrap();
    node.start().await.unwrap();
    wait_copy(&cluster, "n3", "S", 10).await;
    let evidence = tempfile::tempdir().unwrap();
    cluster.copy_evidence(evidence.path()).await.unwrap();
    let log = std::fs::read_to_string(evidence.path().join("n3/server.log")).unwrap();
    assert_eq!(log.matches("Server is ready").count(), 2, "{log}");
}

/// Not a test of its own: the owner that the tests below kill.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run as a child by the tests that kill it"]
async fn held_containers() {
    if std::env::var_os(HOLDS).is_none() {
        return;
    }
    let _cluster = start(containers()).await;
    println!("{HELD}");
    // Until the parent kills us; should it die first, our input ends and so do we.
    let wait = || std::io::stdin().read_line(&mut String::new());
    let _read = tokio::task::spawn_blocking(wait).await;
}

/// Runs this very binary again, as an owner in a process group of its own.
fn spawn_owner() -> (Child, Pid) {
    let owner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "containers::held_containers",
            "--ignored",
            "--nocapture",
        ])
        .env(HOLDS, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(owner.id().unwrap().try_into().unwrap()).unwrap();
    (owner, pid)
}

/// An owner whose cluster is up.
async fn ready_owner() -> (Child, Pid) {
    let (mut owner, pid) = spawn_owner();
    let mut said = BufReader::new(owner.stdout.take().unwrap()).lines();
    let ready = async {
        while let Some(line) = said.next_line().await.unwrap() {
            // The test runner's own words may stand before ours on the line.
            if line.ends_with(HELD) {
                return;
            }
        }
        panic!("the owner ended");
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    assert_eq!(owned_by(&docker().await, pid).await.len(), 7);
    (owner, pid)
}

async fn end_owner(mut owner: Child, pid: Pid, signal: Signal) {
    kill_process_group(pid, signal).unwrap();
    tokio::time::timeout(PATIENCE, owner.wait())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigkill_of_the_owner_nothing_is_left() {
    let (owner, pid) = ready_owner().await;
    end_owner(owner, pid, Signal::KILL).await;
    assert_gone(&docker().await, pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ctrl_c_nothing_is_left() {
    let (owner, pid) = ready_owner().await;
    end_owner(owner, pid, Signal::INT).await;
    assert_gone(&docker().await, pid).await;
}

/// Killed while it makes networks, volumes and containers, not only once all is quiet.
#[tokio::test(flavor = "multi_thread")]
async fn after_sigkill_during_the_start_nothing_is_left() {
    let docker = docker().await;
    for delay in [100, 200, 400, 700] {
        let (owner, pid) = spawn_owner();
        pause_for(Duration::from_millis(delay)).await;
        end_owner(owner, pid, Signal::KILL).await;
        assert_gone(&docker, pid).await;
    }
}

/// The process whose input tells it that an owner is gone.
fn watchdog_of(owner: Pid) -> Pid {
    let parent = format!("PPid:\t{}\n", owner.as_raw_nonzero());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let found = processes.into_iter().find_map(|entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let is_it = line.starts_with(b"lifeboat-watchdog") && status.contains(&parent);
        // The directory's watchdog is a shell, whose line begins with its name.
        is_it.then_some(pid)
    });
    found.expect("an owner has a watchdog")
}

/// A job that is ended as a whole, politely: the watchdog still has its work to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_watchdog_outlives_the_signals_that_end_its_owner() {
    let (owner, pid) = ready_owner().await;
    let watchdog = watchdog_of(pid);
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        kill_process(watchdog, signal).unwrap();
    }
    end_owner(owner, pid, Signal::TERM).await;
    assert_gone(&docker().await, pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_owner_and_its_watchdog_left_is_swept_by_the_next() {
    let (owner, pid) = ready_owner().await;
    kill_process(watchdog_of(pid), Signal::KILL).unwrap();
    end_owner(owner, pid, Signal::KILL).await;
    let docker = docker().await;
    assert_eq!(owned_by(&docker, pid).await.len(), 7);
    drop(start(containers().nodes(1)).await);
    assert_eq!(owned_by(&docker, pid).await, [""; 0]);
}
