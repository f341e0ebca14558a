//! One connection to an account, and the request that everything else is made of.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, HeaderMap, Request, ServerAddr};
use bytes::Bytes;
use lifeboat_harness::wait::pause_for;
use semver::Version;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{ApiError, RequestError, Result};

/// How long one request may take unless its caller says otherwise.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a question is repeated: an election takes up to nine seconds.
const ANSWERED_AT_LAST_WITHIN: Duration = Duration::from_secs(20);
/// The pause before a question is repeated.
const BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(100);
/// How long making a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A server that hangs, as a paused one does, is given up after two of these.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Where to connect, and as whom.
#[derive(Debug, Clone, Default)]
pub struct ConnectSettings {
    /// Addresses such as `nats://127.0.0.1:4222`; any of them will do.
    pub servers: Vec<String>,
    /// The first address is tried first, the next when it does not answer; else any.
    pub in_order: bool,
    /// User and password.
    pub user: Option<(String, String)>,
    /// A credentials file, as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// The JetStream domain, when it is not the connected server's own.
    pub domain: Option<String>,
}

/// A connection to an account.
#[derive(Debug, Clone)]
pub struct Connection {
    client: Client,
    prefix: String,
}

impl Connection {
    /// Connects. From then on the connection heals itself for as long as any server answers.
    ///
    /// # Errors
    /// [`RequestError::Unreachable`] with the addresses that were tried.
    pub async fn open(settings: &ConnectSettings) -> Result<Self> {
        let unreachable = |reason: String| RequestError::Unreachable {
            servers: settings.servers.join(", "),
            reason,
        };
        let servers = settings
            .servers
            .iter()
            .map(|server| server.parse::<ServerAddr>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unreachable(error.to_string()))?;
        let mut options = ConnectOptions::new()
            .name("lifeboat")
            .ping_interval(PING_EVERY)
            .connection_timeout(CONNECT_WITHIN)
            .reconnect_delay_callback(|_| Duration::from_millis(100));
        if settings.in_order {
            options = options.retain_servers_order();
        }
        if let Some((user, password)) = &settings.user {
            options = options.user_and_password(user.clone(), password.clone());
        }
        if let Some(path) = &settings.credentials {
            options = options
                .credentials_file(path)
                .await
                .map_err(|error| unreachable(format!("{}: {error}", path.display())))?;
        }
        let client = options
            .connect(servers)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let prefix = match &settings.domain {
            Some(domain) => format!("$JS.{domain}.API"),
            None => String::from("$JS.API"),
        };
        Ok(Self { client, prefix })
    }

    /// The version of the server this connection happens to be with.
    pub fn server_version(&self) -> Option<Version> {
        Version::parse(&self.client.server_info().version).ok()
    }

    /// The largest message the server takes, in bytes.
    pub fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The full subject of an API call, such as `STREAM.INFO.ORDERS`.
    pub(super) fn api(&self, call: &str) -> String {
        format!("{}.{call}", self.prefix)
    }

    /// Makes an API call and decodes the answer.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: &str, body: &Value) -> Result<T> {
        let subject = self.api(call);
        let body = Bytes::from(body.to_string());
        let answer = self.ask(&subject, None, body, ANSWER_WITHIN).await?;
        decode(&subject, &answer)
    }

    /// Makes an API call that only asks, again and again while it or its answer gets lost, as
    /// happens to everything while a cluster elects a leader.
    pub(super) async fn call_again<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
    ) -> Result<T> {
        let began = Instant::now();
        loop {
            match self.call(call, body).await {
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
    serde_json::from_value(answer).map_err(|error| RequestError::unreadable(subject, &error))
}
