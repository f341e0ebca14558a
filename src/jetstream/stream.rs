//! Streams: made, asked, deleted. Configurations pass through as the server's own JSON, so that
//! nothing a newer server knows gets lost on the way.

use std::time::Duration;

use futures_util::StreamExt as _;
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::Connection;
use super::error::Result;

/// The first version in which a leader steps down for a replica that is named.
const WISHES_SINCE: Version = Version::new(2, 11, 0);

/// What a stream is and holds, as its leader tells it.
#[derive(Debug, Clone, Deserialize)]
pub struct StreamInfo {
    /// The configuration, as the server gave it.
    pub config: Value,
    /// What it holds.
    pub state: StreamState,
    /// Its raft group; absent on a standalone server.
    #[serde(default)]
    pub cluster: Option<StreamGroup>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct StreamState {
    /// Messages in it.
    pub messages: u64,
    /// Bytes they take in the store.
    pub bytes: u64,
    /// The first sequence.
    pub first_seq: u64,
    /// The last sequence.
    pub last_seq: u64,
    /// Its consumers.
    #[serde(default)]
    pub consumer_count: usize,
}

/// A stream's raft group, or a consumer's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StreamGroup {
    /// The leader's server name.
    #[serde(default)]
    pub leader: Option<String>,
    /// The followers.
    #[serde(default)]
    pub replicas: Vec<StreamReplica>,
}

/// A follower, as the leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StreamReplica {
    /// Its server name.
    pub name: String,
    /// Whether the leader believes that it is up to date.
    #[serde(default)]
    pub current: bool,
    /// Whether it is known to be gone.
    #[serde(default)]
    pub offline: bool,
    /// How many operations it is behind.
    #[serde(default)]
    pub lag: u64,
}

impl StreamInfo {
    /// The leader's server name, when there is one.
    pub fn leader(&self) -> Option<&str> {
        let leader = self.cluster.as_ref()?.leader.as_deref()?;
        (!leader.is_empty()).then_some(leader)
    }

    /// The server names of the followers, in the order of their names.
    pub fn followers(&self) -> Vec<&str> {
        let replicas = self.cluster.iter().flat_map(|group| &group.replicas);
        let mut names: Vec<_> = replicas.map(|replica| replica.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

impl Connection {
    /// Makes a stream.
    ///
    /// # Errors
    /// [`super::RequestError::Refused`] with the server's reason.
    pub async fn create_stream(&self, name: &str, config: &Value) -> Result<StreamInfo> {
        self.call(&format!("STREAM.CREATE.{name}"), config).await
    }

    /// Changes a stream's configuration.
    ///
    /// # Errors
    /// [`super::RequestError::Refused`] with the server's reason.
    pub async fn update_stream(&self, name: &str, config: &Value) -> Result<StreamInfo> {
        self.call(&format!("STREAM.UPDATE.{name}"), config).await
    }

    /// Asks a stream what it is and holds.
    ///
    /// # Errors
    /// [`super::RequestError::is_stream_not_found`] tells when there is none.
    pub async fn stream_info(&self, name: &str) -> Result<StreamInfo> {
        self.call(&format!("STREAM.INFO.{name}"), &json!({})).await
    }

    /// The same, as the server gave it.
    ///
    /// # Errors
    /// See [`Connection::stream_info`].
    pub async fn stream_answer(&self, name: &str) -> Result<Value> {
        self.call(&format!("STREAM.INFO.{name}"), &json!({})).await
    }

    /// The names of the account's streams. A cluster may list a name whose stream it can't
    /// tell anything about: one that a restore has taken and not finished.
    ///
    /// # Errors
    /// [`super::RequestError`] when the meta leader does not answer.
    pub async fn stream_names(&self) -> Result<Vec<String>> {
        self.names("STREAM.NAMES").await
    }

    /// The names of a stream's consumers, in the server's order.
    ///
    /// # Errors
    /// [`super::RequestError::is_stream_not_found`] tells when there is no such stream.
    pub async fn consumer_names(&self, stream: &str) -> Result<Vec<String>> {
        let names = self.names(&format!("CONSUMER.NAMES.{stream}")).await;
        let Err(error) = names else { return names };
        // The meta leader of a 2.15 cluster says so of a stream that an abandoned restore left, and
        // whose own leader answers (measured).
        let is_odd = error.is_stream_not_found()
            && self
                .stream_info(stream)
                .await
                .is_ok_and(|info| info.state.consumer_count == 0);
        if is_odd { Ok(Vec::new()) } else { Err(error) }
    }

    /// All pages of a call that lists names.
    async fn names(&self, call: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            total: usize,
            #[serde(alias = "streams", alias = "consumers", default)]
            names: Option<Vec<String>>,
        }
        let mut names = Vec::new();
        loop {
            let body = json!({ "offset": names.len() });
            let page: Page = self.call_again(call, &body).await?;
            let more = page.names.unwrap_or_default();
            let is_last = more.is_empty();
            names.extend(more);
            if is_last || names.len() >= page.total {
                return Ok(names);
            }
        }
    }

    /// The streams whose subjects overlap with one.
    ///
    /// # Errors
    /// [`super::RequestError`] when the meta leader does not answer.
    pub async fn streams_with_subject(&self, subject: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            streams: Option<Vec<String>>,
        }
        let body = json!({ "subject": subject });
        let page: Page = self.call_again("STREAM.NAMES", &body).await?;
        Ok(page.streams.unwrap_or_default())
    }

    /// Listens on subjects for so long, and returns the first on which somebody published.
    pub async fn overhear(&self, subjects: &[String], within: Duration) -> Option<String> {
        let mut listening = Vec::new();
        for subject in subjects {
            // Where we may not listen there is nothing to be heard.
            if let Ok(heard) = self.client().subscribe(subject.clone()).await {
                listening.push(heard);
            }
        }
        if listening.is_empty() {
            return None;
        }
        let mut all = futures_util::stream::select_all(listening);
        let heard = tokio::time::timeout(within, all.next()).await.ok()??;
        Some(heard.subject.to_string())
    }

    /// Asks a stream's leader to step down, for that replica where the server takes such a wish
    /// (from 2.11 on).
    ///
    /// # Errors
    /// [`super::RequestError::Refused`] with the server's reason.
    pub async fn step_down(&self, stream: &str, preferred: &str) -> Result<()> {
        let call = format!("STREAM.LEADER.STEPDOWN.{stream}");
        let takes_wishes = self
            .server_version()
            .is_some_and(|version| version >= WISHES_SINCE);
        let body = if takes_wishes {
            json!({ "placement": { "preferred": preferred } })
        } else {
            json!({})
        };
        self.call::<Value>(&call, &body).await.map(|_| ())
    }

    /// Asks for a stream to be deleted. Without an answer it may have been.
    ///
    /// # Errors
    /// [`super::RequestError::is_stream_not_found`] tells when there is none.
    pub async fn delete_stream(&self, name: &str) -> Result<()> {
        self.call::<Value>(&format!("STREAM.DELETE.{name}"), &json!({}))
            .await
            .map(|_| ())
    }
}
