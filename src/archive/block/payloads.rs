//! Where the payloads lie in a block file: for whoever wants to damage one, and nothing else.

use std::ops::Range;

use super::record::{Content, Records};

/// The places of the messages' payloads in a block as it lies on a disk. There are none in one
/// that is compressed or encrypted.
pub fn payloads(block: &[u8]) -> Vec<Range<usize>> {
    let start = block.as_ptr().addr();
    let messages = Records::new(block, "a block", None).filter_map(|content| match content {
        Ok(Content::Message(message)) => Some(message.payload),
        Ok(Content::Erased(_) | Content::Tombstone(_)) | Err(_) => None,
    });
    let places = messages.map(|payload| {
        let from = payload.as_ptr().addr() - start;
        from..from + payload.len()
    });
    places.filter(|place| !place.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::hash::HashKey;
    use super::super::record::put_message;
    use super::*;
    use crate::archive::Message;

    #[test]
    fn payloads_are_found_in_their_places() {
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
    }

    #[test]
    fn what_is_no_block_has_none() {
        for bytes in [&b""[..], b"cmp\x01\x05hello, world, hello", &[0xff; 100]] {
            assert!(payloads(bytes).is_empty());
        }
    }
}
