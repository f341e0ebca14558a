//! The beginning of `index.db`, in which a server sums a stream up (`_writeFullState`).
//!
//! Two bytes of magic and version, then variable-length integers: messages, bytes, first
//! sequence, its time, last sequence, its time. What follows differs between versions.

use super::cursor::Cursor;
use super::error::{ArchiveError, Result};

const WHAT: &str = "index.db";
const MAGIC: u8 = 11;
/// The versions whose beginning is the same: 1 in 2.10, 2 in 2.11, 3 in 2.12, 4 from 2.14 on.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=4;

/// What the index says of the stream as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) messages: u64,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
}

impl Index {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let [magic, version, rest @ ..] = bytes else {
            return Err(ArchiveError::truncated(WHAT, "it has no header"));
        };
        if *magic != MAGIC || !VERSIONS.contains(version) {
            return Err(ArchiveError::Unsupported {
                what: String::from(WHAT),
                detail: format!("its header is {magic}/{version}"),
            });
        }
        Self::read(Cursor::new(rest))
            .ok_or_else(|| ArchiveError::truncated(WHAT, "its counts are missing"))
    }

    fn read(mut cursor: Cursor<'_>) -> Option<Self> {
        let messages = cursor.uvarint()?;
        let _bytes = cursor.uvarint()?;
        let first_sequence = cursor.uvarint()?;
        let _first_time = cursor.varint()?;
        Some(Self {
            messages,
            first_sequence,
            last_sequence: cursor.uvarint()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_every_cut_is_noticed() {
        let bytes = [11, 3, 5, 100, 2, 7, 0xac, 0x02];
        let index = Index::decode(&bytes).unwrap();
        assert_eq!((index.messages, index.first_sequence), (5, 2));
        assert_eq!(index.last_sequence, 300);
        for length in 0..bytes.len() {
            assert!(Index::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        assert!(Index::decode(&[11, 9, 5, 100, 2, 7, 1]).is_err());
    }
}
