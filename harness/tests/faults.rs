//! Faults that need something of the runtime: full disks, read-only stores, memory limits.
//!
//! They run in the runtime that `LIFEBOAT_RUNTIME` names. Where a runtime can't do one, the
//! harness has to say so before anything starts, which is then what is tested.

use std::time::Duration;

use async_nats::Client;
use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Cluster, Error, Fault, NodeState, StoreArea};
use serde_json::{Value, json};

use crate::support::{PATIENCE, ask, connect, create_stream, publish, start, wait_copy};

/// Small enough to be filled at once, large enough for a server's own files.
const DISK: u64 = 16 << 20;

/// Starts a cluster where such a fault is possible; nothing where the harness says it is not.
async fn start_with(fault: Fault) -> Option<Cluster> {
    let bounded = fault == Fault::FullDisk;
    let builder = Cluster::builder().needs([fault]);
    let builder = if bounded {
        builder.disk_size(DISK)
    } else {
        builder
    };
    match builder.start().await {
        Ok(cluster) => Some(cluster),
        Err(Error::Unsupported {
            fault: said,
            reason,
        }) => {
            assert_eq!(said, fault);
            assert!(!reason.is_empty());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The same, with a stream of ten messages on three nodes, and a client of n1.
async fn stream_with(fault: Fault) -> Option<(Cluster, Client)> {
    let cluster = start_with(fault).await?;
    let client = connect(&cluster, "n1").await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 10).await;
    Some((cluster, client))
}

/// Whether a node's JetStream has been switched off.
async fn is_disabled(cluster: &Cluster, node: &str) -> bool {
    let monitor = cluster.node(node).monitor().unwrap();
    let seen: Value = monitor.get("/jsz").await.unwrap();
    seen["disabled"] == json!(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_switches_jetstream_off_until_a_restart() {
    let Some((cluster, client)) = stream_with(Fault::FullDisk).await else {
        return;
    };
    let node = cluster.node("n2");
    node.fill_disk().await.unwrap();
    // The server notices at its next write.
    until(PATIENCE, || async {
        let _asked = ask(&client, "S.a", &json!({})).await;
        if is_disabled(&cluster, "n2").await {
            Probe::Ready(())
        } else {
            Probe::Pending(String::from("JetStream is still on"))
        }
    })
    .await
    .unwrap();
    node.free_disk().await.unwrap();
    assert!(is_disabled(&cluster, "n2").await);
    node.kill().await.unwrap();
    node.start().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
    publish(&client, "S", 1).await;
    let leader = cluster.stream_members("S").await.unwrap().leader.unwrap();
    let account = &cluster.credentials().account;
    let held = cluster.node(&leader).monitor().unwrap().jetstream().await;
    let held = held.unwrap().stream(account, "S").unwrap();
    wait_copy(&cluster, "n2", "S", held.messages).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_a_size_is_not_filled() {
    let cluster = start(Cluster::builder().nodes(1)).await;
    let refused = cluster.node("n1").fill_disk().await;
    assert!(
        matches!(&refused, Err(Error::Unsupported { reason, .. }) if reason.contains("no size")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_disk_with_a_size_is_empty_and_as_large() {
    let Some((cluster, _client)) = stream_with(Fault::FullDisk).await else {
        return;
    };
    let node = cluster.node("n2");
    node.kill().await.unwrap();
    node.wipe().await.unwrap();
    node.start().await.unwrap();
    wait_copy(&cluster, "n2", "S", 10).await;
    node.fill_disk().await.unwrap();
    node.free_disk().await.unwrap();
}

/// What is there after a wipe is not the node's disk, and might be the machine's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_wiped_is_not_filled() {
    let Some(cluster) = start_with(Fault::FullDisk).await else {
        return;
    };
    let node = cluster.node("n2");
    node.kill().await.unwrap();
    node.wipe().await.unwrap();
    let filled = node.fill_disk().await.unwrap_err();
    assert!(filled.to_string().contains("wiped"), "{filled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_after_the_other_is_wiped_and_the_rest_stays() {
    let cluster = start(Cluster::builder().nodes(3)).await;
    let client = connect(&cluster, "n1").await;
    for stream in ["A", "B", "C"] {
        create_stream(&client, stream, 3).await;
        publish(&client, stream, 10).await;
        wait_copy(&cluster, "n2", stream, 10).await;
    }
    let node = cluster.node("n2");
    node.kill().await.unwrap();
    let area = |stream: &str| StoreArea::Stream {
        account: cluster.credentials().account.clone(),
        stream: stream.to_owned(),
    };
    let copies = tempfile::tempdir().unwrap();
    let holds = async |stream: &str| {
        let copy = copies.path().join(stream);
        node.copy_store(&area(stream), &copy).await.unwrap()
    };
    node.wipe_area(&area("A")).await.unwrap();
    node.wipe_area(&area("B")).await.unwrap();
    let held = (holds("A").await, holds("B").await, holds("C").await);
    assert_eq!(held, (false, false, true));
    node.start().await.unwrap();
    for stream in ["A", "B", "C"] {
        wait_copy(&cluster, "n2", stream, 10).await;
    }
}

/// A caller that loses its patience with a start gets a node that is stopped, and really is.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_given_up_leaves_no_server() {
    let cluster = start(Cluster::builder().nodes(3)).await;
    let node = cluster.node("n3");
    for patience in [1, 20, 60] {
        if node.state().unwrap() == NodeState::Running {
            node.kill().await.unwrap();
        }
        let start = tokio::time::timeout(Duration::from_millis(patience), node.start());
        drop(start.await);
    }
    if node.state().unwrap() == NodeState::Running {
        node.kill().await.unwrap();
    }
    // Were one left, it would be the second of its name, and the first to be signalled.
    node.start().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
    node.kill().await.unwrap();
    assert_eq!(node.state().unwrap(), NodeState::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_with_a_read_only_store() {
    let Some((cluster, _client)) = stream_with(Fault::ReadOnlyStore).await else {
        return;
    };
    let node = cluster.node("n2");
    let running = node.set_read_only(true).await;
    assert!(matches!(running, Err(Error::IllegalTransition { .. })));
    node.kill().await.unwrap();
    node.set_read_only(true).await.unwrap();
    match node.start().await {
        Err(Error::Exited { log_tail, .. }) => {
            assert!(log_tail.contains("not writable"), "{log_tail}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(node.state().unwrap(), NodeState::Stopped);
    node.set_read_only(false).await.unwrap();
    node.start().await.unwrap();
    wait_copy(&cluster, "n2", "S", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_more_memory_than_it_may_is_killed() {
    let Some(cluster) = start_with(Fault::MemoryLimit).await else {
        return;
    };
    let client = connect(&cluster, "n1").await;
    let config = json!({
        "name": "M",
        "subjects": ["M.>"],
        "num_replicas": 3,
        "storage": "memory",
    });
    let created = ask(&client, "$JS.API.STREAM.CREATE.M", &config).await;
    created.unwrap();
    let node = cluster.node("n2");
    node.limit_memory(Some(48 << 20)).await.unwrap();
    // A stream in memory can't be written out of the way.
    let payload = "x".repeat(256 << 10);
    for _ in 0..256 {
        let _asked = client.request("M.a", payload.clone().into()).await;
    }
    let status = node.wait_ended(PATIENCE).await.unwrap();
    assert!(status.contains("out of memory"), "{status}");
    assert_eq!(node.state().unwrap(), NodeState::Stopped);
    node.limit_memory(None).await.unwrap();
    node.start().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lives_is_not_seen_to_end() {
    let cluster = start(Cluster::builder().nodes(1)).await;
    let node = cluster.node("n1");
    let waited = node.wait_ended(Duration::from_millis(200)).await;
    assert!(matches!(waited, Err(Error::Timeout { .. })), "{waited:?}");
    assert_eq!(node.state().unwrap(), NodeState::Running);
}
