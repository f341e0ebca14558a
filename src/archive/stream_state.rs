//! What a server says of a stream as a whole, as it stands in `state.json` and `backup.json`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A stream's state (`StreamState` in the server's `store.go`). What is missing counts as zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// Messages in it.
    #[serde(default)]
    pub messages: u64,
    /// What they take in its blocks.
    #[serde(default)]
    pub bytes: u64,
    /// Sequence of the first message, or the next one when there is none.
    #[serde(default)]
    pub first_seq: u64,
    /// Its time, RFC 3339.
    #[serde(default = "long_ago")]
    pub first_ts: String,
    /// The last sequence that was used.
    #[serde(default)]
    pub last_seq: u64,
    /// When, RFC 3339.
    #[serde(default = "long_ago")]
    pub last_ts: String,
    /// Different subjects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_subjects: Option<u64>,
    /// Sequences between the first and the last that hold no message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_deleted: Option<u64>,
    /// Its consumers.
    #[serde(default)]
    pub consumer_count: u64,
}

/// Go's zero time.
fn long_ago() -> String {
    String::from("0001-01-01T00:00:00Z")
}

/// A time in nanoseconds since 1970, RFC 3339; Go's zero time when there is none.
pub fn time_text(time_ns: Option<i64>) -> String {
    time_ns
        .and_then(|time| OffsetDateTime::from_unix_timestamp_nanos(i128::from(time)).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(long_ago)
}
