//! The state of a consumer as a server stores it (`o.dat`).
//!
//! Two bytes of header (`0x16` and the version), then integers of seven bits a byte: ack floor
//! (consumer, stream), delivered (consumer, stream), the number of pending messages and, when there
//! are any, a base time in seconds and for each its distances from the ack floor and the base time.
//! Counts of redeliveries follow. There is no checksum. Version 1, from before 2.2, has no delivery
//! sequences and counts forward from the base time (`decodeConsumerState` in `filestore.go`).

use std::collections::BTreeMap;

use super::consumer::{ConsumerState, Pending};
use super::cursor::Cursor;
use super::defect::{Defect, Kind};
use super::varint::{put_uvarint, put_varint};
use crate::model::SequencePair;

const MAGIC: u8 = 0x16;
const OLD: u8 = 1;
const CURRENT: u8 = 2;
const SECOND: i64 = 1_000_000_000;

/// Decodes a consumer's state. Nothing at all is the state of a consumer that never had one.
pub(super) fn decode(bytes: &[u8], place: &str) -> Result<ConsumerState, Defect> {
    let (version, rest) = match bytes {
        [] => return Ok(ConsumerState::default()),
        [MAGIC, version @ (OLD | CURRENT), rest @ ..] => (*version, rest),
        _ => {
            let detail = format!("its header is {:02x?}, which is unknown", bytes.get(..2));
            return Err(Defect::new(Kind::Metadata, place, detail));
        }
    };
    read(&mut Cursor::new(rest), version)
        .ok_or_else(|| Defect::new(Kind::CutOff, place, "it is cut off, or contradicts itself"))
}

fn read(cursor: &mut Cursor<'_>, version: u8) -> Option<ConsumerState> {
    let mut pair = || {
        Some(SequencePair {
            consumer: cursor.uvarint()?,
            stream: cursor.uvarint()?,
        })
    };
    let (ack_floor, mut delivered) = (pair()?, pair()?);
    if version == OLD {
        let add = |to: u64, floor: u64| to.checked_add(floor.saturating_sub(1));
        delivered.consumer = add(delivered.consumer, ack_floor.consumer)?;
        delivered.stream = add(delivered.stream, ack_floor.stream)?;
    }
    let mut pending = BTreeMap::new();
    let count = cursor.uvarint()?;
    if count > 0 {
        let base = cursor.varint()?;
        for _ in 0..count {
            let stream = ack_floor.stream.wrapping_add(cursor.uvarint()?);
            let mut sequence = 0;
            if version == CURRENT {
                // A delivery below the ack floor wraps around, on servers too.
                sequence = ack_floor.consumer.wrapping_add(cursor.uvarint()?);
            }
            let distance = cursor.varint()?;
            let seconds = if version == OLD {
                base.checked_add(distance)?
            } else {
                base.checked_sub(distance)?
            };
            let time_ns = seconds.checked_mul(SECOND)?;
            pending.insert(stream, Pending { sequence, time_ns });
        }
    }
    let mut redelivered = BTreeMap::new();
    for _ in 0..cursor.uvarint()? {
        // Servers forget to take out what was acknowledged since: it lies below the floor.
        let sequence = ack_floor.stream.wrapping_add(cursor.uvarint()?);
        redelivered.insert(sequence, cursor.uvarint()?);
    }
    Some(ConsumerState {
        delivered,
        ack_floor,
        pending,
        redelivered,
    })
}

/// Encodes a state as servers do (`encodeConsumerState`). What lies at or below the ack floor has
/// no place in it and is left out: it is acknowledged.
pub(super) fn encode(state: &ConsumerState) -> Vec<u8> {
    let (floor, delivered) = (state.ack_floor, state.delivered);
    let mut bytes = vec![MAGIC, CURRENT];
    for value in [
        floor.consumer,
        floor.stream,
        delivered.consumer,
        delivered.stream,
    ] {
        put_uvarint(&mut bytes, value);
    }
    let above = |sequence: &u64| *sequence > floor.stream;
    let pending = state.pending.iter().filter(|(sequence, _)| above(sequence));
    let pending: Vec<_> = pending.collect();
    put_uvarint(&mut bytes, pending.len() as u64);
    if let Some(base) = pending
        .iter()
        .map(|(_, one)| one.time_ns.div_euclid(SECOND))
        .max()
    {
        put_varint(&mut bytes, base);
        for (sequence, one) in pending {
            put_uvarint(&mut bytes, sequence - floor.stream);
            put_uvarint(&mut bytes, one.sequence.wrapping_sub(floor.consumer));
            put_varint(&mut bytes, base - one.time_ns.div_euclid(SECOND));
        }
    }
    let redelivered = state
        .redelivered
        .iter()
        .filter(|(sequence, _)| above(sequence));
    let redelivered: Vec<_> = redelivered.collect();
    put_uvarint(&mut bytes, redelivered.len() as u64);
    for (sequence, count) in redelivered {
        put_uvarint(&mut bytes, sequence - floor.stream);
        put_uvarint(&mut bytes, *count);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> ConsumerState {
        ConsumerState {
            ack_floor: SequencePair {
                consumer: 3,
                stream: 4,
            },
            delivered: SequencePair {
                consumer: 10,
                stream: 300,
            },
            pending: BTreeMap::from([
                (
                    5,
                    Pending {
                        sequence: 4,
                        time_ns: 7 * SECOND,
                    },
                ),
                (
                    9,
                    Pending {
                        sequence: 8,
                        time_ns: -2 * SECOND,
                    },
                ),
            ]),
            redelivered: BTreeMap::from([(5, 2)]),
        }
    }

    /// So 2.10.26 and 2.12.8 write what was redelivered and then acknowledged (measured).
    #[test]
    fn what_lies_below_the_ack_floor_is_read_as_servers_read_it() {
        let mut bytes = vec![MAGIC, CURRENT];
        for value in [20, 10, 20, 10, 0, 1, 5_u64.wrapping_sub(10), 2] {
            put_uvarint(&mut bytes, value);
        }
        let state = decode(&bytes, "c").unwrap();
        assert_eq!(state.redelivered, BTreeMap::from([(5, 2)]));
        let again = decode(&encode(&state), "c").unwrap();
        assert_eq!(again.redelivered, BTreeMap::new());
        assert_eq!(again.ack_floor, state.ack_floor);
    }

    #[test]
    fn what_is_encoded_is_decoded_and_no_cut_of_it() {
        let bytes = encode(&state());
        assert_eq!(decode(&bytes, "c").unwrap(), state());
        for length in 1..bytes.len() {
            assert!(decode(&bytes[..length], "c").is_err(), "cut at {length}");
        }
        assert_eq!(decode(&[], "c").unwrap(), ConsumerState::default());
    }

    #[test]
    fn the_old_version_is_read() {
        let bytes = [0x16, 1, 3, 4, 8, 9, 1, 4, 1, 6, 0];
        let old = decode(&bytes, "c").unwrap();
        // It knows no deliveries, and so they are below the ack floor. (Found by fuzzing.)
        assert_eq!(decode(&encode(&old), "c").unwrap(), old);
        assert_eq!((old.delivered.consumer, old.delivered.stream), (10, 12));
        assert_eq!(old.pending[&5].time_ns, 5 * SECOND);
    }

    #[test]
    fn numbers_that_overflow_are_refused() {
        let mut bytes = vec![0x16, 2];
        for value in [1, u64::MAX, 1, 1, 1, 0, 5, 0] {
            put_uvarint(&mut bytes, value);
        }
        assert!(decode(&bytes, "c").is_err());
    }
}
