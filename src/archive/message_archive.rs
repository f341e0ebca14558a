//! The message archive of servers from 2.15 on (`NATSARC1`, ADR-63, `server/archive/archive.go`).
//!
//! After eight bytes of magic come entries:
//! ```text
//! uvarint name length | varint time ns | uvarint sequence | uvarint header size
//! | uvarint payload size | name | headers | payload
//! ```
//! The first is `state.json`, then one `consumers/<name>` for each consumer it counts, then the
//! messages in the order of their sequences, and last an entry whose every field is zero.
//! Nothing but the S2 frames carries a checksum.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};

use bytes::Bytes;
use serde::Deserialize;

use super::contents::{Contents, Form};
use super::error::{ArchiveError, Result};
use crate::model::{ConsumerPosition, SequencePair, StoredMessage};

/// The first decoded bytes of a message archive.
pub(super) const MAGIC: &[u8] = b"NATSARC1";
/// What servers accept at most as a name.
const LONGEST_NAME: u64 = 1 << 20;
/// No server takes a message this large; a length beyond it is damage, not data.
const LONGEST_PART: u64 = 64 << 20;
const WHAT: &str = "the message archive";

struct Entry {
    name: String,
    time_ns: i64,
    sequence: u64,
    headers: Bytes,
    payload: Bytes,
}

impl Entry {
    /// Whether every field is zero.
    fn is_end(&self) -> bool {
        self.name.is_empty()
            && self.time_ns == 0
            && self.sequence == 0
            && self.headers.is_empty()
            && self.payload.is_empty()
    }
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    last_seq: u64,
    #[serde(default)]
    consumer_count: usize,
}

#[derive(Deserialize)]
struct Consumer {
    state: ConsumerState,
}

#[derive(Deserialize)]
struct ConsumerState {
    #[serde(default)]
    delivered: SequencePair,
    #[serde(default)]
    ack_floor: SequencePair,
    #[serde(default)]
    pending: Option<BTreeMap<u64, serde::de::IgnoredAny>>,
}

/// Reads everything after the magic.
pub(super) fn read(archive: &mut impl Read) -> Result<Contents> {
    let first = next(archive)?;
    if first.name != "state.json" {
        let detail = format!("it begins with `{}`, not state.json", first.name);
        return Err(ArchiveError::damaged(WHAT, detail));
    }
    let state: State = json(&first)?;
    let mut contents = Contents {
        form: Form::Message,
        messages: BTreeMap::new(),
        consumers: Vec::new(),
        last_sequence: state.last_seq,
        indexed_sequence: state.last_seq,
    };
    loop {
        let entry = next(archive)?;
        if entry.name.is_empty() {
            if !entry.is_end() {
                let detail = format!("an entry without a name at sequence {}", entry.sequence);
                return Err(ArchiveError::damaged(WHAT, detail));
            }
            break;
        }
        if let Some(name) = entry
            .name
            .strip_prefix("consumers/")
            .filter(|_| entry.sequence == 0)
        {
            contents.consumers.push(position(name, &entry)?);
        } else {
            add(&mut contents, entry)?;
        }
    }
    if contents.consumers.len() != state.consumer_count {
        let (found, counted) = (contents.consumers.len(), state.consumer_count);
        let detail = format!("it counts {counted} consumers and holds {found}");
        return Err(ArchiveError::damaged(WHAT, detail));
    }
    match archive.read(&mut [0]) {
        Ok(0) => Ok(contents),
        Ok(_) => Err(ArchiveError::damaged(WHAT, "something follows its end")),
        Err(error) => Err(ArchiveError::io(WHAT)(error)),
    }
}

fn add(contents: &mut Contents, entry: Entry) -> Result<()> {
    let sequence = entry.sequence;
    let last = contents.messages.keys().next_back().copied().unwrap_or(0);
    if sequence <= last || sequence > contents.last_sequence {
        let detail = format!(
            "sequence {sequence} after {last}, of {}",
            contents.last_sequence
        );
        return Err(ArchiveError::damaged(WHAT, detail));
    }
    let message = StoredMessage {
        sequence,
        subject: entry.name,
        headers: entry.headers,
        payload: entry.payload,
        time_ns: entry.time_ns,
    };
    contents.messages.insert(sequence, message.fingerprint());
    Ok(())
}

fn position(name: &str, entry: &Entry) -> Result<ConsumerPosition> {
    let consumer: Consumer = json(entry)?;
    let pending = consumer.state.pending.unwrap_or_default();
    Ok(ConsumerPosition {
        name: name.to_owned(),
        delivered: consumer.state.delivered,
        ack_floor: consumer.state.ack_floor,
        pending: pending.into_keys().collect::<BTreeSet<_>>(),
    })
}

