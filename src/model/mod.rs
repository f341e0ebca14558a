//! Pure values that everything else speaks in: no input or output, no clock.

mod consumer;
mod digest;
mod feed;
mod finding_kind;
mod keeping;
mod message;
mod name_filter;
mod origins;
mod verdict;
mod words;

pub use consumer::{ConsumerPosition, SequencePair};
pub use digest::Digest;
pub use feed::Feed;
pub use finding_kind::FindingKind;
pub use keeping::{Keeping, Retention};
pub use message::{Fingerprint, StoredMessage};
pub use name_filter::NameFilter;
pub use origins::{described_origins, origins, origins_first};
pub use verdict::{Expected, Verdict};
pub use words::{count, meant};
