//! One message as a stream holds it, and the short form of it that is compared.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Digest;

/// The header that makes a stream drop repeated publishes of one message.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// A message as a stream holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its header block as stored (`NATS/1.0\r\n…`), empty when it has none.
    pub headers: Bytes,
    /// Its payload.
    pub payload: Bytes,
    /// When the stream took it, in nanoseconds since 1970.
    pub time_ns: i64,
}

/// What identifies a stored message and its content, without the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its message id, empty when it has none.
    pub id: String,
    /// Its subject.
    pub subject: String,
    /// When the stream took it, in nanoseconds since 1970.
    pub time_ns: i64,
    /// Digest of its headers.
    pub headers: Digest,
    /// Digest of its payload.
    pub payload: Digest,
}

impl StoredMessage {
    /// The value of its `Nats-Msg-Id` header, empty when it has none.
    pub fn id(&self) -> &str {
        self.header(MESSAGE_ID).unwrap_or_default()
    }

    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = std::str::from_utf8(&self.headers).ok()?.lines();
        let mut pairs = lines.filter_map(|line| line.split_once(':'));
        let value = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
        value.map(|(_, value)| value.trim())
    }

    /// Its short form.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            sequence: self.sequence,
            id: self.id().to_owned(),
            subject: self.subject.clone(),
            time_ns: self.time_ns,
            headers: Digest::of_headers(&self.headers),
            payload: Digest::of(&self.payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_id_is_found_whatever_its_case() {
        let message = |headers: &'static [u8]| StoredMessage {
            sequence: 1,
            subject: String::from("a"),
            headers: Bytes::from_static(headers),
            payload: Bytes::new(),
            time_ns: 0,
        };
        assert_eq!(
            message(b"NATS/1.0\r\nX: y\r\nnats-msg-id: 7\r\n\r\n").id(),
            "7"
        );
        assert_eq!(message(b"NATS/1.0\r\nX: y\r\n\r\n").id(), "");
        assert_eq!(message(b"\xff\xfe").id(), "");
    }
}