fn json<'a, T: Deserialize<'a>>(entry: &'a Entry) -> Result<T> {
    serde_json::from_slice(&entry.payload)
        .map_err(|error| ArchiveError::damaged(format!("`{}`", entry.name), error.to_string()))
}

fn next(archive: &mut impl Read) -> Result<Entry> {
    let name_length = uvarint(archive)?;
    let time_ns = varint(archive)?;
    let sequence = uvarint(archive)?;
    let header_length = uvarint(archive)?;
    let payload_length = uvarint(archive)?;
    if name_length > LONGEST_NAME || header_length.max(payload_length) > LONGEST_PART {
        let detail = format!("lengths of {name_length}, {header_length} and {payload_length}");
        return Err(ArchiveError::damaged(WHAT, detail));
    }
    let name = String::from_utf8(part(archive, name_length)?)
        .map_err(|_| ArchiveError::damaged(WHAT, "a name that is not UTF-8"))?;
    Ok(Entry {
        name,
        time_ns,
        sequence,
        headers: part(archive, header_length)?.into(),
        payload: part(archive, payload_length)?.into(),
    })
}

/// Reads so many bytes; memory grows with what really comes, not with what a length claims.
fn part(archive: &mut impl Read, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    archive
        .take(length)
        .read_to_end(&mut bytes)
        .map_err(ArchiveError::io(WHAT))?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(ArchiveError::truncated(WHAT, "it ends inside an entry"))
    }
}

fn uvarint(archive: &mut impl Read) -> Result<u64> {
    let mut value = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let mut byte = [0];
        archive.read_exact(&mut byte).map_err(|error| {
            if error.kind() == ErrorKind::UnexpectedEof {
                ArchiveError::truncated(WHAT, "its closing entry is missing")
            } else {
                ArchiveError::io(WHAT)(error)
            }
        })?;
        let bits = u64::from(byte[0] & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ArchiveError::damaged(
        WHAT,
        "an integer of more than 64 bits",
    ))
}

fn varint(archive: &mut impl Read) -> Result<i64> {
    let raw = uvarint(archive)?;
    let magnitude = (raw >> 1).cast_signed();
    Ok(if raw & 1 == 0 { magnitude } else { !magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(into: &mut Vec<u8>, mut value: u64) {
        while value > 0x7f {
            into.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        into.push(u8::try_from(value).unwrap());
    }

    fn entry(name: &str, sequence: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in [name.len() as u64, 2, sequence, 0, payload.len() as u64] {
            put(&mut bytes, value);
        }
        bytes.extend(name.as_bytes());
        bytes.extend(payload);
        bytes
    }

    fn archive() -> Vec<u8> {
        let consumer = br#"{"state":{"delivered":{"consumer_seq":3,"stream_seq":3},
            "ack_floor":{"consumer_seq":1,"stream_seq":1},"pending":{"3":{"sequence":3,"ts":1}}}}"#;
        [
            entry("state.json", 0, br#"{"last_seq":3,"consumer_count":1}"#),
            entry("consumers/c", 0, consumer),
            entry("a.b", 1, b"one"),
            entry("a.b", 3, b"three"),
            vec![0; 5],
        ]
        .concat()
    }

    #[test]
    fn messages_gaps_and_consumers_are_read() {
        let contents = read(&mut &archive()[..]).unwrap();
        assert_eq!(
            contents.messages.keys().copied().collect::<Vec<_>>(),
            [1, 3]
        );
        assert_eq!(contents.messages[&3].time_ns, 1);
        assert!(contents.consumers[0].owes(3) && !contents.consumers[0].owes(2));
    }

    #[test]
    fn every_prefix_is_rejected() {
        let whole = archive();
        for length in 0..whole.len() {
            assert!(read(&mut &whole[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn order_counts_and_the_end_are_checked() {
        let state = entry("state.json", 0, br#"{"last_seq":3,"consumer_count":0}"#);
        let (one, two, end) = (entry("a", 1, b""), entry("a", 2, b""), vec![0; 5]);
        let beyond = entry("a", 4, b"");
        for bad in [
            [&state[..], &two, &one, &end].concat(),
            [&state[..], &beyond, &end].concat(),
            [
                &state[..],
                &entry("consumers/c", 0, br#"{"state":{}}"#),
                &end,
            ]
            .concat(),
            [&state[..], &end, &one].concat(),
            [&one[..], &end].concat(),
            [&state[..], &entry("", 0, b"")].concat(),
            [&state[..], &one, &entry("", 2, b"")].concat(),
        ] {
            assert!(read(&mut &bad[..]).is_err());
        }
    }
}
