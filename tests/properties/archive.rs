//! Reading archives that are sound, damaged, or none at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use super::config;
use crate::support::{Held, read_archive};

/// What comes before the first entry of a message archive.
pub(super) const MAGIC: &[u8] = b"NATSARC1";
/// What comes before the first S2 frame.
const IDENTIFIER: &[u8] = b"\xff\x06\0\0S2sTwO";

/// Reads these bytes as an archive, after putting them into sound S2 frames.
fn read_framed(bytes: &[u8]) -> lifeboat::archive::Result<Held> {
    let file = tempfile::NamedTempFile::new().unwrap();
    minlz::Writer::new(file.as_file()).write_all(bytes).unwrap();
    read_archive(file.path())
}

/// An integer as archives hold it.
pub(super) fn put(into: &mut Vec<u8>, mut value: u64) {
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

/// The parts of a sound message archive of these messages, with a consumer: the magic, the
/// state, the consumer, the messages, the end.
fn parts(messages: &BTreeMap<u64, Vec<u8>>) -> Vec<Vec<u8>> {
    let last = messages.keys().next_back().copied().unwrap_or(0);
    let count = messages.len();
    let state = format!(r#"{{"messages":{count},"last_seq":{last},"consumer_count":1}}"#);
    let mut parts = vec![
        MAGIC.to_vec(),
        entry("state.json", 0, state.as_bytes()),
        entry("consumers/c", 0, br#"{"config":{},"state":{}}"#),
    ];
    let entries = messages.iter();
    parts.extend(entries.map(|(sequence, payload)| entry("a.b", *sequence, payload)));
    parts.push(vec![0; 5]);
    parts
}

fn messages() -> impl Strategy<Value = BTreeMap<u64, Vec<u8>>> {
    btree_map(1..500_u64, vec(any::<u8>(), 0..40), 0..12)
}

/// Something done to bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Overwrite(Index, Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let bytes = || vec(any::<u8>(), 1..20);
    prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (any::<Index>(), bytes()).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), bytes()).prop_map(|(at, bytes)| Mutation::Overwrite(at, bytes)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let (at, removed, inserted): (_, _, &[u8]) = match self {
            Self::Remove(at, count) => (at, *count, &[]),
            Self::Insert(at, more) => (at, 0, more),
            Self::Overwrite(at, more) => (at, more.len(), more),
        };
        // One more, as something may be done to the end too.
        let at = at.index(length + 1);
        let removed = at..length.min(at + removed);
        drop(bytes.splice(removed, inserted.iter().copied()));
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn garbage_is_no_archive(bytes in vec(any::<u8>(), 0..2000), with_magic: bool) {
        let bytes = if with_magic { [MAGIC, &bytes].concat() } else { bytes };
        prop_assert!(read_framed(&bytes).is_err());
    }

    #[test]
    fn unframed_garbage_is_no_archive(bytes in vec(any::<u8>(), 0..2000), with_identifier: bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let identifier = if with_identifier { IDENTIFIER } else { b"" };
        fs::write(file.path(), [identifier, &bytes].concat()).unwrap();
        prop_assert!(read_archive(file.path()).is_err());
    }

    #[test]
    fn a_sound_archive_is_read_and_no_cut_of_it(messages in messages(), at: Index) {
        let whole = parts(&messages).concat();
        let contents = read_framed(&whole).unwrap();
        prop_assert!(contents.messages.keys().eq(messages.keys()));
        for (sequence, payload) in &messages {
            prop_assert_eq!(&contents.messages[sequence].payload, payload);
        }
        prop_assert!(read_framed(&whole[..at.index(whole.len())]).is_err());
    }

    /// There is no checksum inside the frames, so changed content may pass; but nothing beyond
    /// what the archive says of itself.
    #[test]
    fn a_mutated_archive_is_refused_or_consistent(
        messages in messages(),
        mutations in vec(mutation(), 1..4),
    ) {
        let mut bytes = parts(&messages).concat();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        if let Ok(contents) = read_framed(&bytes) {
            let last = contents.messages.keys().next_back().copied().unwrap_or(0);
            prop_assert!(last <= contents.last_sequence);
            for (sequence, message) in &contents.messages {
                prop_assert_eq!(*sequence, message.sequence);
            }
        }
    }

    /// Two parts of a sound archive change places, or one comes twice.
    #[test]
    fn parts_out_of_order_are_no_archive(messages in messages(), one: Index, other: Index) {
        let mut parts = parts(&messages);
        let (one, other) = (one.index(parts.len()), other.index(parts.len()));
        if one == other {
            parts.insert(one, parts[one].clone());
        } else {
            parts.swap(one, other);
        }
        prop_assert!(read_framed(&parts.concat()).is_err());
    }

    /// Decoders skip frames of a type they need not know. One changed bit makes any frame such
    /// a frame, and what it holds would be gone without a word.
    #[test]
    fn a_frame_to_be_skipped_is_damage(messages in messages(), at: Index) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut frames = Vec::new();
        {
            let mut writer = minlz::Writer::new(file.as_file());
            for part in parts(&messages) {
                frames.push(file.as_file().metadata().unwrap().len());
                writer.write_all(&part).unwrap();
                writer.flush().unwrap();
            }
        }
        let read = read_archive(file.path()).unwrap();
        prop_assert_eq!(read.messages.len(), messages.len());
        frames[0] = IDENTIFIER.len() as u64;
        let frame = usize::try_from(*at.get(&frames)).unwrap();
        let mut bytes = fs::read(file.path()).unwrap();
        bytes[frame] |= 0x80;
        fs::write(file.path(), bytes).unwrap();
        prop_assert!(read_archive(file.path()).is_err());
    }
}
