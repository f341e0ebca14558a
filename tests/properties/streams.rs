//! Any stream that is written and read again is the same, in both forms and across conversions;
//! and whatever is changed in an archive, or cut off it, does not go unnoticed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::ops::ControlFlow;

use lifeboat::archive::{
    Archive, Consumer, ConsumerState, Form, Level, Pending, Severity, Stream, StreamMeta,
    StreamState, Survey, write_message_archive, write_tar,
};
use lifeboat::model::{SequencePair, StoredMessage};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::archive::{MAGIC, put};
use super::config;

/// A stream as it is to come back.
#[derive(Debug, Clone)]
struct Model {
    messages: Vec<StoredMessage>,
    last_sequence: u64,
    consumers: Vec<Consumer>,
}

/// What comes back: of the times of deliveries, block archives keep the seconds.
#[derive(Debug, PartialEq)]
struct Content {
    messages: Vec<StoredMessage>,
    last_sequence: u64,
    consumers: Vec<(String, Map<String, Value>, ConsumerState)>,
}

fn subject() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}(\\.[a-z]{1,5}){0,3}",
        Just(String::from("größe.日本.🛟")),
        "[A-Z]{300}",
        Just(String::from("state.json")),
        Just(String::from("consumers/c")),
    ]
}

fn headers() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(Vec::new()),
        1 => Just(b"NATS/1.0\r\n\r\n".to_vec()),
        // Servers take whatever a client sends as headers.
        1 => Just(b"garbage!".to_vec()),
        3 => vec(("[A-Za-z-]{1,10}", "[ -~]{0,20}"), 1..4).prop_map(|lines| {
            let mut block = b"NATS/1.0\r\n".to_vec();
            for (name, value) in lines {
                block.extend(format!("{name}: {value}\r\n").bytes());
            }
            block.extend(b"\r\n");
            block
        }),
    ]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => vec(any::<u8>(), 0..60),
        10 => (any::<u8>(), 0..5000_usize).prop_map(|(byte, length)| vec![byte; length]),
        1 => (any::<u8>(), 900_000..1_200_000_usize).prop_map(|(byte, length)| {
            (0..length).map(|at| byte.wrapping_add(u8::try_from(at / 7 % 251).unwrap())).collect()
        }),
    ]
}

/// Distances from one sequence to the next: mostly one, sometimes far.
fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(1_u64), 3 => 2..5_u64, 1 => 60_000..70_000_u64, 1 => 1 << 30..1_u64 << 33]
}

type Written = (u64, String, Vec<u8>, Vec<u8>, i64);

fn message() -> impl Strategy<Value = Written> {
    (gap(), subject(), headers(), payload(), any::<i64>())
}

fn pair() -> impl Strategy<Value = (Index, Index, u64)> {
    (any::<Index>(), any::<Index>(), 0..1000_u64)
}

/// Where a consumer stands, given by places in the stream.
type Place = (
    (Index, Index, u64),
    BTreeMap<Index0, (u64, i64)>,
    Vec<(Index, u64)>,
);
type Index0 = u16;

fn place() -> impl Strategy<Value = Place> {
    let pending = btree_map(
        any::<u16>(),
        (0..1000_u64, -4_000_000_000..4_000_000_000_i64),
        0..6,
    );
    (pair(), pending, vec((any::<Index>(), 1..9_u64), 0..3))
}

fn model() -> impl Strategy<Value = Model> {
    let consumers = btree_map("[a-zA-Z0-9_-]{1,130}", place(), 0..4);
    (vec(message(), 0..12), gap(), any::<bool>(), consumers).prop_map(build)
}

fn build(
    (written, after, has_tail, places): (Vec<Written>, u64, bool, BTreeMap<String, Place>),
) -> Model {
    let mut sequence = 0;
    let mut messages = Vec::new();
    for (gap, subject, headers, payload, time_ns) in written {
        sequence += gap;
        messages.push(StoredMessage {
            sequence,
            subject,
            headers: headers.into(),
            payload: payload.into(),
            time_ns,
        });
    }
    let last_sequence = if has_tail { sequence + after } else { sequence };
    let consumers = places
        .into_iter()
        .map(|(name, place)| consumer(name, place, last_sequence));
    Model {
        consumers: consumers.collect(),
        messages,
        last_sequence,
    }
}

