//! The records of a block file (`<N>.blk`), as nats-server's `filestore.go` writes them.
//!
//! All integers are little endian:
//! ```text
//! total length u32 (bit 31: has headers) | sequence u64 (bit 63: erased, bit 62: tombstone)
//! | time i64 ns | subject length u16 | subject | [header length u32 | headers] | payload | hash u64
//! ```
//! The hash is HighwayHash-64 over sequence and time, subject, headers and payload, keyed by
//! the SHA-256 of `<stream>-<block index>`. It does not cover the lengths: a changed length that
//! moves bytes between headers and payload keeps the hash, so headers must also look like headers.

use bytes::Bytes;
use highway::{HighwayHash as _, HighwayHasher, Key};
use sha2::{Digest as _, Sha256};

use super::cursor::Cursor;
use super::error::{ArchiveError, Result};
use crate::model::StoredMessage;

const HAS_HEADERS: u32 = 1 << 31;
const ERASED: u64 = 1 << 63;
const TOMBSTONE: u64 = 1 << 62;
/// Everything but subject, headers and payload.
const FIXED_LENGTH: usize = 30;
/// What servers refuse as well (`rlBadThresh`).
const LONGEST: usize = 32 << 20;
/// A block that was compressed as a whole begins with this.
const COMPRESSED: &[u8] = b"cmp";

/// One record of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A message.
    Message(StoredMessage),
    /// A message that was erased in place, or a sequence that never held one.
    Erased(u64),
    /// Says that this sequence, in this block or an earlier one, was deleted.
    Tombstone(u64),
}

/// Reads the records of one block in order, checking every hash.
#[derive(Debug)]
pub struct Records<'a> {
    name: String,
    rest: &'a [u8],
    key: Key,
}

impl<'a> Records<'a> {
    /// The records of block `index` of a stream.
    pub fn new(stream: &str, index: u64, block: &'a [u8]) -> Self {
        Self {
            name: format!("block {index}"),
            rest: block,
            key: hash_key(&format!("{stream}-{index}")),
        }
    }

    fn read(&mut self) -> Result<Record> {
        let damaged = |detail: &str| ArchiveError::damaged(&self.name, detail);
        if self.rest.starts_with(COMPRESSED) {
            return Err(ArchiveError::Unsupported {
                what: self.name.clone(),
                detail: String::from("it is compressed as a whole"),
            });
        }
        let mut head = Cursor::new(self.rest);
        let length = head.u32().ok_or_else(|| self.torn("its length"))?;
        let has_headers = length & HAS_HEADERS != 0;
        let length = usize::try_from(length & !HAS_HEADERS).unwrap_or(usize::MAX);
        if !(FIXED_LENGTH..=LONGEST).contains(&length) {
            return Err(damaged(&format!("a record of {length} bytes")));
        }
        let (record, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.torn("all of it"))?;
        let (body, hash) = record.split_at(length - 8);
        let parts = Parts::split(body, has_headers)
            .ok_or_else(|| damaged("lengths inside a record that exceed it"))?;
        if parts.hash(self.key).to_le_bytes() != hash {
            let sequence = parts.sequence & !(ERASED | TOMBSTONE);
            return Err(damaged(&format!("the hash of sequence {sequence}")));
        }
        if !parts.headers_are_headers() {
            return Err(damaged("headers that are none, although the hash agrees"));
        }
        self.rest = rest;
        parts
            .record()
            .ok_or_else(|| ArchiveError::damaged(&self.name, "a subject that is not UTF-8"))
    }

    fn torn(&self, missing: &str) -> ArchiveError {
        ArchiveError::truncated(&self.name, format!("the last record lacks {missing}"))
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            // Where the next record begins can't be told after a bad one.
            self.rest = &[];
        }
        Some(record)
    }
}

