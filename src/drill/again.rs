//! What a client does whose answers were lost: it publishes again what the stream has. A message with an id
//! that the stream knows must be acknowledged as a duplicate, and not be stored again.

use std::time::Duration;

use futures_util::StreamExt as _;
use lifeboat_harness::wait::pause_for;
use tokio::time::timeout;

use super::failure::{broken, impossible};
use super::load::{AFTER_TROUBLE, ANSWER_WITHIN, BULK_IN_FLIGHT, Publisher};
use super::steps::Outcome;
use super::world::World;
use crate::jetstream::OutgoingMessage;

/// Publishes the first messages again that were acknowledged.
pub(super) async fn publish_again(
    world: &World<'_>,
    publisher: &Publisher,
    messages: usize,
    within: Duration,
) -> Outcome {
    let first = publisher.first(messages);
    if first.len() < messages {
        let text = format!("only {} messages were acknowledged so far", first.len());
        return Err(impossible(text));
    }
    let mut publishing = futures_util::stream::iter(&first)
        .map(|message| until_answered(publisher, message))
        .buffer_unordered(BULK_IN_FLIGHT);
    let (mut answered, mut stored) = (0, 0);
    let in_time = timeout(within, async {
        while let Some(is_duplicate) = publishing.next().await {
            answered += 1;
            stored += u64::from(!is_duplicate);
        }
    });
    if in_time.await.is_err() {
        let text = format!("{answered} of {messages} messages got an answer within {within:?}");
        return Err(impossible(text));
    }
    if stored > 0 {
        let text = format!("{stored} of {messages} messages that it had were stored again");
        return Err(broken(text));
    }
    world.note(format!("all {messages} were known to be there"));
    Ok(())
}

/// Publishes a message until a server answers for it; whether it was there before.
async fn until_answered(publisher: &Publisher, message: &OutgoingMessage) -> bool {
    loop {
        for client in publisher.clients().publishing().iter() {
            if let Ok(acknowledged) = client.publish(message, ANSWER_WITHIN).await {
                return acknowledged.duplicate;
            }
        }
        pause_for(AFTER_TROUBLE).await;
    }
}
