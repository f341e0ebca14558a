//! Durable pull consumers: made, asked, pulled from, acknowledged.
//!
//! Pulls are plain requests (ADR-13) rather than a client library's stream of messages: in a
//! disaster the library's retries and renewed lookups would hide what the server did.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::error::{RequestError, Result};
use super::stream::StreamGroup;
use crate::model::{ConsumerPosition, SequencePair, StoredMessage};

/// How much longer than asked the client waits for a pull to end.
const GRACE: Duration = Duration::from_secs(1);

/// A durable pull consumer by name.
#[derive(Debug, Clone)]
pub struct PullConsumer {
    connection: Connection,
    stream: String,
    name: String,
}

/// What one pull brought.
#[derive(Debug, Default)]
pub struct Batch {
    /// The messages.
    pub deliveries: Vec<Delivery>,
    /// Why it brought no more, when the server said something unusual.
    pub trouble: Option<String>,
}

/// A message that was delivered and waits for its acknowledgement.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub message: StoredMessage,
    /// How often the server has delivered it to this consumer.
    pub attempt: u64,
    reply: String,
}

/// What a consumer says of itself.
#[derive(Debug, Deserialize)]
struct Info {
    delivered: SequencePair,
    ack_floor: SequencePair,
    #[serde(default)]
    num_ack_pending: u64,
    #[serde(default)]
    num_pending: u64,
    cluster: Option<StreamGroup>,
}

impl Connection {
    /// Makes a durable pull consumer with explicit acknowledgements, or finds it as it is.
    ///
    /// # Errors
    /// [`RequestError::Refused`] with the server's reason.
    pub async fn create_consumer(&self, stream: &str, config: &Value) -> Result<()> {
        let name = config["durable_name"].as_str().unwrap_or_default();
        let body = json!({ "stream_name": stream, "config": config });
        self.call::<Value>(&format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &body)
            .await
            .map(|_| ())
    }

    /// A consumer by name. Nothing is checked.
    pub fn consumer(&self, stream: &str, name: &str) -> PullConsumer {
        PullConsumer {
            connection: self.clone(),
            stream: stream.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl PullConsumer {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server name of its leader, when there is one.
    ///
    /// # Errors
    /// [`RequestError::is_consumer_not_found`] tells when there is none.
    pub async fn leader(&self) -> Result<Option<String>> {
        let info = self.info().await?;
        let leader = info.cluster.and_then(|group| group.leader);
        Ok(leader.filter(|leader| !leader.is_empty()))
    }

    async fn info(&self) -> Result<Info> {
        let call = format!("CONSUMER.INFO.{}.{}", self.stream, self.name);
        self.connection.call(&call, &json!({})).await
    }

    /// Where it stands, how many messages wait for an acknowledgement, and how many it has
    /// yet to deliver. Which messages wait is not told over the wire.
    ///
    /// # Errors
    /// [`RequestError::is_consumer_not_found`] tells when there is none.
    pub async fn position(&self) -> Result<(ConsumerPosition, u64, u64)> {
        let info = self.info().await?;
        let position = ConsumerPosition {
            name: self.name.clone(),
            delivered: info.delivered,
            ack_floor: info.ack_floor,
            pending: BTreeSet::new(),
        };
        Ok((position, info.num_ack_pending, info.num_pending))
    }

    /// Pulls up to `count` messages, waiting no longer than `expires` for them.
    ///
    /// # Errors
    /// When the request can't be made. Whatever was delivered before trouble began is returned.
    pub async fn pull(&self, count: usize, expires: Duration) -> Result<Batch> {
        let client = self.connection.client();
        let call = format!("CONSUMER.MSG.NEXT.{}.{}", self.stream, self.name);
        let subject = self.connection.api(&call);
        let lost = |error: String| RequestError::disconnected(&subject, &error);
        let inbox = client.new_inbox();
        let mut replies = client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| lost(error.to_string()))?;
        let expires_ns = u64::try_from(expires.as_nanos()).unwrap_or(u64::MAX);
        let body = json!({ "batch": count, "expires": expires_ns }).to_string();
        client
            .publish_with_reply(subject.clone(), inbox, body.into())
            .await
            .map_err(|error| lost(error.to_string()))?;
        let deadline = Instant::now() + expires + GRACE;
        let mut batch = Batch::default();
        while batch.deliveries.len() < count {
            let Ok(Some(message)) = timeout_at(deadline, replies.next()).await else {
                batch.trouble = Some(String::from("the pull was never answered"));
                break;
            };
            match message.status {
                None => batch.deliveries.extend(delivery(message)),
                // The time is up, or the stream has no more: the usual end of a pull.
                Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => break,
                Some(status) => {
                    let words = message.description.unwrap_or_default();
                    batch.trouble = Some(format!("{status} {words}"));
                    break;
                }
            }
        }
        Ok(batch)
    }

    /// Acknowledges a delivery and waits for the consumer to confirm it.
    ///
    /// # Errors
    /// When no confirmation came; the acknowledgement may count all the same.
    pub async fn acknowledge(&self, delivery: &Delivery, within: Duration) -> Result<()> {
        let body = Bytes::from_static(b"+ACK");
        self.connection
            .ask(&delivery.reply, None, body, within)
            .await
            .map(|_| ())
    }
}

/// Reads a delivery: what the stream holds is told by the reply subject,
/// `$JS.ACK.<stream>.<consumer>.<attempt>.<stream seq>.<consumer seq>.<time>.<pending>`, which
/// has two more tokens after `$JS.ACK` when a domain and an account are named.
fn delivery(message: Message) -> Option<Delivery> {
    let reply = message.reply?.to_string();
    let tokens: Vec<&str> = reply.split('.').collect();
    let counts = match tokens.len() {
        9 => tokens.get(4..8)?,
        11.. => tokens.get(6..10)?,
        _ => return None,
    };
    let (attempt, sequence) = (counts[0].parse().ok()?, counts[1].parse().ok()?);
    let time_ns = counts[3].parse().ok()?;
    Some(Delivery {
        message: StoredMessage {
            sequence,
            subject: message.subject.to_string(),
            headers: message
                .headers
                .as_ref()
                .map(header_block)
                .unwrap_or_default(),
            payload: message.payload,
            time_ns,
        },
        attempt,
        reply,
    })
}

/// The header block as it was on the wire, whatever the order of its lines.
fn header_block(headers: &HeaderMap) -> Bytes {
    let mut block = String::from("NATS/1.0\r\n");
    for (name, values) in headers.iter() {
        for value in values {
            block.extend([name.as_ref(), ": ", value.as_str(), "\r\n"]);
        }
    }
    block.push_str("\r\n");
    block.into()
}