/// A record taken apart.
struct Parts<'a> {
    sequence: u64,
    time_ns: i64,
    /// Sequence and time as they stand, which is what the hash covers.
    stamp: &'a [u8],
    subject: &'a [u8],
    headers: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes a record without its hash apart.
    fn split(body: &'a [u8], has_headers: bool) -> Option<Self> {
        let stamp = body.get(4..20)?;
        let mut stamps = Cursor::new(stamp);
        let (sequence, time_ns) = (stamps.u64()?, stamps.i64()?);
        let mut rest = Cursor::new(body.get(20..)?);
        let subject_length = usize::from(rest.u16()?);
        let subject = rest.bytes(subject_length)?;
        let mut used = 22 + subject_length;
        let mut headers: &[u8] = &[];
        if has_headers {
            let length = usize::try_from(rest.u32()?).ok()?;
            headers = rest.bytes(length)?;
            used += 4 + length;
        }
        Some(Self {
            sequence,
            time_ns,
            stamp,
            subject,
            headers,
            payload: body.get(used..)?,
        })
    }

    fn hash(&self, key: Key) -> u64 {
        let mut hasher = HighwayHasher::new(key);
        for part in [self.stamp, self.subject, self.headers, self.payload] {
            hasher.append(part);
        }
        hasher.finalize64()
    }

    fn headers_are_headers(&self) -> bool {
        self.headers.is_empty()
            || (self.headers.starts_with(b"NATS/1.0") && self.headers.ends_with(b"\r\n\r\n"))
    }

    fn record(&self) -> Option<Record> {
        let sequence = self.sequence & !(ERASED | TOMBSTONE);
        if self.sequence & TOMBSTONE != 0 {
            return Some(Record::Tombstone(sequence));
        }
        if self.sequence & ERASED != 0 {
            return Some(Record::Erased(sequence));
        }
        Some(Record::Message(StoredMessage {
            sequence,
            subject: std::str::from_utf8(self.subject).ok()?.to_owned(),
            headers: Bytes::copy_from_slice(self.headers),
            payload: Bytes::copy_from_slice(self.payload),
            time_ns: self.time_ns,
        }))
    }
}

/// The key that the server derives from a name.
fn hash_key(name: &str) -> Key {
    let digest = Sha256::digest(name.as_bytes());
    let mut words = [0_u64; 4];
    for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
    }
    Key(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(sequence: u64, subject: &str, headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let extra = if headers.is_empty() {
            0
        } else {
            4 + headers.len()
        };
        let length = u32::try_from(FIXED_LENGTH + subject.len() + extra + payload.len()).unwrap();
        let flag = if headers.is_empty() { 0 } else { HAS_HEADERS };
        let mut record = (length | flag).to_le_bytes().to_vec();
        record.extend(sequence.to_le_bytes());
        record.extend(1_700_000_000_i64.to_le_bytes());
        record.extend(u16::try_from(subject.len()).unwrap().to_le_bytes());
        record.extend(subject.as_bytes());
        if !headers.is_empty() {
            record.extend(u32::try_from(headers.len()).unwrap().to_le_bytes());
            record.extend(headers);
        }
        record.extend(payload);
        let hash = Parts::split(&record, !headers.is_empty())
            .unwrap()
            .hash(hash_key("S-1"));
        record.extend(hash.to_le_bytes());
        record
    }

    #[test]
    fn messages_erased_records_and_tombstones_are_told_apart() {
        let block: Vec<u8> = [
            encode(1, "a.b", b"NATS/1.0\r\nA: b\r\n\r\n", b"payload"),
            encode(2 | ERASED, "", b"", b""),
            encode(1 | TOMBSTONE, "", b"", b""),
        ]
        .concat();
        let records: Vec<_> = Records::new("S", 1, &block).map(Result::unwrap).collect();
        let [
            Record::Message(message),
            Record::Erased(2),
            Record::Tombstone(1),
        ] = &records[..]
        else {
            panic!("{records:?}");
        };
        assert_eq!(message.subject, "a.b");
        assert_eq!(&message.payload[..], b"payload");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let block = encode(1, "a", b"NATS/1.0\r\nA: b\r\n\r\n", b"payload");
        for index in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[index / 8] ^= 1 << (index % 8);
            let read: Result<Vec<_>> = Records::new("S", 1, &flipped).collect();
            assert!(read.is_err(), "bit {index}");
        }
        for length in 1..block.len() {
            let read: Result<Vec<_>> = Records::new("S", 1, &block[..length]).collect();
            assert!(read.is_err(), "cut at {length}");
        }
    }
}
