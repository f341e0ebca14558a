//! Where things lie in a block file: for whoever wants to damage one, and nothing else.

use std::ops::Range;

use super::super::message::Message;
use super::record::{Content, Records};

/// The places of the messages' payloads in a block as it lies on a disk. There are none in one
/// that is compressed or encrypted.
pub fn payloads(block: &[u8]) -> Vec<Range<usize>> {
    let places = messages(block).map(|message| place(block, message.payload));
    places.filter(|place| !place.is_empty()).collect()
}

/// Where a record says how long its message's headers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderLength {
    /// The first of its four bytes, little endian.
    pub at: usize,
    /// How long the headers are.
    pub length: u32,
    /// How long headers and payload are together.
    pub most: u32,
}

/// The header lengths of the messages in a block as it lies on a disk. No hash covers them.
pub fn header_lengths(block: &[u8]) -> Vec<HeaderLength> {
    let with_headers = messages(block).filter(|message| !message.headers.is_empty());
    let places = with_headers.map(|message| {
        let (headers, payload) = (message.headers.len(), message.payload.len());
        HeaderLength {
            at: place(block, message.headers).start - size_of::<u32>(),
            length: u32::try_from(headers).unwrap_or(u32::MAX),
            most: u32::try_from(headers + payload).unwrap_or(u32::MAX),
        }
    });
    places.collect()
}

fn messages(block: &[u8]) -> impl Iterator<Item = Message<'_>> {
    Records::new(block, "a block", None).filter_map(|content| match content {
        Ok(Content::Message(message)) => Some(message),
        Ok(Content::Erased(_) | Content::Tombstone(_)) | Err(_) => None,
    })
}

/// Where a part of a block lies in it.
fn place(block: &[u8], part: &[u8]) -> Range<usize> {
    let from = part.as_ptr().addr() - block.as_ptr().addr();
    from..from + part.len()
}

#[cfg(test)]
mod tests {
    use super::super::hash::HashKey;
    use super::super::record::put_message;
    use super::*;
    use crate::archive::Message;

    #[test]
    fn payloads_and_header_lengths_are_found_in_their_places() {
        let key = HashKey::of_block("S", 1);
        let mut block = Vec::new();
        for (sequence, payload) in [(1, &b"first"[..]), (2, b""), (3, b"third")] {
            let message = Message {
                sequence,
                time_ns: 7,
                subject: b"s",
                headers: b"NATS/1.0\r\n\r\n",
                payload,
            };
            put_message(&mut block, &message, key);
        }
        let found = payloads(&block);
        let found: Vec<_> = found.into_iter().map(|place| &block[place]).collect();
        assert_eq!(found, [b"first", b"third"]);
        let lengths = header_lengths(&block);
        assert_eq!(lengths.len(), 3);
        for length in &lengths {
            assert_eq!(block[length.at..length.at + 4], 12_u32.to_le_bytes());
            assert_eq!(length.length, 12);
        }
        let most: Vec<_> = lengths.iter().map(|length| length.most).collect();
        assert_eq!(most, [17, 12, 17]);
    }

    #[test]
    fn what_is_no_block_has_none() {
        for bytes in [&b""[..], b"cmp\x01\x05hello, world, hello", &[0xff; 100]] {
            assert!(payloads(bytes).is_empty() && header_lengths(bytes).is_empty());
        }
    }
}
