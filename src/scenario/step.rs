//! The steps of a drill as they will be carried out, every name checked.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::bucket_step::BucketStep;
use super::disk_step::DiskStep;
use super::operator_step::OperatorStep;
use super::transfer_step::TransferStep;

/// Which node a step is about; decided when the step comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeChoice {
    /// The node of that name.
    Named(String),
    /// The node an earlier step chose and named.
    Alias(String),
    /// The stream's leader.
    LeaderOf(String),
    /// A follower of the stream: by name the first that does not lead the meta group.
    FollowerOf(String),
    /// A running node that holds no replica of the stream.
    SpareOf(String),
    /// The node whose word counts for a consumer of the stream: the only one that knows it, of one replica.
    ConsumerOf {
        /// The stream.
        stream: String,
        /// The consumer.
        consumer: String,
    },
    /// The meta group's leader.
    MetaLeader,
}

impl fmt::Display for NodeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) | Self::Alias(name) => f.write_str(name),
            Self::LeaderOf(stream) => write!(f, "the leader of {stream}"),
            Self::FollowerOf(stream) => write!(f, "a follower of {stream}"),
            Self::SpareOf(stream) => write!(f, "a spare of {stream}"),
            Self::ConsumerOf { stream, consumer } => {
                write!(f, "the node of {stream}'s consumer {consumer}")
            }
            Self::MetaLeader => f.write_str("the meta leader"),
        }
    }
}

/// So many of the first messages can be published again.
pub const MOST_AGAIN: usize = 10_000;

/// Messages that a step publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// How many.
    pub messages: u64,
    /// Whether they are those that were acknowledged first, which the stream has.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = self.messages;
        match self.again {
            false => write!(f, "{messages} messages"),
            true => write!(f, "the first {messages} messages again"),
        }
    }
}

/// Which part of the network a step is about: that between two sets of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkPart {
    /// One set.
    pub nodes: Vec<NodeChoice>,
    /// The other; everybody else when empty.
    pub from: Vec<NodeChoice>,
    /// Whether the clients of the first set are concerned as well.
    pub clients: bool,
}

impl NetworkPart {
    /// The same between the nodes only, for what always concerns the clients and need not say so.
    pub(super) fn without_clients(&self) -> Self {
        Self {
            clients: false,
            ..self.clone()
        }
    }
}

impl fmt::Display for NetworkPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[NodeChoice]| {
            let names: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            names.join(", ")
        };
        f.write_str(&list(&self.nodes))?;
        match &*self.from {
            [] => f.write_str(" and all other nodes")?,
            from => write!(f, " and {}", list(from))?,
        }
        f.write_str(if self.clients {
            ", its clients too"
        } else {
            ""
        })
    }
}

/// In which directions nothing passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ways {
    /// In both.
    Both,
    /// What the first set sends is lost.
    Out,
    /// What is sent to the first set is lost.
    In,
}

/// What a restore does otherwise than the backup says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RestoreChanges {
    /// Another number of replicas.
    pub replicas: Option<usize>,
    /// Other fields of the configuration.
    pub config: Map<String, Value>,
    /// Whether it takes the place of a stream that exists.
    pub replace: bool,
}

impl fmt::Display for RestoreChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.replace {
            f.write_str(" in the stream's place")?;
        }
        if let Some(replicas) = self.replicas {
            write!(f, ", with {replicas} replicas")?;
        }
        let fields: Vec<_> = self.config.keys().map(String::as_str).collect();
        if !fields.is_empty() {
            write!(f, ", with another {}", fields.join(", "))?;
        }
        Ok(())
    }
}

