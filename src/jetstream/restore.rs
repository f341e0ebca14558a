//! Sending a stream back: `$JS.API.STREAM.RESTORE`, then chunks, every one of them answered.
//!
//! Several chunks are under way at once; one at a time would be limited by the round trip. The
//! server gives up without a word when five seconds pass between two chunks. An answer is
//! empty, or an error that ends the restore; the answer to the empty last chunk is the
//! stream's own information and may take as long as the server needs to load it.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use lifeboat_harness::wait::pause_for;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::{Connection, decode};
use super::error::{RequestError, Result};
use super::stream::StreamInfo;

/// How a restore is paced.
#[derive(Debug, Clone, Copy)]
pub struct RestoreTuning {
    /// Bytes in a chunk.
    pub chunk_bytes: usize,
    /// Chunks under way at once.
    pub in_flight: usize,
}

impl RestoreTuning {
    /// What was fastest on loopback, within the largest message the server takes.
    pub fn for_connection(connection: &Connection) -> Self {
        Self {
            chunk_bytes: (512 << 10).min(connection.max_payload() / 2).max(1),
            in_flight: 8,
        }
    }
}

/// The first chunks are small: on a slow link a large one would take longer than the server waits.
const FIRST_CHUNK: usize = 64 << 10;
/// They never become smaller than this.
const SMALLEST_CHUNK: usize = 8 << 10;
/// An answer that takes longer than this makes the next chunks smaller; the server gives up when
/// five seconds pass between two of them.
const SLOW: Duration = Duration::from_secs(1);
/// One that takes less makes them larger.
const FAST: Duration = Duration::from_millis(250);

/// How long one chunk's answer may take: the server writes to its disk before it answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long the last answer may take: the server loads the whole stream first.
const LOADED_WITHIN: Duration = Duration::from_secs(600);
/// How long an aborted restore may take to be over; a server notices silence after 5 s.
const ABORTED_WITHIN: Duration = Duration::from_secs(10);
/// The pause before the server is asked again whether it listens.
const BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(100);
/// In a fresh cluster, interest in the restore's subject may take a moment to spread.
const INTEREST_WITHIN: Duration = Duration::from_secs(3);

/// How long a cluster may take to begin: the node that it is given to leads the stream's new group
/// first.
const BEGUN_WITHIN: Duration = Duration::from_secs(10);

/// A restore under way.
#[derive(Debug)]
pub struct RestoreTransfer {
    connection: Connection,
    subject: String,
    inbox: String,
    answers: Subscriber,
    waiting: BTreeSet<u64>,
    sent: u64,
    tuning: RestoreTuning,
    times_connected: u64,
    /// What the next chunk should have.
    chunk_bytes: usize,
    last_answer: Instant,
    /// Everything was sent, and the server is loading it.
    is_loading: bool,
}

#[derive(Deserialize)]
struct Answer {
    /// None where a stream was made instead.
    deliver_subject: Option<String>,
}

impl Connection {
    /// Begins to restore a stream: from now on its name is taken.
    ///
    /// # Errors
    /// [`RequestError::Refused`] with the server's reason, such as a name in use (10130);
    /// [`RequestError::MadeInstead`] when it made an empty stream, as servers to 2.14 do that gave the
    /// restore to a node that is down.
    pub async fn restore(
        &self,
        stream: &str,
        config: &Value,
        state: &Value,
        tuning: RestoreTuning,
    ) -> Result<RestoreTransfer> {
        let body = json!({ "config": config, "state": state });
        let times_connected = self.times_connected();
        let call = format!("STREAM.RESTORE.{stream}");
        let within = BEGUN_WITHIN.max(self.answer_within());
        let answer: Answer = self.call_within(&call, &body, within).await?;
        let Some(subject) = answer.deliver_subject else {
            let subject = self.api(&call);
            return Err(RequestError::MadeInstead { subject });
        };
        let inbox = self.client().new_inbox();
        let answers = self
            .client()
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|error| RequestError::disconnected(&subject, &error))?;
        Ok(RestoreTransfer {
            connection: self.clone(),
            subject,
            inbox,
            answers,
            waiting: BTreeSet::new(),
            sent: 0,
            chunk_bytes: FIRST_CHUNK.min(tuning.chunk_bytes),
            last_answer: Instant::now(),
            is_loading: false,
            tuning,
            times_connected,
        })
    }
}

