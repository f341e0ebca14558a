//! `index.db`, in which a server sums a stream up, block by block (`_writeFullState`).
//!
//! Two bytes of magic and version, then integers of seven bits a byte: messages, bytes, first
//! sequence, its time, last sequence, its time; the subjects, with their number of messages and
//! first and last block; the blocks, with first and last sequence and the set of those deleted in
//! between; the last block's index; then the hash of the last record in it, and a hash of all that.

use std::collections::BTreeMap;

use super::super::cursor::Cursor;
use super::super::defect::{Defect, Kind};
use super::super::figures::SubjectCounts;
use super::super::message::LAST_SEQUENCE;
use super::super::sequences::Sequences;
use super::hash::HashKey;

const WHAT: &str = "index.db";
const MAGIC: u8 = 11;
/// 1 in 2.10, 2 in 2.11, 3 in 2.12, 4 from 2.14 on.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=4;
/// The version from which on blocks count their messages with a time to live.
const WITH_TTLS: u8 = 2;
/// The version from which on blocks count their scheduled messages.
const WITH_SCHEDULES: u8 = 3;
/// The version from which on a subject's last block is always there.
const WITH_LAST_BLOCK: u8 = 4;
const HASH_BYTES: usize = 8;

/// What the index says of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Index {
    pub(in super::super) messages: u64,
    pub(in super::super) first_sequence: u64,
    pub(in super::super) last_sequence: u64,
    pub(in super::super) subjects: SubjectCounts,
    /// The hash of the last record of the last block.
    pub(in super::super) last_hash: [u8; HASH_BYTES],
    pub(in super::super) last_block: u64,
    pub(in super::super) blocks: BTreeMap<u64, IndexedBlock>,
}

/// What the index says of one block.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct IndexedBlock {
    first: u64,
    last: u64,
    deleted: Sequences,
}

impl Index {
    /// Decodes it. With the stream's name its own hash is checked as well; a wrong one is a
    /// defect beside the index, not instead of it.
    pub(in super::super) fn decode(
        bytes: &[u8],
        stream: Option<&str>,
    ) -> Result<(Self, Option<Defect>), Defect> {
        let Some((body, hash)) = bytes.split_last_chunk::<HASH_BYTES>() else {
            return Err(Defect::new(Kind::CutOff, WHAT, "it is too short to be one"));
        };
        let is_wrong = stream.is_some_and(|name| HashKey::of_stream(name).hash([body]) != *hash);
        let wrong = is_wrong.then(|| Defect::new(Kind::IndexChecksum, WHAT, "its hash is wrong"));
        let [magic, version, rest @ ..] = body else {
            return Err(Defect::new(Kind::CutOff, WHAT, "it has no header"));
        };
        if *magic != MAGIC || !VERSIONS.contains(version) {
            let detail = format!("its header is {magic}/{version}, which is unknown");
            return Err(Defect::new(Kind::Metadata, WHAT, detail));
        }
        let mut cursor = Cursor::new(rest);
        match read(&mut cursor, *version) {
            Some(index) if cursor.is_empty() => Ok((index, wrong)),
            Some(_) => Err(Defect::new(
                Kind::AfterTheEnd,
                WHAT,
                "something follows its end",
            )),
            None => Err(Defect::new(
                Kind::CutOff,
                WHAT,
                "it is cut off, or contradicts itself",
            )),
        }
    }

    /// Whether a message of a block is still in the stream, by what the index knows. What came
    /// after the index was written is.
    pub(in super::super) fn holds(&self, block: u64, sequence: u64) -> bool {
        if sequence > self.last_sequence {
            return true;
        }
        self.blocks.get(&block).is_some_and(|indexed| {
            // A block that has grown since then has more than the index knows of it.
            sequence > indexed.last
                || (sequence >= indexed.first.max(self.first_sequence)
                    && !indexed.deleted.contains(sequence))
        })
    }
}

impl IndexedBlock {
    /// How many messages it holds by what the index knows, and how many of those are there.
    pub(in super::super) fn count(&self, present: &Sequences) -> (u64, u64) {
        if self.is_empty() {
            return (0, 0);
        }
        let span = (self.last - self.first).saturating_add(1);
        let inside = |sequence: &u64| (self.first..=self.last).contains(sequence);
        let deleted = self.deleted.iter().filter(inside).count() as u64;
        let both = self
            .deleted
            .iter()
            .filter(|sequence| inside(sequence) && present.contains(*sequence));
        let there = present.count_between(self.first, self.last) - both.count() as u64;
        (span - deleted, there)
    }

    /// Whether it holds any message.
    pub(in super::super) fn is_empty(&self) -> bool {
        let span = (self.last.saturating_add(1)).saturating_sub(self.first);
        span <= self.deleted.len()
    }
}

fn read(cursor: &mut Cursor<'_>, version: u8) -> Option<Index> {
    let messages = cursor.uvarint()?;
    let _bytes = cursor.uvarint()?;
    let first_sequence = cursor.uvarint()?;
    let _first_time = cursor.varint()?;
    let last_sequence = cursor
        .uvarint()
        .filter(|sequence| *sequence <= LAST_SEQUENCE)?;
    let _last_time = cursor.varint()?;
    let subjects = read_subjects(cursor, version)?;
    let mut blocks = BTreeMap::new();
    for _ in 0..cursor.uvarint()? {
        let (number, block) = read_block(cursor, version)?;
        if blocks.insert(number, block).is_some() {
            return None;
        }
    }
    Some(Index {
        messages,
        first_sequence,
        last_sequence,
        subjects,
        last_block: cursor.uvarint()?,
        last_hash: cursor.bytes(HASH_BYTES)?.try_into().ok()?,
        blocks,
    })
}

