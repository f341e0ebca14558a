//! What each replica held at the end, as it was read from its disk.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::words::{counted, number};
use crate::ledger::{Event, Stamped};

/// What one node held of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ReplicaEnd {
    messages: u64,
    /// The first sequence and the last, where there is a message.
    bounds: Option<(u64, u64)>,
    defects: Vec<String>,
    state: Reading,
}

/// How it is known.
#[derive(Debug, Default, PartialEq, Eq)]
enum Reading {
    /// It was not read to its end.
    #[default]
    CutOff,
    /// Message by message.
    Read,
    /// By its server's word.
    Counted,
    Unreadable(String),
}

/// The streams of which a replica was read message by message, or which are known to be gone.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only what was read at the end is of interest here"
)]
pub(super) fn read_to_their_end(events: &[Stamped]) -> BTreeSet<&str> {
    let read = events.iter().filter_map(|stamped| match &stamped.event {
        Event::ReplicaRead { stream, .. } | Event::StreamGone { stream } => Some(stream.as_str()),
        _ => None,
    });
    read.collect()
}

/// What was held at the end, by stream and node.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only what was read at the end is of interest here"
)]
pub(super) fn at_the_end(events: &[Stamped]) -> BTreeMap<(String, String), ReplicaEnd> {
    let mut replicas: BTreeMap<(String, String), ReplicaEnd> = BTreeMap::new();
    for stamped in events {
        match &stamped.event {
            Event::Held {
                stream,
                node,
                message,
            } => {
                let replica = replicas.entry((stream.clone(), node.clone())).or_default();
                replica.messages += 1;
                let sequence = message.sequence;
                let (first, last) = replica.bounds.unwrap_or((sequence, sequence));
                replica.bounds = Some((first.min(sequence), last.max(sequence)));
            }
            Event::ReplicaRead {
                stream,
                node,
                defects,
                ..
            } => {
                let replica = replicas.entry((stream.clone(), node.clone())).or_default();
                replica.defects.clone_from(defects);
                replica.state = Reading::Read;
            }
            Event::ReplicaCounted {
                stream,
                node,
                messages,
                first_sequence,
                last_sequence,
            } => {
                let replica = replicas.entry((stream.clone(), node.clone())).or_default();
                replica.messages = *messages;
                replica.bounds = Some((*first_sequence, *last_sequence));
                replica.state = Reading::Counted;
            }
            Event::ReplicaUnreadable {
                stream,
                node,
                reason,
            } => {
                let replica = replicas.entry((stream.clone(), node.clone())).or_default();
                replica.state = Reading::Unreadable(reason.clone());
            }
            _ => {}
        }
    }
    replicas
}

/// A row for each replica.
pub(super) fn section(events: &[Stamped]) -> Markup {
    let replicas = at_the_end(events);
    html! {
        section id="replicas" {
            h2 { "What each replica held at the end" }
            @if replicas.is_empty() {
                p .quiet { "No replica was read." }
            } @else {
                div .scroll {
                    table {
                        thead {
                            tr { th { "stream" } th { "node" } th .right { "messages" } th { "sequences" } th { "how it is known" } th { "defects" } }
                        }
                        tbody {
                            @for ((stream, node), replica) in &replicas { (row(stream, node, replica)) }
                        }
                    }
                }
            }
        }
    }
}

fn row(stream: &str, node: &str, replica: &ReplicaEnd) -> Markup {
    let known = match &replica.state {
        Reading::Read => String::from("read from its disk"),
        Reading::Counted => String::from("its server's word"),
        Reading::CutOff => String::from("not read to its end"),
        Reading::Unreadable(reason) => format!("could not be read: {reason}"),
    };
    html! {
        tr {
            td { (stream) }
            td { (node) }
            td .right { (number(replica.messages)) }
            td .nowrap {
                @if let Some((first, last)) = replica.bounds { (number(first)) " … " (number(last)) }
                @else { "none" }
            }
            td { (known) }
            td .bad[!replica.defects.is_empty()] {
                @if replica.defects.is_empty() { "none" }
                @else { (counted(replica.defects.len(), "defect")) ": " (replica.defects.join("; ")) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Fingerprint};

    #[test]
    fn a_replica_that_was_not_read_to_its_end_says_so() {
        let held = |sequence| Event::Held {
            stream: String::from("S"),
            node: String::from("n1"),
            message: Fingerprint {
                sequence,
                id: String::new(),
                subject: String::new(),
                time_ns: 0,
                headers: Digest::of(b""),
                payload: Digest::of(b""),
            },
        };
        let events = [7, 9].map(|sequence| Stamped {
            at_us: 1,
            event: held(sequence),
        });
        let ends = at_the_end(&events);
        let end = &ends[&(String::from("S"), String::from("n1"))];
        assert_eq!((end.messages, end.bounds), (2, Some((7, 9))));
        assert_eq!(end.state, Reading::CutOff);
        assert!(
            section(&events)
                .into_string()
                .contains("not read to its end")
        );
    }
}
