//! Whether a restored stream works: a message is published to it, and consumed from it.

use std::time::Duration;

use bytes::Bytes;
use lifeboat_harness::wait::{Probe, until};
use serde_json::{Map, Value, json};

use super::check::{Check, CheckName};
use crate::jetstream::{Connection, OutgoingMessage, RequestError};
use crate::offline::is_mirror;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a stream may take to have a leader that answers: comparing it made its replicas lead in turn.
const WORKS_WITHIN: Duration = Duration::from_secs(30);
/// How long a stream that acknowledges nothing may take to store a message.
const STORED_WITHIN: Duration = Duration::from_millis(500);
/// The token and the consumer of a sentinel.
const NAME: &str = "lifeboat-sentinel";
/// JetStream's error number for a message that could not be stored, for a reason that is in its words.
const NOT_STORED: u32 = 10077;
/// JetStream's error numbers for a consumer that may not be beside those that are there: as many as there may
/// be, filters of a work queue that overlap (`errors.json`).
const NO_CONSUMER_MORE: [u32; 3] = [10026, 10099, 10100];

/// A message that was published.
pub(super) struct Sentinel {
    pub(super) sequence: u64,
    pub(super) payload: Bytes,
}

/// Why a stream was not used.
pub(super) enum Unused {
    /// It makes no sense.
    NotApplicable(String),
    /// It does not work.
    Failed(String),
}

/// Publishes a sentinel to a stream and consumes it.
pub(super) async fn check_use(
    connection: &Connection,
    stream: &str,
    config: &Map<String, Value>,
) -> Check {
    let name = CheckName::Usable;
    let subject = match subject_of(config) {
        Ok(subject) => subject,
        Err(reason) => return Check::not_applicable(name, reason),
    };
    // Made before: a stream that keeps what consumers want keeps nothing for later ones.
    let consumer = make_consumer(connection, stream, config, &subject).await;
    if let Err(NoConsumer::Failed(reason)) = &consumer {
        return Check::broken(name, format!("a consumer can't be made: {reason}"));
    }
    let sentinel = match publish(connection, stream, config).await {
        Ok(sentinel) => sentinel,
        Err(Unused::NotApplicable(reason)) => return Check::not_applicable(name, reason),
        Err(Unused::Failed(reason)) => return Check::broken(name, reason),
    };
    let published = format!("published to {subject} as sequence {}", sentinel.sequence);
    match consumer {
        Ok(()) => match consume(connection, stream, &sentinel, is_queue(config)).await {
            Ok(()) => Check::held(name, format!("{published}, consumed and acknowledged")),
            Err(reason) => Check::broken(name, format!("{published}, and not consumed: {reason}")),
        },
        // It is read instead, as consumers that it has may be all that it may have.
        Err(NoConsumer::NoneMore(reason) | NoConsumer::Failed(reason)) => {
            match read(connection, stream, &sentinel).await {
                Ok(()) => Check::held(
                    name,
                    format!("{published} and read; no consumer more: {reason}"),
                ),
                Err(reason) => {
                    Check::broken(name, format!("{published}, and not to be read: {reason}"))
                }
            }
        }
    }
}

/// Why there is no consumer of our own.
enum NoConsumer {
    /// The stream may have no other.
    NoneMore(String),
    /// It can't be made.
    Failed(String),
}

/// Whether the stream gives each message to one consumer.
fn is_queue(config: &Map<String, Value>) -> bool {
    config
        .get("retention")
        .is_some_and(|kept| kept == "workqueue")
}

/// Whether a flag of a configuration is set.
pub(super) fn is_on(config: &Map<String, Value>, flag: &str) -> bool {
    config.get(flag) == Some(&Value::Bool(true))
}

/// A subject that the stream takes, which nobody else uses where it has a wildcard.
fn subject_of(config: &Map<String, Value>) -> Result<String, String> {
    if is_mirror(config) {
        return Err(String::from(
            "a mirror takes messages from its origin alone",
        ));
    }
    if is_on(config, "sealed") {
        return Err(String::from("it is sealed"));
    }
    let subjects = config.get("subjects").and_then(Value::as_array);
    let first = subjects.and_then(|subjects| subjects.first());
    let Some(pattern) = first.and_then(Value::as_str) else {
        return Err(String::from("it has no subject of its own"));
    };
    let tokens = pattern.split('.').map(|token| match token {
        "*" | ">" => NAME,
        token => token,
    });
    Ok(tokens.collect::<Vec<_>>().join("."))
}

