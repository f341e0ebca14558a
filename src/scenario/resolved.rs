//! A scenario as it will run: nothing optional left that means "the default".

use std::time::Duration;

use semver::{Version, VersionReq};
use serde::Serialize;
use serde_json::Value;

use super::cluster_spec::ClusterSpec;
use super::step::Step;
use crate::ledger::LossScope;
use crate::model::{Expected, Feed, FindingKind, Keeping, Verdict};

/// A drill, ready to run.
#[derive(Debug, Clone, Serialize)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The promise it is about, such as `M2`.
    pub promise: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// The server versions on which it makes sense: all, when nothing is said.
    pub servers: Option<VersionReq>,
    /// The cluster it begins with.
    pub cluster: ClusterSpec,
    /// The cluster that stands by, empty, until a step has it take over.
    pub recovery_cluster: Option<ClusterSpec>,
    /// The streams.
    pub streams: Vec<StreamSpec>,
    /// The load that runs through every step.
    pub load: Load,
    /// What happens.
    pub steps: Vec<Step>,
    /// What must be true.
    pub expect: Expectations,
}

impl Scenario {
    /// The clusters that run, the one that stands by included.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterSpec> {
        std::iter::once(&self.cluster).chain(&self.recovery_cluster)
    }

    /// Whether it makes sense on a server version. A pre-release is taken for its release.
    pub fn applies_to(&self, server: &Version) -> bool {
        let release = Version::new(server.major, server.minor, server.patch);
        self.servers
            .as_ref()
            .is_none_or(|servers| servers.matches(&release))
    }
}

/// A stream to make.
#[derive(Debug, Clone, Serialize)]
pub struct StreamSpec {
    /// Its name.
    pub name: String,
    /// Where its messages come from.
    pub feed: Feed,
    /// The subject messages are published to, or what the subject of each key begins with.
    pub subject: String,
    /// How many subjects messages are published to in turn, when it is more than the one.
    pub keys: Option<u64>,
    /// Its durable consumers.
    pub consumers: Vec<String>,
    /// Durable consumers that nobody asks for messages: whoever they are of is away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub idle_consumers: Vec<String>,
    /// How many replicas its consumers have, where not as many as the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_replicas: Option<usize>,
    /// How many replicas hold it at the end.
    pub replicas: usize,
    /// What it drops by itself, by its configuration or one that it gets later.
    pub keeping: Keeping,
    /// Whether it is kept in memory.
    pub in_memory: bool,
    /// Its whole configuration, as the server takes it.
    pub config: Value,
}

impl StreamSpec {
    /// The subject of the load's n-th message.
    pub fn subject_of(&self, number: u64) -> String {
        match self.keys {
            None => self.subject.clone(),
            Some(keys) => format!("{}{}", self.subject, number % keys),
        }
    }
}

/// The load on every stream.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Load {
    /// Messages per second; with none, only steps publish.
    pub rate: u32,
    /// Bytes of payload in a message.
    pub payload_bytes: usize,
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
    /// Whether it shows in some runs only, and the drill holds in the others.
    pub sometimes: bool,
    /// What kinds of findings it shows itself by; any when there is none.
    pub findings: Vec<FindingKind>,
}

impl Expectations {
    /// The verdict to expect of a server version: held, unless a defect is known.
    pub fn verdict_for(&self, server: &Version) -> Expected {
        // A release candidate is expected to be what the release will be.
        let release = Version::new(server.major, server.minor, server.patch);
        let known = self.known.iter();
        let known = known.clone().find(|known| known.server.matches(&release));
        known.map_or(
            Expected {
                verdict: Verdict::Held,
                because: None,
                sometimes: false,
                findings: Vec::new(),
            },
            |known| Expected {
                verdict: known.verdict,
                because: Some(known.because.clone()),
                sometimes: known.sometimes,
                findings: known.findings.clone(),
            },
        )
    }
}