fn consumer(name: String, place: Place, last_sequence: u64) -> Consumer {
    let ((one, other, deliveries), waiting, again) = place;
    let at = |index: Index| index.index(usize::try_from(last_sequence).unwrap() + 1) as u64;
    let (floor, delivered) = (at(one).min(at(other)), at(one).max(at(other)));
    let span = delivered - floor;
    let inside = |number: u64| floor + 1 + number % span.max(1);
    let pending: BTreeMap<u64, Pending> = waiting
        .into_iter()
        .filter(|_| span > 0)
        .map(|(number, (sequence, seconds))| {
            let sequence = 5 + sequence;
            let time_ns = seconds * 1_000_000_000;
            (
                inside(u64::from(number) * 977),
                Pending { sequence, time_ns },
            )
        })
        .collect();
    let redelivered = again
        .into_iter()
        .filter(|_| span > 0)
        .map(|(index, count)| (inside(at(index)), count))
        .collect();
    let config = json!({ "durable_name": name, "name": name, "ack_policy": "explicit" });
    Consumer {
        config: config.as_object().unwrap().clone(),
        name,
        created: None,
        state: ConsumerState {
            ack_floor: SequencePair {
                consumer: 5,
                stream: floor,
            },
            delivered: SequencePair {
                consumer: 5 + deliveries,
                stream: delivered,
            },
            pending,
            redelivered,
        },
    }
}

impl Model {
    fn content(&self) -> Content {
        let consumers = self.consumers.iter();
        Content {
            messages: self.messages.clone(),
            last_sequence: self.last_sequence,
            consumers: consumers
                .map(|one| (one.name.clone(), one.config.clone(), one.state.clone()))
                .collect(),
        }
    }

    fn state(&self) -> StreamState {
        StreamState {
            messages: self.messages.len() as u64,
            first_seq: self
                .messages
                .first()
                .map_or(self.last_sequence + 1, |first| first.sequence),
            last_seq: self.last_sequence,
            ..StreamState::default()
        }
    }

    /// A message archive of it, written without the library.
    fn message_archive(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut state = serde_json::to_value(self.state()).unwrap();
        state["consumer_count"] = json!(self.consumers.len());
        put_entry(
            &mut bytes,
            "state.json",
            7,
            0,
            b"",
            state.to_string().as_bytes(),
        );
        for consumer in &self.consumers {
            let entry = json!({ "config": consumer.config, "state": consumer.state });
            let name = format!("consumers/{}", consumer.name);
            put_entry(&mut bytes, &name, 7, 0, b"", entry.to_string().as_bytes());
        }
        for message in &self.messages {
            let StoredMessage {
                subject,
                headers,
                payload,
                ..
            } = message;
            put_entry(
                &mut bytes,
                subject,
                message.time_ns,
                message.sequence,
                headers,
                payload,
            );
        }
        bytes.extend([0; 5]);
        bytes
    }
}

fn put_entry(
    into: &mut Vec<u8>,
    name: &str,
    time_ns: i64,
    sequence: u64,
    headers: &[u8],
    payload: &[u8],
) {
    put(into, name.len() as u64);
    put(into, ((time_ns << 1) ^ (time_ns >> 63)).cast_unsigned());
    for value in [sequence, headers.len() as u64, payload.len() as u64] {
        put(into, value);
    }
    into.extend(name.as_bytes());
    into.extend(headers);
    into.extend(payload);
}

/// Puts bytes into sound S2 frames.
fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    minlz::s2::Writer::new(&mut packed)
        .write_all(bytes)
        .unwrap();
    packed
}

/// Reads an archive; none when anything is wrong with it.
fn read(bytes: &[u8]) -> Option<(Survey, Content)> {
    let archive = Archive::in_memory(bytes.to_vec());
    let survey = archive.survey(Level::Content).ok()?;
    if survey.defects.worst() > Some(Severity::Remark) {
        return None;
    }
    let mut messages = Vec::new();
    let walked = archive.messages(Some(&survey.live), &mut |message| {
        messages.push(message.to_stored());
        Ok(ControlFlow::Continue(()))
    });
    walked.ok()?;
    let consumers = survey.consumers.iter();
    let content = Content {
        messages,
        last_sequence: survey.last_sequence,
        consumers: consumers
            .map(|one| (one.name.clone(), one.config.clone(), one.state.clone()))
            .collect(),
    };
    Some((survey, content))
}

/// Writes what an archive holds again, in that form.
fn write(bytes: &[u8], form: Form) -> Vec<u8> {
    let (survey, _) = read(bytes).expect("a sound archive");
    let source = Archive::in_memory(bytes.to_vec());
    let config = json!({ "name": "S", "subjects": [">"] });
    let meta = StreamMeta {
        name: String::from("S"),
        config: config.as_object().unwrap().clone(),
        created: Some(String::from("2026-01-01T00:00:00Z")),
    };
    let state = StreamState {
        messages: survey.live.len(),
        first_seq: survey.live.first().unwrap_or(survey.last_sequence + 1),
        last_seq: survey.last_sequence,
        ..StreamState::default()
    };
    let stream = Stream {
        meta: &meta,
        state: &state,
        consumers: &survey.consumers,
        source: &source,
        live: &survey.live,
        last_time_ns: 0,
        made_at_ns: 1_700_000_000_000_000_000,
    };
    match form {
        Form::Tar => write_tar(stream, Vec::new(), &mut |_| {}).unwrap(),
        Form::Message => write_message_archive(stream, Vec::new(), &mut |_| {}).unwrap(),
    }
}

