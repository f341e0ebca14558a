//! Disks that are put back as they were, or otherwise than they were, and servers of another
//! version on them.

use std::fs;
use std::path::Path;

use lifeboat_harness::{Cluster, Error, Fault, Runtime, ServerRequest, StoreArea, parse_version};

use crate::support::{PATIENCE, connect, create_stream, followers, publish, start, wait_copy};

/// A version that is not the one under test.
fn other_version(cluster: &Cluster) -> semver::Version {
    let candidates = ["2.12.8", "2.14.6"].map(|text| parse_version(text).unwrap());
    let own = &cluster.binary().version;
    candidates
        .into_iter()
        .find(|version| version != own)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_put_back_holds_what_it_held() {
    let cluster = start(Cluster::builder().nodes(1)).await;
    let client = connect(&cluster, "n1").await;
    create_stream(&client, "S", 1).await;
    publish(&client, "S", 5).await;
    let node = cluster.node("n1");
    let copies = tempfile::tempdir().unwrap();
    let then = copies.path().join("then");
    let running = node.copy_store(&StoreArea::All, &then).await;
    assert!(matches!(running, Err(Error::IllegalTransition { .. })));
    node.pause().await.unwrap();
    assert!(node.copy_store(&StoreArea::All, &then).await.unwrap());
    node.resume().await.unwrap();
    publish(&client, "S", 7).await;
    let running = node.put_store(&StoreArea::All, &then).await;
    assert!(matches!(running, Err(Error::IllegalTransition { .. })));

    node.kill().await.unwrap();
    node.put_store(&StoreArea::All, &then).await.unwrap();
    node.start().await.unwrap();
    wait_copy(&cluster, "n1", "S", 5).await;

    // Part of it, with the rest as it is.
    publish(&client, "S", 1).await;
    create_stream(&client, "T", 1).await;
    publish(&client, "T", 3).await;
    node.stop().await.unwrap();
    let area = StoreArea::Stream {
        account: cluster.credentials().account.clone(),
        stream: String::from("S"),
    };
    let stream = then.join("jetstream").join("APP").join("streams").join("S");
    node.put_store(&area, &stream).await.unwrap();
    let back = copies.path().join("back");
    assert!(node.copy_store(&area, &back).await.unwrap());
    let block = |root: &Path| fs::read(root.join("msgs/1.blk")).unwrap();
    assert_eq!(block(&back), block(&stream));
    node.start().await.unwrap();
    wait_copy(&cluster, "n1", "S", 5).await;
    wait_copy(&cluster, "n1", "T", 3).await;

    // Onto a disk that is gone.
    node.kill().await.unwrap();
    node.wipe().await.unwrap();
    let nothing = node.put_store(&area, &copies.path().join("nothing")).await;
    assert!(nothing.is_err());
    node.put_store(&StoreArea::All, &then).await.unwrap();
    node.start().await.unwrap();
    wait_copy(&cluster, "n1", "S", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_forgot_the_meta_group_learns_it_again() {
    let cluster = start(Cluster::builder()).await;
    let client = connect(&cluster, "n1").await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 5).await;
    let node = followers(&cluster).await.remove(0);
    wait_copy(&cluster, node.name(), "S", 5).await;
    node.kill().await.unwrap();
    let copies = tempfile::tempdir().unwrap();
    let copy = |to: &str| copies.path().join(to);
    let meta = &StoreArea::MetaGroup;
    assert!(node.copy_store(meta, &copy("meta")).await.unwrap());
    assert!(copy("meta/peers.idx").is_file());
    node.wipe_area(meta).await.unwrap();
    assert!(!node.copy_store(meta, &copy("gone")).await.unwrap());
    // The rest of the disk is there.
    assert!(
        node.copy_store(&StoreArea::All, &copy("all"))
            .await
            .unwrap()
    );
    assert!(copy("all/jetstream/APP/streams/S/msgs").is_dir());
    node.start().await.unwrap();
    cluster.wait_ready(PATIENCE).await.unwrap();
    wait_copy(&cluster, node.name(), "S", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_started_with_another_server_and_stays_with_it() {
    let cluster = start(Cluster::builder().nodes(1)).await;
    let version = other_version(&cluster);
    let request = ServerRequest {
        version: Some(version.clone()),
        ..ServerRequest::from_env().unwrap()
    };
    let request = ServerRequest {
        path: None,
        ..request
    };
    let other = request.locate().unwrap();
    let node = cluster.node("n1");
    assert_eq!(node.binary().unwrap(), *cluster.binary());
    let running = node.start_with(&other).await;
    if Runtime::from_env().unwrap() == Runtime::Container {
        let fault = Fault::OtherServer;
        assert!(
            matches!(running, Err(Error::Unsupported { fault: said, .. }) if said == fault),
            "{running:?}"
        );
        return;
    }
    assert!(matches!(running, Err(Error::IllegalTransition { .. })));
    for first in [true, false] {
        node.stop().await.unwrap();
        if first {
            node.start_with(&other).await.unwrap();
        } else {
            node.start().await.unwrap();
        }
        let client = connect(&cluster, "n1").await;
        assert_eq!(client.server_info().version, version.to_string());
        assert_eq!(node.binary().unwrap().version, version);
    }
}
