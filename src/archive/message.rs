//! A message as an archive holds it, borrowed from where it was read.

use std::borrow::Cow;

use bytes::Bytes;

use crate::model::StoredMessage;

/// A message of a stream, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its subject; servers do not insist on UTF-8.
    pub subject: &'a [u8],
    /// Its header block as stored (`NATS/1.0\r\n…`), empty when it has none.
    pub headers: &'a [u8],
    /// Its payload.
    pub payload: &'a [u8],
    /// When the stream took it, in nanoseconds since 1970.
    pub time_ns: i64,
}

impl<'a> Message<'a> {
    /// Its subject as text; what is not UTF-8 in it is replaced.
    pub fn subject_text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.subject)
    }

    /// Whether its headers look like headers. Servers take whatever a client sends as such.
    pub(super) fn has_odd_headers(&self) -> bool {
        let block = self.headers;
        let is_sound = block.starts_with(b"NATS/1.0") && block.ends_with(b"\r\n\r\n");
        !is_sound && !block.is_empty()
    }

    /// Whether no NATS client can have published to its subject: a token is empty, or has white space.
    /// A stream's transform of subjects can have made it so, or a client of MQTT.
    pub(super) fn has_odd_subject(&self) -> bool {
        let mut tokens = self.subject.split(|byte| *byte == b'.');
        tokens.any(|token| token.is_empty() || token.iter().any(|byte| b" \t\r\n".contains(byte)))
    }

    /// What it takes in a block, which is what a file stream counts as its bytes.
    pub fn stored_bytes(&self) -> u64 {
        let headers = match self.headers.len() {
            0 => 0,
            length => 4 + length,
        };
        (RECORD_BYTES + self.subject.len() + headers + self.payload.len()) as u64
    }

    /// A copy that owns its content.
    pub fn to_stored(&self) -> StoredMessage {
        StoredMessage {
            sequence: self.sequence,
            subject: self.subject_text().into_owned(),
            headers: Bytes::copy_from_slice(self.headers),
            payload: Bytes::copy_from_slice(self.payload),
            time_ns: self.time_ns,
        }
    }
}

impl<'a> From<&'a StoredMessage> for Message<'a> {
    fn from(stored: &'a StoredMessage) -> Self {
        Self {
            sequence: stored.sequence,
            subject: stored.subject.as_bytes(),
            headers: &stored.headers,
            payload: &stored.payload,
            time_ns: stored.time_ns,
        }
    }
}

/// The last sequence that servers can store: above are the bits that mark erased records and
/// tombstones in a block.
pub(super) const LAST_SEQUENCE: u64 = (1 << 62) - 1;
/// What a record takes without subject, headers and payload.
pub(super) const RECORD_BYTES: usize = 30;
