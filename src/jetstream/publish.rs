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

#[derive(Deserialize)]
struct Acknowledgement {
    seq: u64,
}

impl Connection {
    /// Publishes a message to whichever stream takes its subject; returns its sequence there.
    ///
    /// # Errors
    /// `Refused` and `NoResponders` mean that it was not stored; anything else that it may
    /// have been.
    pub async fn publish(&self, message: &OutgoingMessage, within: Duration) -> Result<u64> {
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
        let acknowledgement: Acknowledgement = decode(&message.subject, &answer)?;
        Ok(acknowledgement.seq)
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
