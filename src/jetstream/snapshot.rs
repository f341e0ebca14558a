//! Receiving a snapshot: `$JS.API.STREAM.SNAPSHOT` and the chunks that follow.
//!
//! Chunks come on a subject of ours. Every one that carries a reply subject must be answered,
//! or the server stops sending (at most 8 MiB are under way unless a window is asked for).
//! The end is an empty message. Its status is 204, or an error; a small archive's end has no
//! status at all. When the stream is deleted or its leader lost, *nothing* more comes, so the
//! receiver needs a timer of its own.

use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::Connection;
use super::error::{RequestError, Result};
use super::stream::StreamState;

/// Silence this long is the end: servers give up on us after five seconds at the latest.
const SILENCE: Duration = Duration::from_secs(15);
/// Large enough for few round trips, small enough for every server's limits.
const CHUNK: usize = 512 << 10;
/// So much is under way at once, where servers let us choose.
const WINDOW: usize = 16 << 20;
/// The first version that lets us: 2.12.0 to 2.12.4 refuse the field, older ones ignore it.
const WINDOW_SINCE: Version = Version::new(2, 12, 5);
/// JetStream's error number for a request that it can't read, such as one with a field it does
/// not know.
const BAD_REQUEST: u32 = 10025;
/// The status of a snapshot that ended well.
const NO_CONTENT: u16 = 204;

/// How to take a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Leave the consumers out.
    pub no_consumers: bool,
    /// Bytes in a chunk; half a MiB, or half of what the server takes, unless it is said.
    pub chunk_bytes: Option<usize>,
    /// Bytes under way at once; 16 MiB unless it is said, or the server decides.
    pub window_bytes: Option<usize>,
}

impl SnapshotOptions {
    /// The chunk that will be asked for.
    pub fn chunk(&self, connection: &Connection) -> usize {
        // A chunk's protocol line and headers must fit as well, hence half.
        let most = connection.max_payload() / 2;
        self.chunk_bytes.unwrap_or(CHUNK).min(most).max(1)
    }

    /// The same in smaller chunks, for a link on which these were too much.
    #[must_use]
    pub fn smaller(&self, connection: &Connection) -> Self {
        const SMALLEST: usize = 16 << 10;
        let chunk = (self.chunk(connection) / 2).max(SMALLEST);
        let window = self.window_bytes.unwrap_or(WINDOW) / 2;
        Self {
            chunk_bytes: Some(chunk),
            window_bytes: Some(window.max(4 * chunk)),
            ..*self
        }
    }
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
    times_connected: u64,
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
        // `jsck` is never sent: servers to 2.14 truncate the blocks in which it finds something.
        let mut body = json!({
            "deliver_subject": inbox,
            "no_consumers": options.no_consumers,
            "chunk_size": options.chunk(self),
        });
        if self
            .server_version()
            .is_some_and(|version| version >= WINDOW_SINCE)
        {
            body["window_size"] = json!(options.window_bytes.unwrap_or(WINDOW));
        }
        let times_connected = self.times_connected();
        let mut asked = self.call::<Answer>(&call, &body).await;
        // The stream's leader may be older than the server we are connected to.
        if let Err(error) = &asked
            && error.err_code() == Some(BAD_REQUEST)
            && let Some(body) = body.as_object_mut()
            && body.remove("window_size").is_some()
        {
            asked = self.call(&call, &json!(body)).await;
        }
        let answer = asked?;
        Ok(Snapshot {
            config: answer.config,
            state: answer.state,
            subject,
            connection: self.clone(),
            chunks,
            times_connected,
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
        let message = self.next_message().await?;
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

    async fn next_message(&mut self) -> Result<Message> {
        self.connection
            .next_of_transfer(
                &mut self.chunks,
                &self.subject,
                self.times_connected,
                SILENCE,
            )
            .await
    }
}
