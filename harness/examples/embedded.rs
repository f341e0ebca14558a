//! How to embed the harness in a test of your own: lose a stream's leader, lose no message.
//!
//! `cargo run -p lifeboat-harness --example embedded`

#![expect(clippy::print_stdout, reason = "an example has something to show")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, context::Context, message::PublishMessage, stream::Config};
use lifeboat_harness::Cluster;
use lifeboat_harness::wait::{Probe, until};

/// A new leader is elected within nine seconds; a busy machine may need a second try.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Three real servers. They are ready when this returns, and gone when `cluster` is dropped.
    let cluster = Cluster::builder().nodes(3).start().await?;
    println!("three nodes of {} are up", cluster.binary());

    // Any client will do. These addresses stay right whatever happens to the nodes.
    let user = cluster.credentials();
    let client = ConnectOptions::with_user_and_password(user.user.clone(), user.password.clone())
        .connect(cluster.client_urls())
        .await?;
    let jetstream = jetstream::new(client);
    let config = Config {
        name: String::from("ORDERS"),
        subjects: vec![String::from("orders.>")],
        num_replicas: 3,
        ..Config::default()
    };
    let stream = jetstream.create_stream(config).await?;

    // What was acknowledged, by sequence: the promise that has to be kept.
    let mut promised = BTreeMap::new();
    for number in 0..100 {
        let order = format!("order {number}");
        promised.insert(publish(&jetstream, &order).await?, order);
    }

    // Break something, and go on as if nothing had happened.
    let members = cluster.stream_members("ORDERS").await?;
    let leader = members.leader.ok_or("nobody leads the stream")?;
    cluster.node(&leader).kill().await?;
    println!("killed {leader}, which led the stream");
    for number in 100..110 {
        let order = format!("order {number}");
        promised.insert(publish(&jetstream, &order).await?, order);
    }

    // Every message that was acknowledged is there, and is what it was.
    for (sequence, order) in &promised {
        let message = stream.get_raw_message(*sequence).await?;
        assert_eq!(message.payload, order.as_bytes(), "sequence {sequence}");
    }
    let leader = cluster.stream_members("ORDERS").await?.leader;
    println!("{} messages, none lost; {leader:?} leads", promised.len());
    Ok(())
}

/// Publishes until the message is acknowledged; returns its sequence. The message's id keeps a
/// second try from becoming a second message when only the acknowledgement was lost.
async fn publish(jetstream: &Context, order: &str) -> Result<u64, lifeboat_harness::Error> {
    until(PATIENCE, || async {
        let message = PublishMessage::build()
            .payload(order.to_owned().into())
            .message_id(order);
        match jetstream.send_publish("orders.new", message).await {
            Ok(sent) => match sent.await {
                Ok(acknowledged) => Probe::Ready(acknowledged.sequence),
                Err(error) => Probe::Pending(error.to_string()),
            },
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await
    .map_err(|timed_out| timed_out.awaiting(format!("`{order}` to be acknowledged")))
}
