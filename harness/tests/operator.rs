//! What operators ask of a cluster in trouble, and what becomes of it.

use lifeboat_harness::{Cluster, Error};

use crate::support::{PATIENCE, connect, create_stream, publish, start, wait_copy};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_taken_out_of_one_streams_group() {
    let cluster = start(Cluster::builder().nodes(4)).await;
    let client = connect(&cluster, "n1").await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 5).await;
    let members = cluster.stream_members("S").await.unwrap();
    let victim = members.followers.first().unwrap().clone();
    cluster.stream_peer_remove("S", &victim).await.unwrap();
    let after = cluster.stream_members("S").await.unwrap();
    assert!(!after.all().contains(&victim), "{after:?}");
    let refused = cluster.stream_peer_remove("S", &victim).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    let unknown = cluster.stream_peer_remove("S", "n9").await;
    assert!(
        matches!(unknown, Err(Error::UnknownNode { .. })),
        "{unknown:?}"
    );
    // It is still in the cluster, with all that it may get.
    assert!(cluster.meta_peers().await.unwrap().contains(&victim));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meta_group_without_quorum_is_rescued_where_servers_can() {
    let cluster = start(Cluster::builder()).await;
    let client = connect(&cluster, "n1").await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 5).await;
    wait_copy(&cluster, "n1", "S", 5).await;
    for name in ["n2", "n3"] {
        cluster.node(name).kill().await.unwrap();
    }
    let rescued = lifeboat_harness::wait::until(PATIENCE, || async {
        use lifeboat_harness::wait::Probe;
        match cluster.meta_rescue("n1", 1).await {
            // It still believes in the leader that is gone.
            Err(Error::Refused {
                err_code: 10224,
                description,
                ..
            }) => Probe::Pending(description),
            answer => Probe::Ready(answer),
        }
    })
    .await
    .unwrap();
    if cluster.binary().version.minor < 15 {
        assert!(rescued.is_err(), "{rescued:?}");
        return;
    }
    assert_eq!(rescued.unwrap(), "n1");
    for name in ["n2", "n3"] {
        cluster.peer_remove(name).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_holds_what_there_is() {
    let cluster = start(Cluster::builder().nodes(1)).await;
    let client = connect(&cluster, "n1").await;
    create_stream(&client, "S", 1).await;
    let members = cluster.stream_members("S").await.unwrap();
    assert_eq!(members.leader.as_deref(), Some("n1"));
    let absent = cluster.stream_members("T").await;
    assert!(matches!(absent, Err(Error::Refused { .. })), "{absent:?}");
}
