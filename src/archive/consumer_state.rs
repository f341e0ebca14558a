//! The state of a consumer as a server stores it (`o.dat`).
//!
//! Two bytes of header (`0x16 0x02`), then variable-length integers: ack floor (consumer,
//! stream), delivered (consumer, stream), the number of pending messages and, when there are
//! any, a base time and for each its distances from the ack floor and the base time. Counts of
//! redeliveries follow. There is no checksum.

use std::collections::BTreeSet;

use super::cursor::Cursor;
use super::error::{ArchiveError, Result};
use crate::model::{ConsumerPosition, SequencePair};

const HEADER: [u8; 2] = [0x16, 2];

/// Reads the state of the consumer of that name.
///
/// # Errors
/// When the bytes are cut off or of a version this code does not know.
pub fn decode(name: &str, bytes: &[u8]) -> Result<ConsumerPosition> {
    let what = || format!("the state of consumer {name}");
    let Some(rest) = bytes.strip_prefix(&HEADER) else {
        return Err(ArchiveError::Unsupported {
            what: what(),
            detail: format!("its header is {:?}", bytes.get(..2)),
        });
    };
    read(name, &mut Cursor::new(rest))
        .ok_or_else(|| ArchiveError::truncated(what(), "an integer is missing"))
}

fn read(name: &str, cursor: &mut Cursor<'_>) -> Option<ConsumerPosition> {
    let mut pair = || {
        Some(SequencePair {
            consumer: cursor.uvarint()?,
            stream: cursor.uvarint()?,
        })
    };
    let (ack_floor, delivered) = (pair()?, pair()?);
    let count = cursor.uvarint()?;
    let mut pending = BTreeSet::new();
    if count > 0 {
        let _base_time = cursor.varint()?;
        for _ in 0..count {
            let distance = cursor.uvarint()?;
            let _consumer_distance = cursor.uvarint()?;
            let _age = cursor.varint()?;
            pending.insert(ack_floor.stream.checked_add(distance)?);
        }
    }
    Some(ConsumerPosition {
        name: name.to_owned(),
        delivered,
        ack_floor,
        pending,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_pending_messages_are_read() {
        let bytes = [0x16, 2, 3, 4, 10, 12, 2, 0, 1, 1, 0, 5, 6, 0];
        let state = decode("c", &bytes).unwrap();
        assert_eq!(
            state.ack_floor,
            SequencePair {
                consumer: 3,
                stream: 4
            }
        );
        assert_eq!(
            state.delivered,
            SequencePair {
                consumer: 10,
                stream: 12
            }
        );
        assert_eq!(state.pending, BTreeSet::from([5, 9]));
        assert!(state.owes(13) && state.owes(9) && !state.owes(6));
        for length in 0..bytes.len() {
            assert!(decode("c", &bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
