//! What is counted while an archive is read.

use std::hash::{DefaultHasher, Hasher as _};

use super::message::Message;

/// How much was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Figures {
    /// Bytes after decompression.
    pub bytes: u64,
    /// Blocks, in a block archive.
    pub blocks: u64,
    /// Messages, those that are deleted too.
    pub messages: u64,
    /// Sequences that say that they hold no message, and tombstones.
    pub deletions: u64,
}

/// Messages, summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sums {
    /// What they take in a stream's blocks.
    pub bytes: u64,
    /// Time of the first, in nanoseconds since 1970.
    pub first_time_ns: Option<i64>,
    /// Time of the last.
    pub last_time_ns: Option<i64>,
}

impl Sums {
    /// Adds a message.
    pub fn add(&mut self, message: &Message<'_>) {
        self.bytes += message.stored_bytes();
        self.first_time_ns.get_or_insert(message.time_ns);
        self.last_time_ns = Some(message.time_ns);
    }
}

/// How many messages each subject has, as one number: the order in which they are counted does not
/// matter, and memory does not grow with the subjects. Two that differ are of different messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SubjectCounts(u64);

impl SubjectCounts {
    /// Counts messages of a subject, where servers do: an empty one is in no index, nor is one with the
    /// byte 127 (`stree.Insert`).
    pub(super) fn add(&mut self, subject: &[u8], messages: u64) {
        if subject.is_empty() || subject.contains(&0x7f) {
            return;
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(subject);
        let term = hasher.finish().wrapping_mul(messages);
        self.0 = self.0.wrapping_add(term);
    }
}
