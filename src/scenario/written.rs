//! The file as it is written: every key that may stand in it, and nothing else.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::written_step::Step;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Spanned<String>,
    pub(super) promise: Spanned<String>,
    pub(super) about: Spanned<String>,
    /// The server versions on which it makes sense.
    pub(super) servers: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) cluster: Cluster,
    /// Stands by, empty, until it takes over.
    pub(super) recovery_cluster: Option<Spanned<Cluster>>,
    #[serde(default)]
    pub(super) stream: Vec<Spanned<Stream>>,
    #[serde(default)]
    pub(super) load: LoadTable,
    #[serde(default)]
    pub(super) step: Vec<Spanned<Step>>,
    pub(super) expect: Spanned<Expect>,
}

/// `[cluster]`, `[recovery_cluster]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) nodes: Option<Spanned<i64>>,
    /// The server of a recovery cluster.
    pub(super) server: Option<Spanned<String>>,
    /// The servers of single nodes.
    #[serde(default)]
    pub(super) node_servers: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) account: Option<Spanned<String>>,
    pub(super) sync_interval: Option<String>,
    /// How large each node's disk is.
    pub(super) disk: Option<Spanned<String>>,
    /// Whether servers encrypt what they store.
    #[serde(default)]
    pub(super) encrypted: bool,
    /// The tags of each node, in order.
    #[serde(default)]
    pub(super) tags: Vec<Spanned<Vec<String>>>,
}

/// Fields of a stream's configuration, in the server's own words.
pub(super) type Config = BTreeMap<Spanned<String>, toml::Value>;

/// `[[stream]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stream {
    pub(super) name: Spanned<String>,
    pub(super) subjects: Option<Spanned<Vec<String>>>,
    /// How many subjects of the first pattern the load publishes to.
    pub(super) keys: Option<Spanned<i64>>,
    /// Whether it is a bucket with objects, which steps put there.
    #[serde(default)]
    pub(super) objects: bool,
    pub(super) mirror: Option<Spanned<String>>,
    pub(super) sources: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) replicas: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) consumers: Vec<Spanned<String>>,
    /// Consumers that nobody asks for messages.
    #[serde(default)]
    pub(super) idle_consumers: Vec<Spanned<String>>,
    /// How many replicas its consumers have, where not as many as the stream.
    pub(super) consumer_replicas: Option<Spanned<i64>>,
    /// More of the stream's configuration.
    pub(super) config: Option<Config>,
}

/// `[load]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadTable {
    pub(super) rate: Option<Spanned<i64>>,
    pub(super) size: Option<Spanned<String>>,
}

/// `[expect]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) lost: Spanned<String>,
    pub(super) replicas: Option<Spanned<i64>>,
    pub(super) recovery_time: Option<Spanned<String>>,
    pub(super) write_outage: Option<Spanned<String>>,
    pub(super) min_acknowledged: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) known: Vec<Spanned<Known>>,
}

/// `[[expect.known]]`: a verdict other than `held`, for some server versions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    pub(super) server: Spanned<String>,
    pub(super) verdict: Spanned<String>,
    pub(super) because: Spanned<String>,
    #[serde(default)]
    pub(super) sometimes: bool,
    /// What kinds of findings it shows itself by.
    #[serde(default)]
    pub(super) findings: Vec<Spanned<String>>,
}
