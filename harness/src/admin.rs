//! What an operator asks the servers: requests as the system account and as the user account.

use std::net::SocketAddr;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, RequestErrorKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::config::Credentials;
use crate::error::{Error, Result};

/// How long one request may take; callers that can wait longer ask again.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How soon a connection to a node that hangs, as a paused one does, is given up.
const PING_EVERY: Duration = Duration::from_secs(1);

/// A lazily made connection of one user to whichever node answers.
#[derive(Debug)]
pub(crate) struct Admin {
    user: Credentials,
    /// And the addresses it was made for.
    client: Mutex<Option<(Vec<SocketAddr>, Client)>>,
}

/// A stream's members, as its leader tells them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamMembers {
    /// The leader's node name, when there is one.
    pub leader: Option<String>,
    /// The other replicas' node names, in the order of their names.
    pub followers: Vec<String>,
}

impl StreamMembers {
    /// Leader and followers together, in the order of their names.
    pub fn all(&self) -> Vec<String> {
        let mut all: Vec<_> = self.leader.iter().chain(&self.followers).cloned().collect();
        all.sort();
        all
    }
}

#[derive(Debug, Deserialize)]
struct ApiError {
    code: u16,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

impl Admin {
    pub(crate) fn new(user: Credentials) -> Self {
        Self {
            user,
            client: Mutex::default(),
        }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.user
    }

    /// Sends one request and decodes the answer.
    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        servers: &[SocketAddr],
        subject: &str,
        body: &Value,
    ) -> Result<T> {
        let no_answer = |reason: String| Error::NoAnswer {
            request: subject.to_owned(),
            reason,
        };
        let client = self.client(servers).await;
        let client = client.map_err(|error| no_answer(error.to_string()))?;
        let request = async_nats::Request::new()
            .payload(body.to_string().into())
            .timeout(Some(ANSWER_WITHIN));
        let answer = client
            .send_request(subject.to_owned(), request)
            .await
            .map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => no_answer(String::from("nobody listens there")),
                RequestErrorKind::TimedOut => no_answer(format!("silence for {ANSWER_WITHIN:?}")),
                RequestErrorKind::InvalidSubject
                | RequestErrorKind::MaxPayloadExceeded
                | RequestErrorKind::Other => no_answer(error.to_string()),
            })?;
        let mut answer: Value = serde_json::from_slice(&answer.payload)
            .map_err(|error| no_answer(error.to_string()))?;
        if let Some(error) = answer.get_mut("error") {
            let error: ApiError = serde_json::from_value(error.take())
                .map_err(|error| no_answer(error.to_string()))?;
            return Err(Error::Refused {
                request: subject.to_owned(),
                code: error.code,
                err_code: error.err_code,
                description: error.description,
            });
        }
        serde_json::from_value(answer).map_err(|error| no_answer(error.to_string()))
    }

    /// The connection to these servers; another one when the last was to others.
    async fn client(&self, servers: &[SocketAddr]) -> Result<Client, async_nats::ConnectError> {
        let mut kept = self.client.lock().await;
        if let Some((_, client)) = kept.as_ref().filter(|(made_for, _)| made_for == servers) {
            return Ok(client.clone());
        }
        let client = self.connect(servers).await?;
        *kept = Some((servers.to_vec(), client.clone()));
        Ok(client)
    }

    async fn connect(&self, servers: &[SocketAddr]) -> Result<Client, async_nats::ConnectError> {
        let servers: Vec<async_nats::ServerAddr> = servers
            .iter()
            .filter_map(|address| format!("nats://{address}").parse().ok())
            .collect();
        ConnectOptions::with_user_and_password(self.user.user.clone(), self.user.password.clone())
            .ping_interval(PING_EVERY)
            .connection_timeout(ANSWER_WITHIN)
            .reconnect_delay_callback(|_| Duration::from_millis(100))
            .connect(servers)
            .await
    }

    /// `$JS.API.STREAM.INFO`: who holds a stream.
    pub(crate) async fn stream_members(
        &self,
        servers: &[SocketAddr],
        stream: &str,
    ) -> Result<StreamMembers> {
        #[derive(Deserialize)]
        struct Info {
            cluster: Option<Group>,
        }
        #[derive(Deserialize)]
        struct Group {
            leader: Option<String>,
            #[serde(default)]
            replicas: Vec<Replica>,
        }
        #[derive(Deserialize)]
        struct Replica {
            name: String,
        }
        let subject = format!("$JS.API.STREAM.INFO.{stream}");
        let info: Info = self.request(servers, &subject, &json!({})).await?;
        let group = info.cluster.unwrap_or(Group {
            leader: None,
            replicas: Vec::new(),
        });
        let mut followers: Vec<_> = group.replicas.into_iter().map(|one| one.name).collect();
        followers.sort();
        Ok(StreamMembers {
            leader: group.leader.filter(|name| !name.is_empty()),
            followers,
        })
    }
}
