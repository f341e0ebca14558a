//! One connection to an account, and the request that everything else is made of.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{Client, HeaderMap, Message, Request, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use lifeboat_harness::wait::pause_for;
use semver::Version;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::error::{ApiError, RequestError, Result};
use super::settings::ConnectSettings;

/// How long one request may take unless its caller says otherwise.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long lists may take: a server gives silent leaders four seconds.
const LISTED_WITHIN: Duration = Duration::from_secs(10);
/// How long a question is repeated: an election takes up to nine seconds.
const ANSWERED_AT_LAST_WITHIN: Duration = Duration::from_secs(20);
/// The pause before a question is repeated.
const BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(100);
/// While nothing comes of a transfer, the connection is looked at so often.
const LOOK_UP_EVERY: Duration = Duration::from_secs(1);
/// So much of an answer that can't be read is shown.
const SHOWN_CHARS: usize = 300;

/// A connection to an account.
#[derive(Debug, Clone)]
pub struct Connection {
    client: Client,
    prefix: String,
    answer_within: Duration,
}

impl Connection {
    /// Connects. From then on the connection heals itself for as long as any server answers.
    ///
    /// # Errors
    /// [`RequestError::Unreachable`] with the addresses that were tried.
    pub async fn open(settings: &ConnectSettings) -> Result<Self> {
        let addresses = settings.addresses()?;
        let options = settings.options().await?;
        let client = options
            .connect(addresses)
            .await
            .map_err(|error| settings.unreachable(error.to_string()))?;
        Ok(Self {
            client,
            prefix: settings.prefix(),
            answer_within: settings.timeout.unwrap_or(ANSWER_WITHIN),
        })
    }

    /// How often it was made: more than before means that it was lost in between, and with it
    /// perhaps a message.
    pub(super) fn times_connected(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// Whether it is no longer the one it was when it had been made so often.
    fn is_lost_since(&self, times_connected: u64) -> bool {
        self.times_connected() != times_connected
            || self.client.connection_state() != State::Connected
    }

    /// The next message of a transfer that began when the connection had been made so often. Over
    /// another one it never comes: what was under way is lost, and nobody sends it again.
    ///
    /// # Errors
    /// [`RequestError::Disconnected`] as soon as the connection is lost, and
    /// [`RequestError::TimedOut`].
    pub(super) async fn next_of_transfer(
        &self,
        messages: &mut Subscriber,
        subject: &str,
        times_connected: u64,
        within: Duration,
    ) -> Result<Message> {
        let deadline = Instant::now() + within;
        loop {
            let next = timeout(LOOK_UP_EVERY, messages.next()).await;
            if self.is_lost_since(times_connected) {
                let reason = "the connection was lost in the middle of a transfer";
                return Err(RequestError::disconnected(subject, reason));
            }
            match next {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {
                    return Err(RequestError::disconnected(
                        subject,
                        "the subscription ended",
                    ));
                }
                Err(_) if Instant::now() < deadline => {}
                Err(_) => {
                    return Err(RequestError::TimedOut {
                        subject: subject.to_owned(),
                        within,
                    });
                }
            }
        }
    }

    /// The version of the server this connection happens to be with.
    pub fn server_version(&self) -> Option<Version> {
        Version::parse(&self.client.server_info().version).ok()
    }

    /// Whether the server this connection is with belongs to a cluster.
    pub fn is_clustered(&self) -> bool {
        let info = self.client.server_info();
        info.cluster.is_some_and(|name| !name.is_empty())
    }

    /// The largest message the server takes, in bytes.
    pub fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }

    /// How long one request may take.
    pub fn answer_within(&self) -> Duration {
        self.answer_within
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What the subjects of API calls begin with.
    pub(super) fn api_prefix(&self) -> &str {
        &self.prefix
    }

    /// The full subject of an API call, such as `STREAM.INFO.ORDERS`.
    pub(super) fn api(&self, call: &str) -> String {
        format!("{}.{call}", self.prefix)
    }

    /// Makes an API call and decodes the answer.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: &str, body: &Value) -> Result<T> {
        self.call_within(call, body, self.answer_within).await
    }

    /// Makes an API call whose answer takes as long as this.
    pub(super) async fn call_within<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
        within: Duration,
    ) -> Result<T> {
        let subject = self.api(call);
        let body = Bytes::from(body.to_string());
        let answer = self.ask(&subject, None, body, within).await?;
        decode(&subject, &answer)
    }

    /// Makes an API call that only asks, again and again while it or its answer gets lost, as
    /// happens to everything while a cluster elects a leader.
    pub(super) async fn call_again<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
    ) -> Result<T> {
        self.repeat(call, body, self.answer_within).await
    }

    /// The same for a list, which takes longer.
    pub(super) async fn list_again<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
    ) -> Result<T> {
        let within = self.answer_within.max(LISTED_WITHIN);
        self.repeat(call, body, within).await
    }

    async fn repeat<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
        within: Duration,
    ) -> Result<T> {
        let (subject, body) = (self.api(call), Bytes::from(body.to_string()));
        let began = Instant::now();
        loop {
            let answer = self.ask(&subject, None, body.clone(), within).await;
            match answer.and_then(|answer| decode(&subject, &answer)) {
                Err(RequestError::TimedOut { .. } | RequestError::Disconnected { .. })
                    if began.elapsed() < ANSWERED_AT_LAST_WITHIN =>
                {
                    pause_for(BEFORE_ASKING_AGAIN).await;
                }
                other => return other,
            }
        }
    }

    /// Sends one request and returns the payload of the answer.
    pub(super) async fn ask(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: Bytes,
        within: Duration,
    ) -> Result<Bytes> {
        let mut request = Request::new().payload(payload).timeout(Some(within));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        self.client
            .send_request(subject.to_owned(), request)
            .await
            .map(|answer| answer.payload)
            .map_err(|error| RequestError::from_request(subject, within, &error))
    }
}

/// Decodes the answer of an API call, which is an error when it says so.
pub(super) fn decode<T: DeserializeOwned>(subject: &str, answer: &[u8]) -> Result<T> {
    let mut answer: Value = serde_json::from_slice(answer)
        .map_err(|error| RequestError::unreadable(subject, &error))?;
    if let Some(error) = answer.get_mut("error") {
        let error: ApiError = serde_json::from_value(error.take())
            .map_err(|error| RequestError::unreadable(subject, &error))?;
        return Err(error.refusing(subject));
    }
    T::deserialize(&answer).map_err(|error| {
        let shown: String = answer.to_string().chars().take(SHOWN_CHARS).collect();
        RequestError::unreadable(subject, &format!("{error}: {shown}"))
    })
}
