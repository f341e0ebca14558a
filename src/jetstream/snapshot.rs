//! Receiving a snapshot: `$JS.API.STREAM.SNAPSHOT` and the chunks that follow.
//!
//! Chunks come on a subject of ours. Every one that carries a reply subject must be answered,
//! or the server stops sending (at most 8 MiB are under way unless a window is asked for).
//! The end is an empty message. Its status is 204, or an error; a small archive's end has no
//! status at all. When the stream is deleted or its leader lost, *nothing* more comes, so the
//! receiver needs a timer of its own.

use std::time::Duration;

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{RequestError, Result};
use super::stream::StreamState;

/// Silence this long is the end: servers give up on us after five seconds at the latest.
const SILENCE: Duration = Duration::from_secs(15);
/// Large enough for few round trips, small enough for every server's limits.
const CHUNK: usize = 512 << 10;
/// The status of a snapshot that ended well.
const NO_CONTENT: u16 = 204;

/// How to take a snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotOptions {
    /// Leave the consumers out.
    pub no_consumers: bool,
}

/// A snapshot being received.
#[derive(Debug)]
pub struct Snapshot {
    /// The stream's configuration, as the server gave it.
    pub config: Value,
    /// The stream's state when the snapshot began, as the server gave it.
    pub state: Value,
    subject: String,
    connection: Connection,
    chunks: Subscriber,
}

#[derive(Deserialize)]
struct Answer {
    config: Value,
    state: Value,
}

impl Connection {
    /// Asks a stream's leader for a snapshot. A stream without a leader never answers.
    ///
    /// # Errors
    /// [`RequestError::Refused`] with the server's reason.
    pub async fn snapshot(&self, stream: &str, options: SnapshotOptions) -> Result<Snapshot> {
        let call = format!("STREAM.SNAPSHOT.{stream}");
        let subject = self.api(&call);
        let lost = |error: String| RequestError::disconnected(&subject, &error);
        let inbox = self.client().new_inbox();
        let chunks = self
            .client()
            .subscribe(inbox.clone())
            .await
            .map_err(|error| lost(error.to_string()))?;
        // The server must know the subscription before it is asked, else it sends to nobody.
        self.client()
            .flush()
            .await
            .map_err(|error| lost(error.to_string()))?;
        // A chunk's protocol line and headers must fit as well, hence half.
        let chunk_size = CHUNK.min(self.max_payload() / 2);
        // Neither `jsck` (servers to 2.14 truncate what it finds) nor `window_size` (2.12.0 to
        // 2.12.4 refuse it) is ever sent.
        let body = json!({
            "deliver_subject": inbox,
            "no_consumers": options.no_consumers,
            "chunk_size": chunk_size,
        });
        let answer: Answer = self.call(&call, &body).await?;
        Ok(Snapshot {
            config: answer.config,
            state: answer.state,
            subject,
            connection: self.clone(),
            chunks,
        })
    }
}

impl Snapshot {
    /// The state's figures.
    ///
    /// # Errors
    /// [`RequestError::Unreadable`] when the server's state is not what a state is.
    pub fn figures(&self) -> Result<StreamState> {
        StreamState::deserialize(&self.state)
            .map_err(|error| RequestError::unreadable(&self.subject, &error))
    }

    /// The next chunk, acknowledged on receipt; nothing when the snapshot has ended well.
    ///
    /// # Errors
    /// When the server ends it with an error, or falls silent.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let message = timeout(SILENCE, self.chunks.next())
            .await
            .map_err(|_| RequestError::TimedOut {
                subject: self.subject.clone(),
                within: SILENCE,
            })?
            .ok_or_else(|| RequestError::disconnected(&self.subject, "the subscription ended"))?;
        if message.payload.is_empty() {
            return match message.status {
                None => Ok(None),
                Some(status) if status.as_u16() == NO_CONTENT => Ok(None),
                Some(status) => Err(RequestError::Refused {
                    subject: self.subject.clone(),
                    code: status.as_u16(),
                    err_code: 0,
                    description: message
                        .description
                        .map_or_else(|| String::from("snapshot failed"), |text| text.to_string()),
                }),
            };
        }
        if let Some(reply) = message.reply {
            self.connection
                .client()
                .publish(reply, Bytes::new())
                .await
                .map_err(|error| RequestError::disconnected(&self.subject, &error))?;
        }
        Ok(Some(message.payload))
    }
}
