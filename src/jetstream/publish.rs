//! Publishing one message, with an outcome that never claims more than is known.

use std::time::Duration;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use serde::Deserialize;

use super::connection::{Connection, decode};
use super::error::{RequestError, Result};

/// A message to be published.
#[derive(Debug, Clone)]
pub struct OutgoingMessage {
    /// Its subject.
    pub subject: String,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its payload.
    pub payload: Bytes,
}

/// What a stream answers to a message that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Acknowledgement {
    /// Its sequence.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// Whether it had it before: a message with the same `Nats-Msg-Id` within the stream's
    /// `duplicate_window`.
    #[serde(default)]
    pub duplicate: bool,
}

impl Connection {
    /// Publishes a message to whichever stream takes its subject.
    ///
    /// # Errors
    /// `Refused` and `NoResponders` mean that it was not stored; anything else that it may
    /// have been.
    pub async fn publish(
        &self,
        message: &OutgoingMessage,
        within: Duration,
    ) -> Result<Acknowledgement> {
        let mut headers = HeaderMap::new();
        for (name, value) in &message.headers {
            let unsendable = |error: String| RequestError::unreadable(&message.subject, &error);
            headers.append(
                name.parse::<HeaderName>()
                    .map_err(|error| unsendable(error.to_string()))?,
                value
                    .parse::<HeaderValue>()
                    .map_err(|error| unsendable(error.to_string()))?,
            );
        }
        let payload = message.payload.clone();
        let answer = self
            .ask(&message.subject, Some(headers), payload, within)
            .await?;
        decode(&message.subject, &answer)
    }
}

impl OutgoingMessage {
    /// The header block as the stream will store it, whatever the order of its lines.
    pub fn header_block(&self) -> Vec<u8> {
        let mut block = String::from("NATS/1.0\r\n");
        for (name, value) in &self.headers {
            block.extend([name, ": ", value, "\r\n"]);
        }
        block.push_str("\r\n");
        block.into_bytes()
    }
}