/// Publishes a message that nobody else has.
pub(super) async fn publish(
    connection: &Connection,
    stream: &str,
    config: &Map<String, Value>,
) -> Result<Sentinel, Unused> {
    let subject = subject_of(config).map_err(Unused::NotApplicable)?;
    let is_counter = is_on(config, "allow_msg_counter");
    let text = format!("lifeboat {:016x}", fastrand::u64(..));
    let most = config.get("max_msg_size").and_then(Value::as_u64);
    let most = most.and_then(|most| usize::try_from(most).ok());
    let bytes = most.filter(|most| *most > 0).unwrap_or(usize::MAX);
    let message = OutgoingMessage {
        subject: subject.clone(),
        // A counter takes nothing but steps (ADR-49).
        headers: if is_counter {
            vec![(String::from("Nats-Incr"), String::from("+0"))]
        } else {
            Vec::new()
        },
        payload: if is_counter {
            Bytes::new()
        } else {
            Bytes::from(text).slice(..bytes.min(25))
        },
    };
    let published = until(WORKS_WITHIN, || async {
        if is_on(config, "no_ack") {
            return unacknowledged(connection, stream, &message).await;
        }
        match connection.publish(&message, ANSWER_WITHIN).await {
            Ok(acknowledged) => Probe::Ready(Ok(acknowledged.sequence)),
            Err(error) if is_full(&error) => Probe::Ready(Err(error.to_string())),
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await;
    match published {
        Ok(Ok(sequence)) => Ok(Sentinel {
            sequence,
            payload: message.payload,
        }),
        Ok(Err(reason)) => Err(Unused::NotApplicable(format!(
            "it is as full as its limits allow, and refuses more: {reason}"
        ))),
        Err(timed_out) => Err(Unused::Failed(format!(
            "publishing to {subject}: {timed_out}"
        ))),
    }
}

/// Publishes to a stream that acknowledges nothing, and looks for the message at its end.
async fn unacknowledged(
    connection: &Connection,
    stream: &str,
    message: &OutgoingMessage,
) -> Probe<Result<u64, String>> {
    let _unanswered = connection.publish(message, STORED_WITHIN).await;
    let last = match connection.stream_info(stream).await {
        Ok(info) => info.state.last_seq,
        Err(error) => return Probe::Pending(error.to_string()),
    };
    match connection.message_at(stream, last).await {
        Ok(Some(found)) if found.payload == message.payload => Probe::Ready(Ok(last)),
        Ok(_) => Probe::Pending(format!("it is not at the stream's end, {last}")),
        Err(error) => Probe::Pending(error.to_string()),
    }
}

/// Whether a stream takes nothing more by its own limits; the same number is given when a disk fails.
fn is_full(error: &RequestError) -> bool {
    matches!(
        error,
        RequestError::Refused { err_code: NOT_STORED, description, .. }
            if description.starts_with("maximum ") && description.contains("exceeded")
    )
}

async fn make_consumer(
    connection: &Connection,
    stream: &str,
    config: &Map<String, Value>,
    subject: &str,
) -> Result<(), NoConsumer> {
    let mut consumer = json!({
        "durable_name": NAME,
        "ack_policy": "explicit",
        // A stream that gives each message to one consumer begins at its first.
        "deliver_policy": if is_queue(config) { "all" } else { "new" },
    });
    // What is stored under another subject than it is published to is not found by that.
    if config.get("subject_transform").is_none_or(Value::is_null) {
        consumer["filter_subject"] = Value::from(subject);
    }
    let made = until(WORKS_WITHIN, || async {
        match connection.create_consumer(stream, &consumer).await {
            Ok(()) => Probe::Ready(Ok(())),
            Err(error @ RequestError::Refused { err_code, .. })
                if NO_CONSUMER_MORE.contains(&err_code) =>
            {
                Probe::Ready(Err(NoConsumer::NoneMore(error.to_string())))
            }
            Err(error) => Probe::Pending(error.to_string()),
        }
    });
    made.await
        .unwrap_or_else(|timed_out| Err(NoConsumer::Failed(timed_out.to_string())))
}

/// Pulls until the sentinel comes. A queue gives what waits in front of it: that will do.
async fn consume(
    connection: &Connection,
    stream: &str,
    sentinel: &Sentinel,
    is_queue: bool,
) -> Result<(), String> {
    let consumer = connection.consumer(stream, NAME);
    let got = until(WORKS_WITHIN, || async {
        let batch = match consumer.pull(1, Duration::from_secs(1)).await {
            Ok(batch) => batch,
            Err(error) => return Probe::Pending(error.to_string()),
        };
        let Some(delivery) = batch.deliveries.first() else {
            let trouble = batch.trouble;
            return Probe::Pending(trouble.unwrap_or_else(|| String::from("nothing comes")));
        };
        let acknowledged = consumer.acknowledge(delivery, ANSWER_WITHIN).await;
        let sequence = delivery.message.sequence;
        match acknowledged {
            Err(error) => Probe::Pending(format!("acknowledging {sequence}: {error}")),
            Ok(()) if is_queue || sequence == sentinel.sequence => Probe::Ready(()),
            Ok(()) => Probe::Pending(format!("sequence {sequence} comes")),
        }
    });
    got.await.map_err(|timed_out| timed_out.to_string())
}

/// Reads the sentinel where it was stored.
pub(super) async fn read(
    connection: &Connection,
    stream: &str,
    sentinel: &Sentinel,
) -> Result<(), String> {
    let sequence = sentinel.sequence;
    let there = until(WORKS_WITHIN, || async {
        match connection.message_at(stream, sequence).await {
            Ok(Some(message))
                if message.payload == sentinel.payload || sentinel.payload.is_empty() =>
            {
                Probe::Ready(Ok(()))
            }
            Ok(Some(_)) => Probe::Ready(Err(format!("sequence {sequence} is another message"))),
            Ok(None) => Probe::Pending(format!("there is no sequence {sequence}")),
            Err(error) => Probe::Pending(error.to_string()),
        }
    });
    there
        .await
        .unwrap_or_else(|timed_out| Err(timed_out.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_has_a_subject_that_the_stream_takes() {
        let subject = |config: Value| subject_of(config.as_object().unwrap());
        let taken = subject(json!({ "subjects": ["a.*.b.>", "c"] }));
        assert_eq!(taken.unwrap(), "a.lifeboat-sentinel.b.lifeboat-sentinel");
        assert_eq!(subject(json!({ "subjects": ["plain"] })).unwrap(), "plain");
        assert!(subject(json!({ "mirror": { "name": "A" } })).is_err());
        assert!(subject(json!({ "sealed": true, "subjects": ["a"] })).is_err());
        assert!(subject(json!({ "sources": [{ "name": "A" }] })).is_err());
    }
}
