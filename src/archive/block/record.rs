//! The records of a block file (`<N>.blk`), as nats-server's `filestore.go` writes them.
//!
//! All integers are little endian:
//! ```text
//! total length u32 (bit 31: has headers) | sequence u64 (bit 63: erased, bit 62: tombstone)
//! | time i64 ns | subject length u16 | subject | [header length u32 | headers] | payload | hash u64
//! ```
//! The hash is HighwayHash-64 over sequence and time, subject, headers and payload, keyed by
//! the SHA-256 of `<stream>-<block index>`. It does not cover the lengths: a changed length that
//! moves bytes between subject, headers and payload keeps the hash. So headers that do not look like
//! headers and subjects that no NATS client can publish to are told (servers take any bytes that a
//! client sends as headers, and a transform makes such subjects, so that is no proof), and subjects
//! are compared with those that an index counts.

use super::super::cursor::Cursor;
use super::super::defect::{Defect, Kind};
use super::super::message::{Message, RECORD_BYTES};
use super::hash::HashKey;

const HAS_HEADERS: u32 = 1 << 31;
const ERASED: u64 = 1 << 63;
const TOMBSTONE: u64 = 1 << 62;
/// What servers refuse as well (`rlBadThresh`).
pub(super) const LONGEST: usize = 32 << 20;
const HASH_BYTES: usize = 8;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// A message.
    Message(Message<'a>),
    /// A message that was erased in place, or a sequence that never held one.
    Erased(u64),
    /// Says that this sequence, in this block or an earlier one, was deleted.
    Tombstone(u64),
}

/// Reads the records of one block in order, those after a damaged one too where it can be told
/// where they begin.
#[derive(Debug)]
pub(super) struct Records<'a> {
    place: &'a str,
    rest: &'a [u8],
    key: Option<HashKey>,
    last_hash: [u8; HASH_BYTES],
}

impl<'a> Records<'a> {
    /// The records of a block; with a key, the hash of every one is compared.
    pub(super) fn new(block: &'a [u8], place: &'a str, key: Option<HashKey>) -> Self {
        Self {
            place,
            rest: block,
            key,
            last_hash: [0; HASH_BYTES],
        }
    }

    /// The hash that the last record carries.
    pub(super) fn last_hash(&self) -> [u8; HASH_BYTES] {
        self.last_hash
    }

    fn read(&mut self) -> Result<Content<'a>, Defect> {
        let rest = std::mem::take(&mut self.rest);
        let damaged = |kind, detail: &str| Defect::new(kind, self.place, detail);
        let torn = |missing: &str| {
            let detail = format!("the last record lacks {missing}");
            Defect::new(Kind::CutOff, self.place, detail)
        };
        let length = Cursor::new(rest).u32().ok_or_else(|| torn("its length"))?;
        let has_headers = length & HAS_HEADERS != 0;
        let length = usize::try_from(length & !HAS_HEADERS).unwrap_or(usize::MAX);
        if !(RECORD_BYTES..=LONGEST).contains(&length) {
            let left = rest.len();
            let detail = format!("a record of {length} bytes; {left} bytes can't be read");
            return Err(damaged(Kind::Record, &detail));
        }
        let (record, rest) = rest
            .split_at_checked(length)
            .ok_or_else(|| torn("some of its bytes"))?;
        // From here on it is known where the next record begins.
        self.rest = rest;
        let (body, hash) = record.split_at(length - HASH_BYTES);
        self.last_hash.copy_from_slice(hash);
        let parts = Parts::split(body, has_headers)
            .ok_or_else(|| damaged(Kind::Record, "a record whose lengths exceed it"))?;
        let sequence = parts.sequence & !(ERASED | TOMBSTONE);
        if self.key.is_some_and(|key| parts.hash(key) != hash) {
            let detail = format!("the hash of sequence {sequence} is wrong");
            return Err(damaged(Kind::RecordChecksum, &detail));
        }
        if parts.sequence & TOMBSTONE != 0 {
            return Ok(Content::Tombstone(sequence));
        }
        if parts.sequence & ERASED != 0 {
            return Ok(Content::Erased(sequence));
        }
        Ok(Content::Message(Message {
            sequence,
            subject: parts.subject,
            headers: parts.headers,
            payload: parts.payload,
            time_ns: parts.time_ns,
        }))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Content<'a>, Defect>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.read())
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
        let mut headers: &[u8] = &[];
        if has_headers {
            let length = usize::try_from(rest.u32()?).ok()?;
            headers = rest.bytes(length)?;
        }
        Some(Self {
            sequence,
            time_ns,
            stamp,
            subject,
            headers,
            payload: rest.rest(),
        })
    }

    fn hash(&self, key: HashKey) -> [u8; HASH_BYTES] {
        key.hash([self.stamp, self.subject, self.headers, self.payload])
    }
}

