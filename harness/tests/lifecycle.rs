//! Real servers through the public API: start, break, heal, and leave nothing behind.

use std::time::{Duration, Instant};

use lifeboat_harness::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_form_a_cluster() {
    let began = Instant::now();
    let cluster = Cluster::builder().nodes(3).start().await.unwrap();
    println!("ready after {:?}", began.elapsed());
    let peers = cluster.meta_peers().await.unwrap();
    assert_eq!(peers.into_iter().collect::<Vec<_>>(), ["n1", "n2", "n3"]);
    cluster.wait_ready(Duration::from_secs(1)).await.unwrap();
}
