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
}

impl Step {
    /// Whether it breaks something.
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Kill { .. } | Self::Stop { .. } | Self::Pause { .. }
        )
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
