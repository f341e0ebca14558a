//! Steps of operators, beyond backups and taking nodes out: upgrades, purges, changes of a
//! configuration, rescues, whole clusters that end and begin.

use std::fmt;

use semver::Version;
use serde::Serialize;
use serde_json::{Map, Value};

use super::step::NodeChoice;

/// A key of encryption at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// The one that the store was written with.
    Own,
    /// Another.
    Another,
    /// None at all.
    None,
}

/// Something an operator does.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields say what they are, as in the file")]
pub enum OperatorStep {
    /// Start a node again with another server.
    Upgrade {
        node: NodeChoice,
        alias: String,
        to: Version,
    },
    /// Remove a stream's messages, all but the newest so many.
    Purge { stream: String, keep: u64 },
    /// Delete every n-th of a stream's messages.
    DeleteMessages { stream: String, every: u64 },
    /// Change a stream's configuration.
    Update {
        stream: String,
        config: Map<String, Value>,
        fails: bool,
    },
    /// Remove a node's replica from a stream's group.
    StreamPeerRemove {
        stream: String,
        node: NodeChoice,
        fails: bool,
    },
    /// Have a meta group without quorum take a smaller one.
    MetaRescue {
        node: NodeChoice,
        quorum: usize,
        fails: bool,
    },
    /// Have the meta leader step down.
    MetaStepDown,
    /// End all servers at once, and perhaps remove their disks.
    KillAll { wipe: bool },
    /// Start all servers that ended.
    StartAll,
    /// Save all configurations as files, and perhaps a stream's data.
    SaveConfig { name: String, data: Option<String> },
    /// Make what a saved configuration has and the servers lack.
    ApplyConfig { from: String },
    /// Give a node a name by which later steps know it: of followers and spares one that has none yet.
    NameNode { node: NodeChoice, alias: String },
    /// Have the recovery cluster take over.
    FailOver,
    /// Give ended servers another key of encryption at rest.
    Rekey { nodes: Vec<NodeChoice>, key: Key },
}

impl OperatorStep {
    /// Whether it breaks something.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::KillAll { .. } => true,
            Self::Upgrade { .. } | Self::Purge { .. } | Self::DeleteMessages { .. } => false,
            Self::Update { .. } | Self::StreamPeerRemove { .. } => false,
            Self::MetaRescue { .. } | Self::MetaStepDown | Self::StartAll => false,
            Self::FailOver | Self::Rekey { .. } | Self::NameNode { .. } => false,
            Self::SaveConfig { .. } | Self::ApplyConfig { .. } => false,
        }
    }

    /// Whether the servers are to refuse it.
    pub fn is_to_fail(&self) -> bool {
        match self {
            Self::Update { fails, .. }
            | Self::StreamPeerRemove { fails, .. }
            | Self::MetaRescue { fails, .. } => *fails,
            Self::Upgrade { .. } | Self::Purge { .. } | Self::DeleteMessages { .. } => false,
            Self::MetaStepDown | Self::KillAll { .. } | Self::StartAll => false,
            Self::FailOver | Self::Rekey { .. } | Self::NameNode { .. } => false,
            Self::SaveConfig { .. } | Self::ApplyConfig { .. } => false,
        }
    }
}

impl fmt::Display for OperatorStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgrade { node, to, .. } => write!(f, "start {node} with nats-server {to}"),
            Self::Purge { stream, keep: 0 } => write!(f, "purge {stream}"),
            Self::Purge { stream, keep } => write!(f, "purge {stream}, keeping {keep} messages"),
            Self::DeleteMessages { stream, every } => {
                write!(f, "delete one of {every} messages of {stream}")
            }
            Self::Update { stream, config, .. } => {
                let keys: Vec<_> = config.keys().map(String::as_str).collect();
                write!(f, "change {} of {stream}", keys.join(", "))
            }
            Self::StreamPeerRemove { stream, node, .. } => {
                write!(f, "remove {node} from the group of {stream}")
            }
            Self::MetaRescue { node, quorum, .. } => {
                write!(
                    f,
                    "have {node} rescue the meta group, with a quorum of {quorum}"
                )
            }
            Self::MetaStepDown => f.write_str("have the meta leader step down"),
            Self::KillAll { wipe: false } => f.write_str("kill all nodes"),
            Self::KillAll { wipe: true } => f.write_str("kill all nodes and wipe their disks"),
            Self::StartAll => f.write_str("start all nodes"),
            Self::SaveConfig { name, data } => {
                write!(f, "save the configurations as `{name}`")?;
                data.as_ref()
                    .map_or(Ok(()), |stream| write!(f, ", with the data of {stream}"))
            }
            Self::ApplyConfig { from } => write!(f, "apply the configurations of `{from}`"),
            Self::NameNode { node, alias } => write!(f, "call {node} {alias}"),
            Self::FailOver => f.write_str("have the recovery cluster take over"),
            Self::Rekey { nodes, key } => {
                let names: Vec<_> = nodes.iter().map(ToString::to_string).collect();
                let key = match key {
                    Key::Own => "its own key",
                    Key::Another => "another key",
                    Key::None => "no key",
                };
                write!(f, "have {} start with {key}", names.join(", "))
            }
        }
    }
}
