//! The parsers that no public call reaches without checksums before them, for `cargo fuzz` alone.

use super::block::{self, Index};
use super::consumer_state;

/// A block's records, without their hashes.
pub fn block(bytes: &[u8]) {
    block::fuzz(bytes);
}

/// An `index.db`, without its hash.
pub fn index(bytes: &[u8]) {
    if let Ok((index, _)) = Index::decode(bytes, None) {
        let _holds = index.holds(1, 1);
    }
}

/// A consumer's state: what is decoded is encoded and decoded to the same again.
pub fn consumer(bytes: &[u8]) {
    if let Ok(mut state) = consumer_state::decode(bytes, "fuzzed") {
        let floor = state.ack_floor.stream;
        // What lies below the ack floor has no place in it.
        state.pending.retain(|sequence, _| *sequence > floor);
        state.redelivered.retain(|sequence, _| *sequence > floor);
        let again = consumer_state::decode(&consumer_state::encode(&state), "fuzzed");
        assert_eq!(again.ok(), Some(state));
    }
}