/// One thing that happens.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields say what they are, as in the file")]
pub enum Step {
    /// Publish so many messages, beside the load, and have each acknowledged.
    Publish {
        stream: String,
        #[serde(flatten)]
        batch: Batch,
    },
    /// Let the load run.
    Run { time: Duration },
    /// End a server at once, and perhaps remove its disk.
    Kill {
        node: NodeChoice,
        alias: String,
        wipe: bool,
    },
    /// Stop a server in good order.
    Stop { node: NodeChoice, alias: String },
    /// Freeze a server.
    Pause { node: NodeChoice, alias: String },
    /// Let a frozen server run on.
    Resume { node: NodeChoice },
    /// Start a server that ended.
    Start { node: NodeChoice },
    /// Add a fresh node.
    AddNode { alias: String },
    /// Remove a node from the meta group.
    PeerRemove { node: NodeChoice, fails: bool },
    /// Have a stream's leader step down, perhaps again and again until some node leads.
    StepDown {
        stream: String,
        to: Option<NodeChoice>,
    },
    /// Wait until a stream takes no more messages.
    Unavailable { stream: String, within: Duration },
    /// Wait until a stream has so many replicas that hold all of it.
    Wait {
        stream: String,
        replicas: usize,
        within: Duration,
    },
    /// Watch that no node becomes a new replica of a stream.
    NoReplacement { stream: String, watched: Duration },
    /// Back a stream up.
    Backup {
        stream: String,
        name: String,
        /// Consumers that it can't have, and says so.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        lacks: Vec<String>,
        fails: bool,
    },
    /// Delete a stream, until it is really gone.
    DeleteStream {
        stream: String,
        within: Duration,
        fails: bool,
    },
    /// Restore a stream from a backup of an earlier step.
    Restore {
        backup: String,
        changes: RestoreChanges,
        fails: bool,
    },
    /// Cut the network between nodes.
    Cut {
        network: NetworkPart,
        alias: Option<String>,
        ways: Ways,
    },
    /// Have everything between nodes arrive later.
    Delay {
        network: NetworkPart,
        alias: Option<String>,
        by: Duration,
    },
    /// Heal part of the network, or all of it.
    Heal { network: Option<NetworkPart> },
    /// Wait until another node than this one leads a stream.
    Elect {
        stream: String,
        not: NodeChoice,
        within: Duration,
    },
    /// Watch that a node takes no messages of its clients.
    Refuse {
        node: NodeChoice,
        stream: String,
        watched: Duration,
    },
    /// Fill a node's disk.
    FillDisk { node: NodeChoice, alias: String },
    /// Give a node the space on its disk back.
    FreeDisk { node: NodeChoice },
    /// Have an ended server find its store read-only.
    ReadOnly { node: NodeChoice },
    /// Have an ended server find its store writable again.
    Writable { node: NodeChoice },
    /// See that an ended server does not start.
    StartFails { node: NodeChoice },
    /// Limit a node's memory, or no longer.
    LimitMemory {
        node: NodeChoice,
        alias: String,
        bytes: Option<u64>,
    },
    /// Wait until a server ends by itself.
    Ends { node: NodeChoice, within: Duration },
    /// Something done to disks, or with them.
    Disk(DiskStep),
    /// Something else an operator does.
    Operator(OperatorStep),
    /// A backup or restore that runs beside the steps.
    Transfer(TransferStep),
    /// Something done with a bucket.
    Bucket(BucketStep),
}

impl Step {
    /// Whether it breaks something.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Kill { .. } | Self::Stop { .. } | Self::Pause { .. } => true,
            Self::Cut { .. } | Self::Delay { .. } | Self::FillDisk { .. } => true,
            Self::ReadOnly { .. } => true,
            Self::LimitMemory { bytes, .. } => bytes.is_some(),
            Self::Publish { .. } | Self::Run { .. } | Self::Resume { .. } => false,
            Self::Start { .. } | Self::AddNode { .. } | Self::PeerRemove { .. } => false,
            Self::StepDown { .. } | Self::Unavailable { .. } | Self::Wait { .. } => false,
            Self::NoReplacement { .. } | Self::Backup { .. } | Self::DeleteStream { .. } => false,
            Self::Restore { .. } | Self::Heal { .. } | Self::Elect { .. } => false,
            Self::Refuse { .. } | Self::FreeDisk { .. } | Self::Writable { .. } => false,
            Self::StartFails { .. } | Self::Ends { .. } => false,
            Self::Disk(step) => step.is_fault(),
            Self::Operator(step) => step.is_fault(),
            Self::Transfer(_) | Self::Bucket(_) => false,
        }
    }

    /// Whether the servers are to refuse it.
    pub fn is_to_fail(&self) -> bool {
        match self {
            Self::PeerRemove { fails, .. }
            | Self::Backup { fails, .. }
            | Self::DeleteStream { fails, .. }
            | Self::Restore { fails, .. } => *fails,
            Self::Operator(step) => step.is_to_fail(),
            Self::Transfer(step) => step.is_to_fail(),
            Self::Kill { .. } | Self::Stop { .. } | Self::Pause { .. } => false,
            Self::Cut { .. } | Self::Delay { .. } | Self::FillDisk { .. } => false,
            Self::ReadOnly { .. } | Self::LimitMemory { .. } | Self::Publish { .. } => false,
            Self::Run { .. } | Self::Resume { .. } | Self::Start { .. } => false,
            Self::AddNode { .. } | Self::StepDown { .. } | Self::Unavailable { .. } => false,
            Self::Wait { .. } | Self::NoReplacement { .. } | Self::Heal { .. } => false,
            Self::Elect { .. } | Self::Refuse { .. } | Self::FreeDisk { .. } => false,
            Self::Writable { .. } | Self::StartFails { .. } | Self::Ends { .. } => false,
            Self::Disk(_) | Self::Bucket(_) => false,
        }
    }
}