fn read_subjects(cursor: &mut Cursor<'_>, version: u8) -> Option<SubjectCounts> {
    let mut subjects = SubjectCounts::default();
    for _ in 0..cursor.uvarint()? {
        let length = usize::try_from(cursor.uvarint()?).ok()?;
        if length == 0 {
            continue;
        }
        let subject = cursor.bytes(length)?;
        let total = cursor.uvarint()?;
        let _first_block = cursor.uvarint()?;
        if total > 1 || version >= WITH_LAST_BLOCK {
            let _last_block = cursor.uvarint()?;
        }
        subjects.add(subject, total);
    }
    Some(subjects)
}

fn read_block(cursor: &mut Cursor<'_>, version: u8) -> Option<(u64, IndexedBlock)> {
    let number = cursor.uvarint()?;
    let _bytes = cursor.uvarint()?;
    let first = cursor.uvarint()?;
    let _first_time = cursor.varint()?;
    let last = cursor.uvarint()?;
    let _last_time = cursor.varint()?;
    let deletions = cursor.uvarint()?;
    if version >= WITH_TTLS {
        let _ttls = cursor.uvarint()?;
    }
    if version >= WITH_SCHEDULES {
        let _schedules = cursor.uvarint()?;
    }
    let deleted = if deletions > 0 {
        read_set(cursor)?
    } else {
        Sequences::default()
    };
    let block = IndexedBlock {
        first,
        last,
        deleted,
    };
    Some((number, block))
}

/// A set of sequences as `avl/seqset.go` encodes it: magic 22, version, the number of nodes and of
/// sequences, then for each node its first sequence, a bit for each of 2048 sequences (4096 in
/// version 1), and its height.
fn read_set(cursor: &mut Cursor<'_>) -> Option<Sequences> {
    let words = match cursor.bytes(2)? {
        [22, 1] => 64,
        [22, 2] => 32,
        _ => return None,
    };
    let (nodes, _size) = (cursor.u32()?, cursor.u32()?);
    let mut set = Sequences::default();
    for _ in 0..nodes {
        let base = cursor.u64()?;
        for word in 0..words {
            let mut bits = cursor.u64()?;
            while bits != 0 {
                let bit = u64::from(bits.trailing_zeros());
                set.insert(base.checked_add(word * 64 + bit)?);
                bits &= bits - 1;
            }
        }
        let _height = cursor.u16()?;
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::super::super::varint::put_uvarint;
    use super::*;

    /// An index of two blocks: 2 to 5 without 3, and 9.
    fn encoded(version: u8) -> Vec<u8> {
        let mut bytes = vec![MAGIC, version];
        let mut put = |values: &[u64]| {
            values
                .iter()
                .for_each(|value| put_uvarint(&mut bytes, *value))
        };
        put(&[4, 100, 2, 0, 300, 0, 1, 1]);
        bytes.push(b'a');
        let mut put = |values: &[u64]| {
            values
                .iter()
                .for_each(|value| put_uvarint(&mut bytes, *value))
        };
        put(&[4, 1, 2, 2]);
        put(&[1, 50, 2, 0, 5, 0, 1, 0, 0]);
        bytes.extend([22, 2, 1, 0, 0, 0, 1, 0, 0, 0]);
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(8_u64.to_le_bytes());
        bytes.extend([0; 31 * 8 + 2]);
        let mut put = |values: &[u64]| {
            values
                .iter()
                .for_each(|value| put_uvarint(&mut bytes, *value))
        };
        put(&[7, 50, 9, 0, 300, 0, 0, 0, 0, 7]);
        bytes.extend([7; 8]);
        let hash = HashKey::of_stream("S").hash([&bytes[..]]);
        bytes.extend(hash);
        bytes
    }

    #[test]
    fn blocks_and_what_is_deleted_in_them_are_read() {
        let (index, wrong) = Index::decode(&encoded(3), Some("S")).unwrap();
        assert_eq!(wrong, None);
        assert_eq!(
            (index.messages, index.last_sequence, index.last_block),
            (4, 300, 7)
        );
        let held: Vec<_> = (1..12)
            .filter(|sequence| index.holds(1, *sequence))
            .collect();
        // Of block 1 it knows 2 to 5; what is beyond came later.
        assert_eq!(held, [2, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert!(!index.holds(3, 4) && index.holds(3, 301));
        let (_, wrong) = Index::decode(&encoded(3), Some("T")).unwrap();
        assert_eq!(wrong.unwrap().kind, Kind::IndexChecksum);
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = encoded(3);
        for length in 0..bytes.len() {
            let read = Index::decode(&bytes[..length], Some("S"));
            assert!(!matches!(read, Ok((_, None))), "cut at {length}");
        }
        assert!(Index::decode(&encoded(9), None).is_err());
    }
}