/// Appends the record of a message. It must not be longer than [`LONGEST`].
pub(super) fn put_message(into: &mut Vec<u8>, message: &Message<'_>, key: HashKey) -> [u8; 8] {
    let (length, headers) = (message.stored_bytes(), message.headers);
    let mut length = u32::try_from(length).unwrap_or(u32::MAX);
    if !headers.is_empty() {
        length |= HAS_HEADERS;
    }
    let begin = into.len();
    into.extend(length.to_le_bytes());
    into.extend(message.sequence.to_le_bytes());
    into.extend(message.time_ns.to_le_bytes());
    let subject_length = u16::try_from(message.subject.len()).unwrap_or(u16::MAX);
    into.extend(subject_length.to_le_bytes());
    into.extend(message.subject);
    if !headers.is_empty() {
        into.extend(
            u32::try_from(headers.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        into.extend(headers);
    }
    into.extend(message.payload);
    let stamp = &into[begin + 4..begin + 20];
    let hash = key.hash([stamp, message.subject, headers, message.payload]);
    into.extend(hash);
    hash
}

/// Appends the record of a sequence that holds no message, as `SkipMsg` writes it.
pub(super) fn put_erased(into: &mut Vec<u8>, sequence: u64, time_ns: i64, key: HashKey) -> [u8; 8] {
    let nothing = Message {
        sequence: sequence | ERASED,
        subject: b"",
        headers: b"",
        payload: b"",
        time_ns,
    };
    put_message(into, &nothing, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Message<'_> = Message {
        sequence: 1,
        subject: b"a.b",
        headers: b"NATS/1.0\r\nA: b\r\n\r\n",
        payload: b"payload",
        time_ns: 1_700_000_000,
    };

    fn key() -> HashKey {
        HashKey::of_block("S", 1)
    }

    fn read(block: &[u8]) -> Vec<Result<Content<'_>, Defect>> {
        Records::new(block, "block 1", Some(key())).collect()
    }

    #[test]
    fn messages_erased_records_and_tombstones_are_told_apart() {
        let mut block = Vec::new();
        put_message(&mut block, &MESSAGE, key());
        put_erased(&mut block, 2, 0, key());
        put_erased(&mut block, 1 | TOMBSTONE, 0, key());
        let records: Vec<_> = read(&block).into_iter().map(Result::unwrap).collect();
        let expected = [
            Content::Message(MESSAGE),
            Content::Erased(2),
            Content::Tombstone(1),
        ];
        assert_eq!(records, expected);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let mut block = Vec::new();
        put_message(&mut block, &MESSAGE, key());
        for index in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[index / 8] ^= 1 << (index % 8);
            let is_odd = |record: &Result<Content<'_>, Defect>| match record {
                Ok(Content::Message(message)) => message.has_odd_headers(),
                other => other.is_err(),
            };
            assert!(read(&flipped).iter().any(is_odd), "bit {index}");
        }
        for length in 1..block.len() {
            assert!(
                read(&block[..length]).iter().any(Result::is_err),
                "cut at {length}"
            );
        }
    }

    #[test]
    fn what_follows_a_damaged_record_is_read() {
        let mut block = Vec::new();
        put_message(&mut block, &MESSAGE, key());
        let first = block.len();
        put_message(
            &mut block,
            &Message {
                sequence: 2,
                ..MESSAGE
            },
            key(),
        );
        block[first - 9] ^= 1;
        let records = read(&block);
        assert!(records[0].is_err());
        assert!(matches!(records[1], Ok(Content::Message(message)) if message.sequence == 2));
    }
}
