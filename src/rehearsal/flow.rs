//! Whether mirrors and sourcing streams go on: what is published to their origin has to reach them, and
//! what they had from it must not come again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use lifeboat_harness::wait::{Probe, until};
use serde_json::{Map, Value};

use super::check::{Check, CheckName};
use super::sentinel::{Sentinel, Unused, publish, read};
use crate::jetstream::{Connection, read_messages};
use crate::model::{StoredMessage, origins};

/// How long a message may take from an origin: mirrors that find it gone try again after 10 s.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// So many messages before the end of a restored stream, and after it, are looked at.
const LOOKED_AT: u64 = 1000;
/// The header in which a sourced message names its origin and its sequence there (ADR-42).
const SOURCE_HEADER: &str = "nats-stream-source";

/// A stream that came back.
#[derive(Clone, Copy)]
pub(super) struct Restored<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a Map<String, Value>,
    /// The last sequence of its backup.
    pub(super) last_sequence: u64,
}

/// Checks that a stream gets what is published to an origin that came back too.
pub(super) async fn check_flow(
    connection: &Connection,
    stream: Restored<'_>,
    all: &[Restored<'_>],
) -> Option<Check> {
    let name = CheckName::Usable;
    let is_restored = |name: &str| all.iter().find(|other| other.name == name);
    let origin = origins(stream.config).find_map(is_restored)?;
    if selects(stream.config, origin.name) {
        return None;
    }
    let sentinel = match publish(connection, origin.config).await {
        Ok(sentinel) => sentinel,
        Err(Unused::NotApplicable(_)) => return None,
        Err(Unused::Failed(reason)) => {
            let detail = format!("its origin {} takes nothing: {reason}", origin.name);
            return Some(Check::inconclusive(name, detail));
        }
    };
    let mirror = stream.config.get("mirror");
    let arrived = if mirror.is_some_and(|mirror| !mirror.is_null()) {
        let read = read(connection, stream.name, &sentinel).await;
        read.map_err(|reason| {
            format!("{reason}; it is ahead of its origin, which was saved at an earlier state")
        })
    } else {
        arrive_once(connection, stream, &sentinel).await
    };
    let origin = origin.name;
    Some(match arrived {
        Ok(()) => Check::held(name, format!("what is published to {origin} reaches it")),
        Err(reason) => Check::broken(
            name,
            format!(
                "sequence {} was published to its origin {origin}: {reason}",
                sentinel.sequence
            ),
        ),
    })
}

/// Whether it takes a part of the origin's messages, or changes their subjects.
fn selects(config: &Map<String, Value>, origin: &str) -> bool {
    let sources = config.get("sources").and_then(Value::as_array);
    let all = sources.into_iter().flatten().chain(config.get("mirror"));
    let mut of_it = all.filter(|one| one.get("name").and_then(Value::as_str) == Some(origin));
    of_it.any(|one| {
        ["filter_subject", "subject_transforms"]
            .iter()
            .any(|field| {
                one.get(*field)
                    .is_some_and(|value| !value.is_null() && value != "")
            })
    })
}

/// Waits for a message in a stream that numbers what it sources itself, and looks whether it takes what
/// it had already.
async fn arrive_once(
    connection: &Connection,
    stream: Restored<'_>,
    sentinel: &Sentinel,
) -> Result<(), String> {
    let end = stream.last_sequence;
    let before = look(
        connection,
        stream.name,
        end.saturating_sub(LOOKED_AT) + 1,
        end,
    )
    .await?;
    let arrived = until(ARRIVES_WITHIN, || async {
        let last = match connection.stream_info(stream.name).await {
            Ok(info) => info.state.last_seq.min(end + LOOKED_AT),
            Err(error) => return Probe::Pending(error.to_string()),
        };
        let after = match look(connection, stream.name, end + 1, last).await {
            Ok(after) => after,
            Err(reason) => return Probe::Pending(reason),
        };
        if let Some(again) = comes_again(&before, &after) {
            return Probe::Ready(Err(again));
        }
        if after.iter().any(|one| one.payload == sentinel.payload) {
            return Probe::Ready(Ok(()));
        }
        let count = after.len();
        Probe::Pending(format!(
            "{count} messages came from its origins, not that one"
        ))
    });
    arrived
        .await
        .unwrap_or_else(|timed_out| Err(timed_out.to_string()))
}

/// The messages of a stretch; what is deleted is passed over.
async fn look(
    connection: &Connection,
    stream: &str,
    first: u64,
    last: u64,
) -> Result<Vec<StoredMessage>, String> {
    let messages = read_messages(connection, stream, first.max(1)..=last)
        .filter_map(async |message| match message {
            Err(error) if error.is_message_not_found() => None,
            other => Some(other),
        })
        .try_collect();
    messages
        .await
        .map_err(|error: crate::jetstream::RequestError| error.to_string())
}

/// Whether a stream takes messages of an origin that it had, in words.
fn comes_again(before: &[StoredMessage], after: &[StoredMessage]) -> Option<String> {
    let mut newest = BTreeMap::new();
    for (origin, sequence) in before.iter().filter_map(source_of) {
        let known = newest.entry(origin).or_insert(sequence);
        *known = sequence.max(*known);
    }
    after.iter().filter_map(source_of).find_map(|(origin, sequence)| {
        let had = newest.get(&origin).filter(|had| sequence <= **had)?;
        Some(format!(
            "it takes messages of {origin} again that it had: sequence {sequence} came after {had}; \
             applications will see them twice"
        ))
    })
}

/// The origin of a sourced message, and its sequence there.
fn source_of(message: &StoredMessage) -> Option<(String, u64)> {
    let headers = String::from_utf8_lossy(&message.headers);
    let mut lines = headers.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(name, _)| name.eq_ignore_ascii_case(SOURCE_HEADER))?;
    let mut words = value.split_whitespace();
    let (origin, sequence) = (words.next()?, words.next()?);
    // Where an origin is another account's, its hash follows its name.
    let origin = origin.split(':').next()?;
    Some((origin.to_owned(), sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn message(origin: &str, sequence: u64) -> StoredMessage {
        let headers =
            format!("NATS/1.0\r\nNats-Stream-Source: {origin} {sequence} > > a.b\r\n\r\n");
        StoredMessage {
            sequence: 0,
            subject: String::from("a.b"),
            headers: Bytes::from(headers),
            payload: Bytes::new(),
            time_ns: 0,
        }
    }

    #[test]
    fn what_comes_again_is_told_from_what_is_new() {
        let before = [message("A", 7), message("B", 3)];
        assert_eq!(
            comes_again(&before, &[message("A", 8), message("B", 4)]),
            None
        );
        let again = comes_again(&before, &[message("A", 8), message("B", 1)]).unwrap();
        assert!(again.contains("sequence 1 came after 3"), "{again}");
        // One that it had nothing of begins where it likes.
        assert_eq!(comes_again(&before, &[message("C", 1)]), None);
    }

    #[test]
    fn what_selects_is_left_alone() {
        let config = |source: Value| json!({ "sources": [source] }).as_object().unwrap().clone();
        assert!(!selects(
            &config(json!({ "name": "A", "filter_subject": "" })),
            "A"
        ));
        assert!(selects(
            &config(json!({ "name": "A", "filter_subject": "x" })),
            "A"
        ));
        assert!(!selects(
            &config(json!({ "name": "B", "filter_subject": "x" })),
            "A"
        ));
    }
}
