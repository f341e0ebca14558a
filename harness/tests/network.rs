//! The network between nodes, cut, slowed down and healed.

use std::time::{Duration, Instant};

use async_nats::Client;
use futures_util::StreamExt as _;
use lifeboat_harness::wait::{Probe, pause_for, until};
use lifeboat_harness::{Cluster, Error};
use serde_json::json;

use crate::support::{PATIENCE, ask, connect, create_stream, publish, start, wait_copy};

/// How long a node that is cut off is watched for an acknowledgement it must not give.
const WATCHED: Duration = Duration::from_secs(8);

/// Waits until a stream is led by another node; its name.
async fn another_leads(cluster: &Cluster, stream: &str, not: &str) -> String {
    until(PATIENCE, || async {
        match cluster.stream_members(stream).await.map(|seen| seen.leader) {
            Ok(Some(leader)) if leader != not => Probe::Ready(leader),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap()
}

async fn leader(cluster: &Cluster, stream: &str) -> String {
    another_leads(cluster, stream, "").await
}

/// Publishes to one node for a while; what was acknowledged, which should be nothing.
async fn acknowledged(client: &Client, subject: &str) -> Vec<String> {
    let began = Instant::now();
    let mut answers = Vec::new();
    while began.elapsed() < WATCHED {
        if let Ok(answer) = ask(client, subject, &json!({})).await {
            answers.push(answer.to_string());
        }
        pause_for(Duration::from_millis(100)).await;
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_is_replaced_takes_nothing_and_catches_up() {
    let cluster = start(Cluster::builder().nodes(3)).await;
    let old = leader_of_new_stream(&cluster).await;
    let isolated = connect(&cluster, &old).await;
    cluster.around(&[&old]).unwrap().cut().await.unwrap();

    let new = another_leads(&cluster, "S", &old).await;
    let majority = connect(&cluster, &new).await;
    publish(&majority, "S", 5).await;
    assert_eq!(acknowledged(&isolated, "S.a").await, [""; 0]);
    // What the cluster knows is asked of the majority, whoever the isolated node believes leads.
    assert_ne!(cluster.meta_leader().await.as_ref(), Some(&old));

    cluster.heal().await;
    cluster.wait_ready(PATIENCE).await.unwrap();
    let members = cluster.stream_members("S").await.unwrap().all();
    assert_eq!(members.len(), 3);
    for node in members {
        wait_copy(&cluster, &node, "S", 15).await;
    }
}

/// A stream of three replicas with ten messages; who leads it.
async fn leader_of_new_stream(cluster: &Cluster) -> String {
    let client = connect(cluster, "n1").await;
    create_stream(&client, "S", 3).await;
    publish(&client, "S", 10).await;
    leader(cluster, "S").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_words_arrive_nowhere_is_replaced() {
    let cluster = start(Cluster::builder().nodes(3)).await;
    let old = leader_of_new_stream(&cluster).await;
    let network = cluster.around(&[&old]).unwrap();
    network.cut_one_way().await.unwrap();
    let new = another_leads(&cluster, "S", &old).await;
    let majority = connect(&cluster, &new).await;
    publish(&majority, "S", 5).await;
    network.heal().await.unwrap();
    for node in ["n1", "n2", "n3"] {
        wait_copy(&cluster, node, "S", 15).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_network_delays_every_acknowledgement_that_needs_it() {
    let cluster = start(Cluster::builder().nodes(3)).await;
    let leader = leader_of_new_stream(&cluster).await;
    let client = connect(&cluster, &leader).await;
    let timed = async || {
        let began = Instant::now();
        ask(&client, "S.a", &json!({})).await.unwrap();
        began.elapsed()
    };
    let by = Duration::from_millis(60);
    let network = cluster.around(&[&leader]).unwrap();
    network.delay(by).await.unwrap();
    // There to a follower, and back from it.
    let slow = timed().await;
    assert!(slow >= 2 * by, "{slow:?}");
    network.delay(Duration::ZERO).await.unwrap();
    let quick = until(PATIENCE, || async {
        match timed().await {
            quick if quick < by => Probe::Ready(quick),
            slow => Probe::Pending(format!("{slow:?}")),
        }
    });
    quick.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_cut_off_only_on_request() {
    let cluster = start(Cluster::builder().nodes(3)).await;
    let client = connect(&cluster, "n1").await;
    let network = cluster.around(&["n1"]).unwrap();
    network.cut().await.unwrap();
    let mut echo = client.subscribe("echo").await.unwrap();
    let mut there_and_back = async |within| {
        client.publish("echo", "".into()).await.unwrap();
        tokio::time::timeout(within, echo.next()).await.is_ok()
    };
    assert!(there_and_back(PATIENCE).await);
    network.with_clients().cut().await.unwrap();
    assert!(!there_and_back(Duration::from_secs(1)).await);
    cluster.heal().await;
    assert!(there_and_back(PATIENCE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_that_make_no_sense_are_refused() {
    let cluster = start(Cluster::builder().nodes(3)).await;
    let refused = |one: &[&str], other: &[&str]| cluster.between(one, other).unwrap_err();
    assert!(matches!(
        refused(&["n1"], &["n4"]),
        Error::UnknownNode { .. }
    ));
    assert!(matches!(refused(&["n1"], &["n1"]), Error::BadPartition(_)));
    assert!(matches!(refused(&[], &["n1"]), Error::BadPartition(_)));
    let everybody = cluster.around(&["n1", "n2", "n3"]).unwrap_err();
    assert!(matches!(everybody, Error::BadPartition(_)), "{everybody}");
}
