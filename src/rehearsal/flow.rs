//! Whether mirrors and sourcing streams go on: what is published to their origin has to reach them, and
//! what they had from it must not come again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use lifeboat_harness::wait::{Probe, until};
use serde_json::{Map, Value};

use super::check::{Check, CheckName};
use super::sentinel::{Sentinel, Unused, is_on, publish, read};
use crate::jetstream::{Connection, read_messages};
use crate::model::{StoredMessage, described_origins, origins};
use crate::offline::is_mirror;

/// How long a message may take from an origin: mirrors that find it gone try again after 10 s.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// So many messages before the end of a restored stream, and after it, are looked at.
const LOOKED_AT: u64 = 1000;
/// The header in which a sourced message names its origin and its sequence there (ADR-42).
const SOURCE_HEADER: &str = "nats-stream-source";

/// A stream that came back.
pub(super) struct Present {
    pub(super) name: String,
    pub(super) config: Map<String, Value>,
    /// The last sequence of its backup.
    pub(super) last_sequence: u64,
}

/// Checks that a stream gets what is published to each of its origins; nothing for one that has none.
pub(super) async fn check_flow(
    connection: &Connection,
    stream: &Present,
    all: &[Present],
) -> Option<Check> {
    let name = CheckName::Usable;
    let (mut reached, mut not_tried) = (Vec::new(), Vec::new());
    for origin in origins(&stream.config) {
        let Some(present) = all.iter().find(|other| other.name == origin) else {
            not_tried.push(format!("its origin {origin} is not here"));
            continue;
        };
        if let Some(reason) = hides(stream, present) {
            not_tried.push(reason);
            continue;
        }
        match flows(connection, stream, present).await {
            Ok(()) => reached.push(origin),
            Err(Unused::NotApplicable(reason)) => {
                not_tried.push(format!("its origin {origin}: {reason}"));
            }
            Err(Unused::Failed(reason)) => return Some(Check::broken(name, reason)),
        }
    }
    if reached.is_empty() && not_tried.is_empty() {
        return None;
    }
    if reached.is_empty() {
        return Some(Check::not_applicable(name, not_tried.join("; ")));
    }
    let mut detail = format!("what is published to {} reaches it", reached.join(", "));
    for reason in not_tried {
        detail.push_str("; not tried: ");
        detail.push_str(&reason);
    }
    Some(Check::held(name, detail))
}

/// Why it can't be told whether what an origin takes reaches a stream.
fn hides(stream: &Present, origin: &Present) -> Option<String> {
    let name = &origin.name;
    if selects(&stream.config, name) {
        return Some(format!(
            "it takes a part of {name}, or changes its subjects"
        ));
    }
    if is_on(&origin.config, "allow_msg_counter") {
        return Some(format!("{name} counts, and its messages have no content"));
    }
    let keeps = stream.config.get("retention").and_then(Value::as_str);
    if keeps.is_some_and(|kept| kept != "limits") && !is_mirror(&stream.config) {
        return Some(String::from("it may keep nothing that nobody wants"));
    }
    None
}

/// Publishes to an origin, and waits until that is in the stream.
async fn flows(connection: &Connection, stream: &Present, origin: &Present) -> Result<(), Unused> {
    let sentinel = publish(connection, &origin.name, &origin.config).await?;
    let arrived = if is_mirror(&stream.config) {
        let read = read(connection, &stream.name, &sentinel).await;
        read.map_err(|reason| {
            format!("{reason}; it is ahead of its origin, which was saved at an earlier state")
        })
    } else {
        arrive_once(connection, stream, &sentinel).await
    };
    arrived.map_err(|reason| {
        Unused::Failed(format!(
            "sequence {} was published to its origin {}: {reason}",
            sentinel.sequence, origin.name
        ))
    })
}

/// Whether it takes a part of the origin's messages, or changes their subjects.
fn selects(config: &Map<String, Value>, origin: &str) -> bool {
    let mut of_it = described_origins(config).filter(|(name, _)| *name == origin);
    of_it.any(|(_, one)| {
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
    stream: &Present,
    sentinel: &Sentinel,
) -> Result<(), String> {
    let end = stream.last_sequence;
    let first = end.saturating_sub(LOOKED_AT).saturating_add(1);
    let before = look(connection, &stream.name, first, end).await?;
    let arrived = until(ARRIVES_WITHIN, || async {
        let last = match connection.stream_info(&stream.name).await {
            Ok(info) => info.state.last_seq,
            Err(error) => return Probe::Pending(error.to_string()),
        };
        // Just behind the end of its backup, and at its own end: much may have come in between.
        let next = end.saturating_add(1);
        let soon = last.min(end.saturating_add(LOOKED_AT));
        let newest = next.max(last.saturating_sub(LOOKED_AT));
        let looked = async {
            let after = look(connection, &stream.name, next, soon).await?;
            let newest = look(connection, &stream.name, newest, last).await?;
            Ok::<_, String>((after, newest))
        };
        let (after, newest) = match looked.await {
            Ok(looked) => looked,
            Err(reason) => return Probe::Pending(reason),
        };
        if let Some(again) = comes_again(&before, &after) {
            return Probe::Ready(Err(again));
        }
        if newest.iter().any(|one| one.payload == sentinel.payload) {
            return Probe::Ready(Ok(()));
        }
        let count = last.saturating_sub(end);
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
    after
        .iter()
        .filter_map(source_of)
        .find_map(|(origin, sequence)| {
            let had = newest.get(&origin).filter(|had| sequence <= **had)?;
            let name = origin.split(' ').next().unwrap_or_default();
            Some(format!(
                "it takes messages of {name} again that it had: sequence {sequence} came after {had}; \
                 applications will see them twice"
            ))
        })
}

/// The source of a message, as its origin, filter and transform tell it from others, and its sequence
/// there.
fn source_of(message: &StoredMessage) -> Option<(String, u64)> {
    let headers = String::from_utf8_lossy(&message.headers);
    let mut lines = headers.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(name, _)| name.eq_ignore_ascii_case(SOURCE_HEADER))?;
    let words: Vec<&str> = value.split_whitespace().collect();
    let (origin, sequence) = (*words.first()?, words.get(1)?.parse().ok()?);
    let how = words.get(2..4).unwrap_or_default().join(" ");
    Some((format!("{origin} {how}").trim_end().to_owned(), sequence))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    /// A message that was sourced by a filter.
    fn sourced(origin: &str, sequence: u64, filter: &str) -> StoredMessage {
        let headers =
            format!("NATS/1.0\r\nNats-Stream-Source: {origin} {sequence} {filter} > a.b\r\n\r\n");
        StoredMessage {
            sequence: 0,
            subject: String::from("a.b"),
            headers: Bytes::from(headers),
            payload: Bytes::new(),
            time_ns: 0,
        }
    }

    fn message(origin: &str, sequence: u64) -> StoredMessage {
        sourced(origin, sequence, ">")
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
        // The same stream by another filter is another source.
        let filtered = [&before[..], &[sourced("A", 100, "x")]].concat();
        assert_eq!(comes_again(&filtered, &[message("A", 8)]), None);
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
