//! The file as it is written: every key that may stand in it, and nothing else.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Spanned<String>,
    pub(super) promise: Spanned<String>,
    pub(super) about: Spanned<String>,
    #[serde(default)]
    pub(super) cluster: Cluster,
    #[serde(default)]
    pub(super) stream: Vec<Spanned<Stream>>,
    #[serde(default)]
    pub(super) load: LoadTable,
    #[serde(default)]
    pub(super) step: Vec<Spanned<Step>>,
    pub(super) expect: Spanned<Expect>,
}

/// `[cluster]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) nodes: Option<Spanned<i64>>,
    pub(super) sync_interval: Option<String>,
    /// How large each node's disk is.
    pub(super) disk: Option<Spanned<String>>,
}

/// `[[stream]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stream {
    pub(super) name: Spanned<String>,
    pub(super) subjects: Spanned<Vec<String>>,
    pub(super) replicas: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) consumers: Vec<Spanned<String>>,
    /// More of the stream's configuration, in the server's own words.
    pub(super) config: Option<Spanned<BTreeMap<String, toml::Value>>>,
}

/// `[load]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadTable {
    pub(super) rate: Option<Spanned<i64>>,
    pub(super) size: Option<Spanned<String>>,
}

/// `[[step]]`: one verb and what it needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    Publish(Publish),
    Run(Spanned<String>),
    Kill(Kill),
    Stop(OnNode),
    Pause(OnNode),
    Resume(OnNode),
    Start(OnNode),
    AddNode(AddNode),
    PeerRemove(OnNode),
    #[serde(rename = "step_down")]
    LeaderStepsDown(OnStream),
    Unavailable(OnStreamWithin),
    Wait(Wait),
    NoReplacement(NoReplacement),
    Backup(Backup),
    DeleteStream(OnStreamWithin),
    Restore(Restore),
    Cut(Cut),
    Delay(Delay),
    Heal(Heal),
    Elect(Elect),
    Refuse(Refuse),
    FillDisk(OnNode),
    FreeDisk(OnNode),
    ReadOnly(OnNode),
    Writable(OnNode),
    StartFails(OnNode),
    LimitMemory(LimitMemory),
    Ends(Ends),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    pub(super) stream: Spanned<String>,
    pub(super) messages: Spanned<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {
    pub(super) node: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) wipe: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnNode {
    pub(super) node: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddNode {
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnStream {
    pub(super) stream: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnStreamWithin {
    pub(super) stream: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    pub(super) stream: Spanned<String>,
    pub(super) replicas: Spanned<i64>,
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoReplacement {
    pub(super) stream: Spanned<String>,
    #[serde(rename = "for")]
    pub(super) watched: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backup {
    pub(super) stream: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) name: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Restore {
    pub(super) backup: Spanned<String>,
}

/// One node or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a node, or an array of nodes")]
pub(super) enum Nodes {
    One(String),
    Several(Vec<String>),
}

/// The network between `node` and `from`, or between `node` and everybody else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    pub(super) node: Spanned<Nodes>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    pub(super) from: Option<Spanned<Nodes>>,
    pub(super) way: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) clients: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delay {
    pub(super) node: Spanned<Nodes>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    pub(super) from: Option<Spanned<Nodes>>,
    pub(super) by: Spanned<String>,
    #[serde(default)]
    pub(super) clients: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Heal {
    pub(super) node: Option<Spanned<Nodes>>,
    pub(super) from: Option<Spanned<Nodes>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Elect {
    pub(super) stream: Spanned<String>,
    pub(super) not: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refuse {
    pub(super) node: Spanned<String>,
    pub(super) stream: Spanned<String>,
    #[serde(rename = "for")]
    pub(super) watched: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitMemory {
    pub(super) node: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    pub(super) to: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ends {
    pub(super) node: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
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
}
