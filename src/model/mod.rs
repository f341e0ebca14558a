//! Pure values that everything else speaks in: no input or output, no clock.

mod consumer;
mod digest;
mod message;
mod verdict;

pub use consumer::{ConsumerPosition, SequencePair};
pub use digest::Digest;
pub use message::{Fingerprint, StoredMessage};
pub use verdict::{Expected, Verdict};
