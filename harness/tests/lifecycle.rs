//! Every verb on real servers, the states they lead to, and the states they are refused in.

use std::collections::BTreeSet;
use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Cluster, Error, NodeState, Result, Runtime, StoreArea};
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, ask, connect, connect_any, create_stream, followers, publish, wait_copy,
};

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_form_a_cluster() {
    let cluster = Cluster::builder().nodes(3).start().await.unwrap();
    assert_eq!(cluster.meta_peers().await, Some(set(["n1", "n2", "n3"])));
    assert_eq!(cluster.running().len(), 3);
    assert_eq!(cluster.client_urls().len(), 3);
    // Ready means ready: there is nothing left to wait for.
    cluster.wait_ready(Duration::from_secs(1)).await.unwrap();
    let client = connect_any(&cluster).await;
    let streams = ask(&client, "$JS.API.STREAM.NAMES", &json!({})).await;
    assert_eq!(streams.unwrap()["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_what_the_builder_says() {
    let cluster = Cluster::builder()
        .nodes(2)
        .name("harbour")
        .account("FLEET")
        .tags(["az:1", "disk:slow"])
        .domain("north")
        .sync_interval("always")
        .extra_config("max_payload: 2MB")
        .start()
        .await
        .unwrap();
    let monitor = cluster.node("n1").monitor().unwrap();
    let varz: Value = monitor.get("/varz").await.unwrap();
    assert_eq!(varz["server_name"], "n1");
    assert_eq!(varz["version"], cluster.binary().version.to_string());
    assert_eq!(varz["cluster"]["name"], "harbour");
    assert_eq!(varz["tags"], json!(["az:1", "disk:slow"]));
    assert_eq!(varz["max_payload"], 2 * 1024 * 1024);
    assert_eq!(varz["jetstream"]["config"]["domain"], "north");
    assert_eq!(varz["jetstream"]["config"]["sync_always"], true);
    assert_eq!(cluster.name(), "harbour");
    assert_eq!(cluster.credentials().account, "FLEET");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_stands_alone() {
    let cluster = Cluster::builder().nodes(1).start().await.unwrap();
    let client = connect_any(&cluster).await;
    create_stream(&client, "S", 1).await;
    publish(&client, "S", 5).await;
    let node = cluster.node("n1");
    node.kill().await.unwrap();
    node.start().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
    wait_copy(&cluster, "n1", "S", 5).await;
    assert_eq!(cluster.meta_leader().await, None);
    let second = cluster.add_node().await.map(|_| ());
    assert!(matches!(&second, Err(Error::BadCluster(_))), "{second:?}");
    assert_eq!(cluster.nodes().len(), 1);
}

/// Kill, lame duck and SIGTERM: the others stay ready, and the node comes back with its disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ended_comes_back() {
    let cluster = Cluster::builder().start().await.unwrap();
    let client = connect_any(&cluster).await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 5).await;
    for verb in ["kill", "stop", "terminate"] {
        let node = followers(&cluster).await.remove(0);
        let url = node.client_url().unwrap();
        match verb {
            "kill" => node.kill().await.unwrap(),
            "stop" => node.stop().await.unwrap(),
            _ => node.terminate().await.unwrap(),
        }
        assert_eq!(node.state().unwrap(), NodeState::Stopped, "{verb}");
        assert_eq!(cluster.running().len(), 2, "{verb}");
        cluster.wait_ready(PATIENCE).await.unwrap();
        node.start().await.unwrap();
        assert_eq!(node.state().unwrap(), NodeState::Running, "{verb}");
        cluster.wait_ready(PATIENCE).await.unwrap();
        wait_copy(&cluster, node.name(), "S", 5).await;
        // The server listens on other ports now; whoever knew the node's address need not care.
        assert_eq!(node.client_url().unwrap(), url, "{verb}");
        connect(&cluster, node.name()).await.flush().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_meta_leader_is_succeeded() {
    let cluster = Cluster::builder().start().await.unwrap();
    let leader = cluster.meta_leader().await.unwrap();
    cluster.node(&leader).kill().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
    let next = cluster.meta_leader().await.unwrap();
    assert_ne!(next, leader);
    assert_eq!(cluster.meta_peers().await, Some(set(["n1", "n2", "n3"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_is_silent_and_the_others_carry_on() {
    let cluster = Cluster::builder().start().await.unwrap();
    let client = connect_any(&cluster).await;
    create_stream(&client, "S", 3).await;
    let leader = cluster.stream_members("S").await.unwrap().leader;
    let mut idle = followers(&cluster).await;
    // Neither group needs an election when a node that leads nothing falls silent.
    idle.retain(|node| Some(node.name()) != leader.as_deref());
    let node = idle.remove(0);

    node.pause().await.unwrap();
    assert_eq!(node.state().unwrap(), NodeState::Paused);
    let silence = node.monitor().unwrap().health().await;
    assert!(
        matches!(&silence, Err(Error::Monitor { endpoint, .. }) if endpoint == "/healthz"),
        "{silence:?}"
    );
    cluster.wait_ready(PATIENCE).await.unwrap();
    let awake = cluster.running().remove(0);
    publish(&connect(&cluster, awake.name()).await, "S", 5).await;

    node.resume().await.unwrap();
    assert_eq!(node.state().unwrap(), NodeState::Running);
    assert!(node.monitor().unwrap().health().await.is_ok());
    cluster.wait_ready(PATIENCE).await.unwrap();
    wait_copy(&cluster, node.name(), "S", 5).await;

    node.pause().await.unwrap();
    node.kill().await.unwrap();
    assert_eq!(node.state().unwrap(), NodeState::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_returns_under_its_own_name() {
    let cluster = Cluster::builder().start().await.unwrap();
    let client = connect_any(&cluster).await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 5).await;
    let node = followers(&cluster).await.remove(0);
    wait_copy(&cluster, node.name(), "S", 5).await;

    node.kill().await.unwrap();
    let copies = tempfile::tempdir().unwrap();
    let copy = |to: &str| copies.path().join(to);
    let stream = StoreArea::Stream {
        account: cluster.credentials().account.clone(),
        stream: String::from("S"),
    };
    assert!(node.copy_store(&stream, &copy("stream")).await.unwrap());
    assert!(copy("stream/msgs").is_dir());
    node.wipe_area(&stream).await.unwrap();
    assert!(!node.copy_store(&stream, &copy("nothing")).await.unwrap());
    // One stream's copy is gone; the disk is not.
    let all = &StoreArea::All;
    assert!(node.copy_store(all, &copy("all")).await.unwrap());
    node.wipe().await.unwrap();
    assert!(!node.copy_store(all, &copy("nothing")).await.unwrap());
    assert!(!copy("nothing").exists());
    // A disk that is gone can be removed once more.
    node.wipe().await.unwrap();

    node.start().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
    assert_eq!(cluster.meta_peers().await, Some(set(["n1", "n2", "n3"])));
    wait_copy(&cluster, node.name(), "S", 5).await;
}

/// What an operator does about a machine that will never return, twice: with a fresh machine,
/// and with the old one under a new name.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_is_removed_and_replaced() {
    let cluster = Cluster::builder().start().await.unwrap();
    let client = connect_any(&cluster).await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 5).await;
    let lost = followers(&cluster).await.remove(0);
    lost.kill().await.unwrap();
    lost.wipe().await.unwrap();
    cluster.peer_remove(lost.name()).await.unwrap();
    let peers = cluster.meta_peers().await.unwrap();
    assert!(
        peers.len() == 2 && !peers.contains(lost.name()),
        "{peers:?}"
    );

    let fresh = cluster.add_node().await.unwrap();
    assert_eq!(fresh.name(), "n4");
    assert_eq!(fresh.state().unwrap(), NodeState::Running);
    wait_copy(&cluster, "n4", "S", 5).await;
    let mut expected = peers;
    expected.insert(String::from("n4"));
    until(PATIENCE, || async {
        match cluster
            .stream_members("S")
            .await
            .map(|members| members.all())
        {
            Ok(members) if members.iter().eq(&expected) => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();

    let renamed = lost.start_as("n5").await.unwrap();
    assert_eq!(renamed.name(), "n5");
    cluster.wait_ready(PATIENCE).await.unwrap();
    let peers = cluster.meta_peers().await.unwrap();
    assert!(peers.len() == 4 && peers.contains("n5"), "{peers:?}");
    assert!(matches!(lost.state(), Err(Error::UnknownNode { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_step_down_when_asked() {
    let cluster = Cluster::builder().start().await.unwrap();
    create_stream(&connect_any(&cluster).await, "S", 3).await;
    let names = set(["n1", "n2", "n3"]);

    // Asked first: a meta leader that was elected just now leaves the odd request unanswered.
    let unknown = cluster.step_down_stream("NOPE").await;
    assert!(
        matches!(&unknown, Err(Error::Refused { code: 404, .. })),
        "{unknown:?}"
    );

    let before = cluster.stream_members("S").await.unwrap();
    assert_eq!(before.all(), names.iter().cloned().collect::<Vec<_>>());
    let after = cluster.step_down_stream("S").await.unwrap();
    assert_ne!(before.leader.as_ref(), Some(&after));
    assert!(names.contains(&after), "{after}");

    let before = cluster.meta_leader().await.unwrap();
    let after = cluster.step_down_meta().await.unwrap();
    assert_ne!(before, after);
    assert!(names.contains(&after), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_cluster_stops_and_starts_with_its_disks() {
    let cluster = Cluster::builder().start().await.unwrap();
    let client = connect_any(&cluster).await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 5).await;
    drop(client);
    // Whoever cannot answer a polite signal must not be left behind.
    cluster.node("n3").pause().await.unwrap();
    cluster.stop_all().await.unwrap();
    for node in cluster.nodes() {
        assert_eq!(node.state().unwrap(), NodeState::Stopped, "{}", node.name());
    }
    for node in cluster.nodes() {
        node.start().await.unwrap();
    }
    cluster.wait_ready(PATIENCE).await.unwrap();
    for node in cluster.nodes() {
        wait_copy(&cluster, node.name(), "S", 5).await;
    }

    let copies = tempfile::tempdir().unwrap();
    cluster.copy_evidence(copies.path()).await.unwrap();
    for file in ["server.conf", "server.log"] {
        assert!(copies.path().join("n3").join(file).is_file(), "{file}");
    }
}

/// A crash nobody asked for is told with the end of the log, and the node can be had again.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_by_itself_is_noticed() {
    use crate::support::processes_mentioning;
    use rustix::process::{Signal, kill_process};

    let root = tempfile::tempdir().unwrap();
    let cluster = Cluster::builder()
        .runtime(Runtime::Process)
        .scratch_root(root.path())
        .start()
        .await
        .unwrap();
    let victim = cluster.running().remove(0);
    let leads = cluster.meta_leader().await.unwrap();
    let servers = processes_mentioning(root.path());
    let (pid, _) = servers
        .iter()
        .find(|(_, line)| line.contains("node-1/"))
        .unwrap();
    kill_process(*pid, Signal::KILL).unwrap();

    let noticed = until(PATIENCE, || async {
        match cluster.wait_ready(Duration::ZERO).await {
            Err(Error::Timeout { last_seen, .. }) if last_seen.contains("by itself") => {
                Probe::Ready(last_seen)
            }
            other => Probe::Pending(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    assert!(noticed.contains("`n1`"), "{noticed}");
    assert!(noticed.contains("SIGKILL"), "{noticed}");
    assert!(noticed.contains("[INF]"), "{noticed}");
    // The survivors are still asked who leads, although the first node does not answer.
    let next = until(PATIENCE, || async {
        match cluster.meta_leader().await {
            Some(leader) if leader != "n1" => Probe::Ready(leader),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    assert!(leads == "n1" || leads == next, "{leads}, then {next}");

    victim.kill().await.unwrap();
    assert_eq!(victim.state().unwrap(), NodeState::Stopped);
    victim.start().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
}

/// Refused with the node, the verb and the state it was in.
#[track_caller]
fn assert_refused(outcomes: &[(&str, Result<()>)], state: NodeState) {
    for (verb, outcome) in outcomes {
        match outcome {
            Err(Error::IllegalTransition {
                node,
                verb: refused,
                state: seen,
            }) => assert_eq!((node.as_str(), *refused, *seen), ("n1", *verb, state)),
            other => panic!("{verb} while {state}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_that_make_no_sense_are_refused() {
    let cluster = Cluster::builder().nodes(1).start().await.unwrap();
    let node = cluster.node("n1");
    let away = tempfile::tempdir().unwrap();
    let copy = || async {
        let copied = node.copy_store(&StoreArea::All, away.path()).await;
        copied.map(|_| ())
    };
    let running = [
        ("start", node.start().await),
        ("start", node.start_as("other").await.map(|_| ())),
        ("resume", node.resume().await),
        ("wipe", node.wipe().await),
        ("copy the store of", copy().await),
    ];
    assert_refused(&running, NodeState::Running);

    node.pause().await.unwrap();
    let paused = [
        ("pause", node.pause().await),
        ("start", node.start().await),
        ("stop", node.stop().await),
        ("terminate", node.terminate().await),
        ("wipe", node.wipe().await),
    ];
    assert_refused(&paused, NodeState::Paused);
    // Nobody writes to a frozen server's disk.
    copy().await.unwrap();
    node.resume().await.unwrap();

    node.kill().await.unwrap();
    let stopped = [
        ("kill", node.kill().await),
        ("stop", node.stop().await),
        ("terminate", node.terminate().await),
        ("pause", node.pause().await),
        ("resume", node.resume().await),
        ("monitor", node.monitor().map(|_| ())),
    ];
    assert_refused(&stopped, NodeState::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_unknown_taken_or_bad_are_refused() {
    let cluster = Cluster::builder().nodes(1).start().await.unwrap();
    let stranger = cluster.node("n9");
    let unknown = [
        ("kill", stranger.kill().await),
        ("start", stranger.start().await),
        ("wipe", stranger.wipe().await),
        ("state", stranger.state().map(|_| ())),
        ("monitor", stranger.monitor().map(|_| ())),
        ("client_url", stranger.client_url().map(|_| ())),
        ("peer_remove", cluster.peer_remove("n9").await),
    ];
    for (verb, outcome) in unknown {
        match outcome {
            Err(Error::UnknownNode { name, known }) => {
                assert_eq!((name.as_str(), known.as_str()), ("n9", "n1"), "{verb}");
            }
            other => panic!("{verb}: {other:?}"),
        }
    }

    for bad in ["n1", "", "n 2", "n.2", "n2\"", "n*"] {
        let outcome = cluster.add_node_named(bad).await.map(|_| ());
        assert!(
            matches!(&outcome, Err(Error::BadNodeName { name, .. }) if name == bad),
            "{bad}: {outcome:?}"
        );
    }
    assert_eq!(cluster.nodes().len(), 1);

    let node = cluster.node("n1");
    node.kill().await.unwrap();
    let outcome = node.start_as("n 2").await.map(|_| ());
    assert!(
        matches!(&outcome, Err(Error::BadNodeName { .. })),
        "{outcome:?}"
    );
    // A refusal changes nothing.
    assert_eq!(node.state().unwrap(), NodeState::Stopped);
}
