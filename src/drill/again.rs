//! What a client does whose answers were lost: it publishes again what the stream has. A message with an id
//! that the stream knows must be acknowledged as a duplicate, and not be stored again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use lifeboat_harness::wait::pause_for;
use tokio::time::timeout;

use super::failure::{broken, impossible};
use super::load::{AFTER_TROUBLE, ANSWER_WITHIN, BULK_IN_FLIGHT, Publisher};
use super::steps::Outcome;
use super::world::World;
use crate::jetstream::OutgoingMessage;

/// How long a stream remembers ids where nothing is said (`StreamDefaultDuplicatesWindow` in the server's
/// `stream.go`).
const REMEMBERED_FOR: Duration = Duration::from_secs(120);

/// Publishes the first messages again that were acknowledged.
pub(super) async fn publish_again(
    world: &World<'_>,
    publisher: &Publisher,
    messages: usize,
    within: Duration,
) -> Outcome {
    let (first, sent_at) = publisher.first(messages);
    if first.len() < messages {
        let text = format!("only {} messages were acknowledged so far", first.len());
        return Err(impossible(text));
    }
    let last_error = Mutex::new(String::new());
    let mut publishing = futures_util::stream::iter(first.iter().enumerate())
        .map(|(number, message)| until_answered(publisher, number, message, &last_error))
        .buffer_unordered(BULK_IN_FLIGHT);
    let (mut answered, mut stored) = (0, 0);
    let in_time = timeout(within, async {
        while let Some(is_duplicate) = publishing.next().await {
            answered += 1;
            stored += u64::from(!is_duplicate);
        }
    });
    let in_time = in_time.await.is_ok();
    let remembered_for = remembered_for(publisher);
    if stored > 0 && sent_at.is_some_and(|sent_at| sent_at.elapsed() > remembered_for) {
        let text =
            format!("the stream remembers ids for {remembered_for:?}, and more time has passed");
        return Err(impossible(text));
    }
    if stored > 0 {
        let text = format!("{stored} of {answered} messages that it had were stored again");
        return Err(broken(text));
    }
    if !in_time {
        let last = last_error.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!(
            "{answered} of {messages} messages got an answer within {within:?}; last seen: {last}"
        );
        return Err(impossible(text));
    }
    world.note(format!("all {messages} were known to be there"));
    Ok(())
}

/// How long the stream remembers the ids of messages.
fn remembered_for(publisher: &Publisher) -> Duration {
    let window = publisher.config()["duplicate_window"].as_u64();
    let window = window.filter(|window| *window > 0);
    window.map_or(REMEMBERED_FOR, Duration::from_nanos)
}

/// Publishes a message until a server answers for it; whether it was there before. One client after the
/// other tries, each message beginning with another.
async fn until_answered(
    publisher: &Publisher,
    number: usize,
    message: &OutgoingMessage,
    last_error: &Mutex<String>,
) -> bool {
    loop {
        let clients = publisher.clients().publishing();
        let begin = number % clients.len().max(1);
        for client in clients[begin..].iter().chain(&clients[..begin]) {
            match client.publish(message, ANSWER_WITHIN).await {
                Ok(acknowledged) => return acknowledged.duplicate,
                Err(error) => {
                    *last_error.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
                }
            }
        }
        pause_for(AFTER_TROUBLE).await;
    }
}