impl RestoreTransfer {
    /// How large the next chunk should be: as large as asked for, where the link is fast enough.
    pub fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Sends a chunk, after waiting for earlier ones to be answered as far as needed.
    ///
    /// # Errors
    /// As soon as any chunk was answered with an error, or not in time.
    pub async fn send(&mut self, chunk: Bytes) -> Result<()> {
        while self.waiting.len() >= self.tuning.in_flight.max(1) {
            self.take_answer().await?;
        }
        let first = self.sent == 0;
        self.publish(chunk.clone()).await?;
        if first {
            self.settle_first(chunk).await?;
        }
        Ok(())
    }

    /// Sends the end and waits for the server to have the stream.
    ///
    /// # Errors
    /// When the server refuses what it was sent.
    pub async fn finish(&mut self) -> Result<StreamInfo> {
        while !self.waiting.is_empty() {
            self.take_answer().await?;
        }
        self.publish(Bytes::new()).await?;
        self.is_loading = true;
        let answer = self.next_answer(LOADED_WITHIN).await?;
        self.is_loading = false;
        self.check_status(&answer)?;
        decode(&self.subject, &answer.payload)
    }

    /// Ends the restore on the server, now rather than after five seconds of silence: a chunk
    /// that wants no answer does that. Returns when nobody listens to the restore any more.
    /// Whatever has arrived may still become a stream.
    ///
    /// # Errors
    /// When the connection is gone, or the server goes on listening.
    pub async fn abort(&mut self) -> Result<()> {
        if self.is_loading {
            // Nothing stops a server that has everything: the stream comes, and can be deleted then.
            let _answer = self.next_answer(LOADED_WITHIN).await;
            return Ok(());
        }
        let client = self.connection.client();
        let nonsense = Bytes::from_static(b"abort");
        let began = Instant::now();
        while began.elapsed() < ABORTED_WITHIN {
            client
                .publish(self.subject.clone(), nonsense.clone())
                .await
                .map_err(|error| RequestError::disconnected(&self.subject, &error))?;
            let asked = self
                .connection
                .ask(&self.subject, None, nonsense.clone(), ABORTED_WITHIN / 10)
                .await;
            if matches!(asked, Err(RequestError::NoResponders { .. })) {
                return Ok(());
            }
            pause_for(BEFORE_ASKING_AGAIN).await;
        }
        Err(RequestError::TimedOut {
            subject: self.subject.clone(),
            within: ABORTED_WITHIN,
        })
    }

    /// Sends the first chunk again while nobody listens yet: nothing of it was taken.
    async fn settle_first(&mut self, chunk: Bytes) -> Result<()> {
        let began = Instant::now();
        loop {
            match self.take_answer().await {
                Err(RequestError::NoResponders { .. }) if began.elapsed() < INTEREST_WITHIN => {
                    self.waiting.clear();
                    self.publish(chunk.clone()).await?;
                }
                other => return other,
            }
        }
    }

    async fn publish(&mut self, chunk: Bytes) -> Result<()> {
        self.sent += 1;
        self.waiting.insert(self.sent);
        let reply = format!("{}.{}", self.inbox, self.sent);
        self.connection
            .client()
            .publish_with_reply(self.subject.clone(), reply, chunk)
            .await
            .map_err(|error| RequestError::disconnected(&self.subject, &error))
    }

    /// Waits for the answer to any chunk under way.
    async fn take_answer(&mut self) -> Result<()> {
        let answer = self.next_answer(ANSWER_WITHIN).await?;
        self.check_status(&answer)?;
        if !answer.payload.is_empty() {
            decode::<Value>(&self.subject, &answer.payload)?;
        }
        let number = answer
            .subject
            .rsplit('.')
            .next()
            .and_then(|n| n.parse().ok());
        if let Some(number) = number {
            self.waiting.remove(&number);
        }
        let took = self.last_answer.elapsed();
        self.last_answer = Instant::now();
        if took > SLOW {
            self.chunk_bytes = (self.chunk_bytes / 2).max(SMALLEST_CHUNK);
        } else if took < FAST {
            self.chunk_bytes = self.chunk_bytes.saturating_mul(2);
        }
        self.chunk_bytes = self.chunk_bytes.min(self.tuning.chunk_bytes);
        Ok(())
    }

    async fn next_answer(&mut self, within: Duration) -> Result<Message> {
        self.connection
            .next_of_transfer(
                &mut self.answers,
                &self.subject,
                self.times_connected,
                within,
            )
            .await
    }

    fn check_status(&self, answer: &Message) -> Result<()> {
        match answer.status {
            None => Ok(()),
            Some(StatusCode::NO_RESPONDERS) => Err(RequestError::NoResponders {
                subject: self.subject.clone(),
            }),
            Some(status) => Err(RequestError::unreadable(&self.subject, &status)),
        }
    }
}
