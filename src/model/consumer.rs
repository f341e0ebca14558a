//! Where a consumer stands.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The two counts a consumer keeps at every point: its own deliveries, and the stream's sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequencePair {
    /// How many deliveries it has made.
    #[serde(rename = "consumer_seq")]
    pub consumer: u64,
    /// The stream's sequence.
    #[serde(rename = "stream_seq")]
    pub stream: u64,
}

/// A durable consumer's position: what it delivered, what was acknowledged, what is in between.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerPosition {
    /// Its name.
    pub name: String,
    /// The last message it delivered.
    pub delivered: SequencePair,
    /// Everything up to here was acknowledged.
    pub ack_floor: SequencePair,
    /// Stream sequences delivered and not acknowledged, all above the ack floor.
    pub pending: BTreeSet<u64>,
}

impl ConsumerPosition {
    /// Whether a consumer that stands here must still deliver a message.
    pub fn owes(&self, sequence: u64) -> bool {
        sequence > self.delivered.stream || self.pending.contains(&sequence)
    }
}
