//! A consumer as an archive holds it: its configuration and where it stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::defect::{Defect, Kind};
use super::error::ArchiveError;
use crate::model::{ConsumerPosition, SequencePair};

/// A consumer in an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// Its configuration, as the server writes it.
    pub config: Map<String, Value>,
    /// When it was created, RFC 3339; message archives do not tell.
    pub created: Option<String>,
    /// Where it stands.
    pub state: ConsumerState,
}

/// Where a consumer stands, in full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerState {
    /// The last message it delivered.
    #[serde(default)]
    pub delivered: SequencePair,
    /// Everything up to here was acknowledged.
    #[serde(default)]
    pub ack_floor: SequencePair,
    /// Messages delivered and not acknowledged, by stream sequence.
    #[serde(
        default,
        deserialize_with = "or_nothing",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub pending: BTreeMap<u64, Pending>,
    /// Messages delivered more than once, by stream sequence, and how often again.
    #[serde(
        default,
        deserialize_with = "or_nothing",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub redelivered: BTreeMap<u64, u64>,
}

/// A message that was delivered and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Which of the consumer's deliveries it was. (Go's own names: `Pending` has no tags.)
    #[serde(rename = "Sequence")]
    pub sequence: u64,
    /// When, in nanoseconds since 1970; a block archive keeps whole seconds.
    #[serde(rename = "Timestamp")]
    pub time_ns: i64,
}

/// Go writes an empty map as `null`.
fn or_nothing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Consumer {
    /// Its position, as the rest of the program knows it.
    pub fn position(&self) -> ConsumerPosition {
        ConsumerPosition {
            name: self.name.clone(),
            delivered: self.state.delivered,
            ack_floor: self.state.ack_floor,
            pending: self.state.pending.keys().copied().collect(),
        }
    }

    /// Whether it stands beyond the last sequence of its stream: messages that are published later
    /// would not be delivered.
    pub fn is_beyond(&self, last_sequence: u64) -> bool {
        let ConsumerState {
            delivered,
            ack_floor,
            ..
        } = &self.state;
        delivered.stream.max(ack_floor.stream) > last_sequence
    }

    /// Sets it back to the end of its stream.
    pub fn set_back(&mut self, last_sequence: u64) {
        let state = &mut self.state;
        for place in [&mut state.delivered, &mut state.ack_floor] {
            place.stream = place.stream.min(last_sequence);
        }
        state
            .pending
            .retain(|sequence, _| *sequence <= last_sequence);
        state
            .redelivered
            .retain(|sequence, _| *sequence <= last_sequence);
    }

    /// What is wrong with where it stands, given the stream's last sequence, and the last that it
    /// had when the consumer was saved, which may be later.
    pub(super) fn check(&self, last_sequence: u64, known_sequence: u64) -> Vec<Defect> {
        let place = format!("consumer {}", self.name);
        let mut defects = Vec::new();
        let ConsumerState {
            delivered,
            ack_floor,
            pending,
            ..
        } = &self.state;
        let furthest = delivered.stream.max(ack_floor.stream);
        if furthest > last_sequence && furthest <= known_sequence {
            let detail = format!(
                "it was saved later than the messages: it stands at {furthest}, they end at \
                 {last_sequence}, and messages published after a restore would not be delivered"
            );
            defects.push(Defect::new(Kind::ConsumerLater, &place, detail));
        } else if furthest > last_sequence {
            let detail = format!(
                "it stands at {furthest}, the stream ends at {last_sequence}: messages published \
                 later would not be delivered"
            );
            defects.push(Defect::new(Kind::ConsumerAhead, &place, detail));
        }
        if ack_floor.stream > delivered.stream || ack_floor.consumer > delivered.consumer {
            let detail = format!(
                "its ack floor ({} of {}) is beyond what it delivered ({} of {})",
                ack_floor.consumer, ack_floor.stream, delivered.consumer, delivered.stream
            );
            defects.push(Defect::new(Kind::ConsumerState, &place, detail));
        }
        let outside = pending
            .keys()
            .find(|sequence| **sequence <= ack_floor.stream || **sequence > delivered.stream);
        if let Some(sequence) = outside {
            let detail = format!(
                "message {sequence} is pending, outside ack floor {} and delivered {}",
                ack_floor.stream, delivered.stream
            );
            defects.push(Defect::new(Kind::ConsumerState, &place, detail));
        }
        defects
    }
}

/// How much memory the consumers of an archive take, who are kept as a whole.
#[derive(Debug, Default)]
pub(super) struct ConsumerMemory(usize);

impl ConsumerMemory {
    /// No real stream's consumers take more.
    const MOST: usize = 256 << 20;

    /// Takes so many bytes more.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ArchiveError> {
        self.0 += bytes;
        if self.0 <= Self::MOST {
            return Ok(());
        }
        let detail = "its consumers take more memory than those of any real stream";
        Err(ArchiveError::unsupported("this archive", detail))
    }
}

/// Whether a consumer, or a stream, can have this name (ADR-6).
pub(crate) fn is_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c);
    !name.is_empty() && name.len() <= 255 && !name.contains(forbidden)
}