/// The bytes inside the frames of an archive.
fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::copy(&mut minlz::s2::Reader::new(packed), &mut bytes).unwrap();
    bytes
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_stream_comes_back_the_same_from_both_forms(model in model()) {
        let written = pack(&model.message_archive());
        let expected = model.content();
        let (_, content) = read(&written).expect("what was written is sound");
        prop_assert_eq!(&content, &expected);
        let tar = write(&written, Form::Tar);
        let (survey, content) = read(&tar).expect("the tar is sound");
        prop_assert_eq!(survey.form, Form::Tar);
        prop_assert_eq!(&content, &expected);
        let back = write(&tar, Form::Message);
        prop_assert_eq!(&read(&back).expect("it is sound").1, &expected);
        let again = write(&tar, Form::Tar);
        prop_assert_eq!(&read(&again).expect("it is sound").1, &expected);
    }

    /// One byte is changed: it is noticed, or changes nothing of what the stream holds.
    #[test]
    fn no_changed_byte_goes_unnoticed(
        model in model(), form: bool, at: Index, change in 1..=u8::MAX,
    ) {
        let mut bytes = pack(&model.message_archive());
        if form {
            bytes = write(&bytes, Form::Tar);
        }
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if let Some((_, content)) = read(&bytes) {
            prop_assert_eq!(&content, &model.content(), "byte {} of {}", at, bytes.len());
        }
    }

    /// Inside the frames too, where a tar has hashes of its own: nothing that a message is.
    #[test]
    fn no_changed_byte_of_a_block_goes_unnoticed(
        model in model(), at: Index, change in 1..=u8::MAX,
    ) {
        let mut bytes = unpack(&write(&pack(&model.message_archive()), Form::Tar));
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if let Some((_, content)) = read(&bytes) {
            let (found, wrote) = (hashed(&content.messages), hashed(&model.messages));
            prop_assert_eq!(found, wrote, "byte {} of {}", at, bytes.len());
        }
    }

    #[test]
    fn no_prefix_is_an_archive(model in model(), form: bool, packed: bool, at: Index) {
        let mut bytes = pack(&model.message_archive());
        if form {
            bytes = write(&bytes, Form::Tar);
        }
        if !packed {
            bytes = unpack(&bytes);
        }
        let length = at.index(bytes.len());
        prop_assert!(read(&bytes[..length]).is_none(), "{} of {}", length, bytes.len());
    }

    /// A part is cut out where frames or files or entries meet, which checksums do not see.
    #[test]
    fn no_frame_that_is_left_out_goes_unnoticed(model in model(), form: bool, at: Index) {
        let mut bytes = pack(&model.message_archive());
        if form {
            bytes = write(&bytes, Form::Tar);
        }
        let frames = frames(&bytes);
        let (begin, end) = *at.get(&frames);
        bytes.drain(begin..end);
        prop_assert!(read(&bytes).is_none_or(|(_, content)| content == model.content()));
    }
}

/// What the hashes of records in a block cover: all but where subjects and headers end. An index
/// would tell of another subject, and the tar has none.
fn hashed(messages: &[StoredMessage]) -> Vec<(u64, Vec<u8>, i64)> {
    let cover = |message: &StoredMessage| {
        [
            message.subject.as_bytes(),
            &message.headers,
            &message.payload,
        ]
        .concat()
    };
    let messages = messages.iter();
    messages
        .map(|message| (message.sequence, cover(message), message.time_ns))
        .collect()
}

/// Where each frame begins and ends.
fn frames(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = [bytes[at + 1], bytes[at + 2], bytes[at + 3], 0];
        let end = at + 4 + u32::from_le_bytes(length) as usize;
        frames.push((at, end));
        at = end;
    }
    frames
}

/// Every prefix of small archives, not only some.
#[test]
fn every_prefix_of_a_small_archive_is_rejected() {
    let message = |sequence| {
        (
            sequence,
            String::from("a.b"),
            Vec::new(),
            b"payload".to_vec(),
            7,
        )
    };
    let written = vec![message(1), message(2), message(1)];
    let model = build((written, 1, true, BTreeMap::new()));
    let packed = pack(&model.message_archive());
    let tar = write(&packed, Form::Tar);
    let mut sizes = BTreeSet::new();
    for bytes in [unpack(&packed), unpack(&tar), packed, tar] {
        assert_eq!(read(&bytes).unwrap().1, model.content());
        for length in 0..bytes.len() {
            assert!(
                read(&bytes[..length]).is_none(),
                "{length} of {}",
                bytes.len()
            );
        }
        sizes.insert(bytes.len());
    }
    assert_eq!(sizes.len(), 4);
}
