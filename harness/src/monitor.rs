//! A read-only view of one node through its monitoring port: what the node itself believes.
//!
//! Every figure is local to the node that is asked. That makes these endpoints the cheap way
//! to compare replicas, and it makes `current` flags hearsay: they tell what the leader thinks.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// How long a node may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The monitoring endpoints of one node.
#[derive(Debug, Clone)]
pub struct Monitor {
    node: String,
    address: SocketAddr,
    client: reqwest::Client,
}

/// `/healthz`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// `ok`, or another word.
    pub status: String,
    /// Why it is not ok.
    #[serde(default)]
    pub error: Option<String>,
}

impl Health {
    /// Whether the node says it is healthy. It may be wrong: see the crate's introduction.
    pub fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

/// `/jsz`, as far as recovery is concerned.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct JetStreamView {
    /// The meta group as this node sees it; absent on a standalone server.
    #[serde(default)]
    pub meta_cluster: Option<MetaView>,
    /// The streams this node holds, by account.
    #[serde(default)]
    pub account_details: Vec<AccountView>,
}

/// The meta group as one node sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct MetaView {
    /// The leader's name; empty when this node knows none.
    #[serde(default)]
    pub leader: String,
    /// How many peers the group has.
    #[serde(default)]
    pub cluster_size: usize,
    /// The other peers. Only the leader lists them.
    #[serde(default)]
    pub replicas: Vec<PeerView>,
}

/// One peer of a group, as another node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PeerView {
    /// The peer's server name.
    pub name: String,
    /// The peer's id in its group.
    #[serde(default)]
    pub peer: String,
    /// Whether the leader believes that it is up to date.
    #[serde(default)]
    pub current: bool,
    /// Whether it is known to be gone; after a SIGKILL only minutes later.
    #[serde(default)]
    pub offline: bool,
    /// How many operations it is behind.
    #[serde(default)]
    pub lag: u64,
}

/// The streams of one account that a node holds.
#[derive(Debug, Clone, Deserialize)]
pub struct AccountView {
    /// The account's name.
    pub name: String,
    /// Its streams on this node.
    #[serde(default)]
    pub stream_detail: Vec<StreamView>,
}

/// A node's own copy of a stream.
#[derive(Debug, Clone, Deserialize)]
pub struct StreamView {
    /// The stream's name.
    pub name: String,
    /// What this node's copy holds.
    pub state: StreamState,
    /// Its group as this node sees it; absent on a standalone server, and where a node does not know it
    /// yet.
    #[serde(default)]
    pub cluster: Option<GroupView>,
}

/// The group of a stream as one node sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct GroupView {
    /// The leader's name; empty when this node knows none.
    #[serde(default)]
    pub leader: String,
}

impl StreamView {
    /// Whether this copy says that a node leads it.
    fn is_led_by(&self, node: &str) -> bool {
        let group = self.cluster.as_ref();
        group.is_some_and(|group| group.leader == node)
    }
}

/// What one copy of a stream holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct StreamState {
    /// Messages in it.
    pub messages: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// The first sequence.
    pub first_seq: u64,
    /// The last sequence.
    pub last_seq: u64,
    /// Sequences between first and last that hold no message.
    #[serde(default)]
    pub num_deleted: u64,
    /// Consumers on this node.
    #[serde(default)]
    pub consumer_count: u64,
}

impl JetStreamView {
    /// This node's copy of a stream, if it has one.
    pub fn stream(&self, account: &str, stream: &str) -> Option<StreamState> {
        self.stream_view(account, stream).map(|view| view.state)
    }

    /// Whether this node says that it leads a stream: a copy without a group leads itself where there is
    /// no cluster, and nothing where there is one.
    pub fn leads(&self, own: &StreamView, node: &str) -> bool {
        own.is_led_by(node) || (own.cluster.is_none() && self.meta_cluster.is_none())
    }

    /// This node's copy of a stream and what it says of its group, if it has one.
    pub fn stream_view(&self, account: &str, stream: &str) -> Option<&StreamView> {
        self.account_details
            .iter()
            .filter(|details| details.name == account)
            .flat_map(|details| &details.stream_detail)
            .find(|details| details.name == stream)
    }
}

impl Monitor {
    pub(crate) fn new(node: &str, address: SocketAddr, client: reqwest::Client) -> Self {
        Self {
            node: node.to_owned(),
            address,
            client,
        }
    }

    /// `/healthz`: whether the node says it is healthy. A 503 is an answer, not an error.
    ///
    /// # Errors
    /// [`Error::Monitor`] when the node does not answer.
    pub async fn health(&self) -> Result<Health> {
        self.get("/healthz").await
    }

    /// `/jsz` with the streams of every account.
    ///
    /// # Errors
    /// [`Error::Monitor`] when the node does not answer.
    pub async fn jetstream(&self) -> Result<JetStreamView> {
        self.get("/jsz?accounts=true&streams=true&consumers=true")
            .await
    }

    /// Any endpoint, such as `/raftz` or `/varz`, as JSON.
    ///
    /// # Errors
    /// [`Error::Monitor`] when the node does not answer, or not in JSON.
    pub async fn get<T: DeserializeOwned>(&self, endpoint: &str) -> Result<T> {
        let failed = |error: reqwest::Error| Error::Monitor {
            node: self.node.clone(),
            endpoint: endpoint.to_owned(),
            reason: innermost(&error),
        };
        self.client
            .get(format!("http://{}{endpoint}", self.address))
            .send()
            .await
            .map_err(failed)?
            .json()
            .await
            .map_err(failed)
    }
}

/// The one HTTP client of a cluster.
pub(crate) fn http_client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_WITHIN)
        .build()
        .map_err(|error| Error::BadCluster(format!("no HTTP client: {}", innermost(&error))))
}

/// The cause that says something: outer layers of an HTTP error only repeat the address.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
