//! A scenario as it will run: nothing optional left that means "the default".

use std::fmt;
use std::time::Duration;

use semver::{Version, VersionReq};
use serde::Serialize;
use serde_json::Value;

use crate::ledger::LossScope;
use crate::model::{Expected, Verdict};

/// A drill, ready to run.
#[derive(Debug, Clone, Serialize)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The promise it is about, such as `M2`.
    pub promise: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// How many nodes the cluster starts with.
    pub nodes: usize,
    /// How often servers sync to disk; their own default when empty.
    pub sync_interval: Option<String>,
    /// How many bytes each node's disk has; as many as there are when nothing is said.
    pub disk_bytes: Option<u64>,
    /// The streams.
    pub streams: Vec<StreamSpec>,
    /// The load that runs through every step.
    pub load: Load,
    /// What happens.
    pub steps: Vec<Step>,
    /// What must be true.
    pub expect: Expectations,
}

/// A stream to make.
#[derive(Debug, Clone, Serialize)]
pub struct StreamSpec {
    /// Its name.
    pub name: String,
    /// The subject messages are published to.
    pub subject: String,
    /// Its durable consumers.
    pub consumers: Vec<String>,
    /// How many replicas hold it at the end.
    pub replicas: usize,
    /// Its whole configuration, as the server takes it.
    pub config: Value,
}

/// The load on every stream.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Load {
    /// Messages per second.
    pub rate: u32,
    /// Bytes of payload in a message.
    pub payload_bytes: usize,
}

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
            Self::MetaLeader => f.write_str("the meta leader"),
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
    fn without_clients(&self) -> Self {
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

/// One thing that happens.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields say what they are, as in the file")]
pub enum Step {
    /// Publish so many messages, beside the load, and have each acknowledged.
    Publish { stream: String, messages: u64 },
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
    PeerRemove { node: NodeChoice },
    /// Have a stream's leader step down.
    StepDown { stream: String },
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
    Backup { stream: String, name: String },
    /// Delete a stream, until it is really gone.
    DeleteStream { stream: String, within: Duration },
    /// Restore a stream from a backup of an earlier step.
    Restore { backup: String },
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
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish { stream, messages } => {
                write!(f, "publish {messages} messages to {stream}")
            }
            Self::Run { time } => write!(f, "let the load run for {time:?}"),
            Self::Kill {
                node, wipe: false, ..
            } => write!(f, "kill {node}"),
            Self::Kill {
                node, wipe: true, ..
            } => write!(f, "kill {node} and wipe its disk"),
            Self::Stop { node, .. } => write!(f, "stop {node}"),
            Self::Pause { node, .. } => write!(f, "pause {node}"),
            Self::Resume { node } => write!(f, "resume {node}"),
            Self::Start { node } => write!(f, "start {node}"),
            Self::AddNode { alias } => write!(f, "add a fresh node ({alias})"),
            Self::PeerRemove { node } => write!(f, "remove {node} from the meta group"),
            Self::StepDown { stream } => write!(f, "have the leader of {stream} step down"),
            Self::Unavailable { stream, .. } => write!(f, "see that {stream} takes no messages"),
            Self::Wait {
                stream, replicas, ..
            } => {
                write!(f, "wait for {replicas} whole replicas of {stream}")
            }
            Self::NoReplacement { stream, watched } => {
                write!(f, "see for {watched:?} that {stream} gets no new replica")
            }
            Self::Backup { stream, .. } => write!(f, "back {stream} up"),
            Self::DeleteStream { stream, .. } => write!(f, "delete {stream}"),
            Self::Restore { backup } => write!(f, "restore from backup `{backup}`"),
            Self::Cut { network, ways, .. } => match ways {
                Ways::Both => write!(f, "cut the network between {network}"),
                Ways::Out | Ways::In => write!(f, "cut the network between {network}, one way"),
            },
            Self::Delay { network, by, .. } => {
                write!(f, "delay the network between {network} by {by:?}")
            }
            Self::Heal { network: None } => f.write_str("heal the network"),
            Self::Heal {
                network: Some(network),
            } => write!(f, "heal the network between {}", network.without_clients()),
            Self::Elect { stream, not, .. } => {
                write!(f, "wait until another node than {not} leads {stream}")
            }
            Self::Refuse {
                node,
                stream,
                watched,
            } => write!(
                f,
                "see for {watched:?} that {node} takes nothing for {stream}"
            ),
            Self::FillDisk { node, .. } => write!(f, "fill the disk of {node}"),
            Self::FreeDisk { node } => write!(f, "free the disk of {node}"),
            Self::ReadOnly { node } => write!(f, "make the store of {node} read-only"),
            Self::Writable { node } => write!(f, "make the store of {node} writable"),
            Self::StartFails { node } => write!(f, "see that {node} does not start"),
            Self::LimitMemory {
                node,
                bytes: Some(bytes),
                ..
            } => write!(f, "limit the memory of {node} to {bytes} bytes"),
            Self::LimitMemory { node, .. } => write!(f, "limit the memory of {node} no longer"),
            Self::Ends { node, .. } => write!(f, "wait until the server of {node} ends"),
        }
    }
}

/// What must be true afterwards.
#[derive(Debug, Clone, Serialize)]
pub struct Expectations {
    /// Which acknowledged messages are gone.
    pub lost: LossScope,
    /// The longest recovery allowed, when there is to be one.
    pub recovery_time: Option<Duration>,
    /// The longest time without an acknowledged message allowed, when there is a limit.
    pub write_outage: Option<Duration>,
    /// Fewer acknowledged messages than this prove nothing.
    pub min_acknowledged: u64,
    /// Verdicts other than held, by server version.
    pub known: Vec<KnownVerdict>,
}

/// A verdict that is known for some server versions.
#[derive(Debug, Clone, Serialize)]
pub struct KnownVerdict {
    /// The versions.
    pub server: VersionReq,
    /// The verdict.
    pub verdict: Verdict,
    /// The known defect.
    pub because: String,
}

impl Expectations {
    /// The verdict to expect of a server version: held, unless a defect is known.
    pub fn verdict_for(&self, server: &Version) -> Expected {
        let known = self.known.iter().find(|known| known.server.matches(server));
        known.map_or(
            Expected {
                verdict: Verdict::Held,
                because: None,
            },
            |known| Expected {
                verdict: known.verdict,
                because: Some(known.because.clone()),
            },
        )
    }
}
