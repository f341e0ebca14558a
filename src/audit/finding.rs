//! What an audit finds.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Something is not as it was meant to be, and nothing is lost yet with one node.
    Warning,
    /// One node lost, and data is lost with it; or it can't be reached already.
    Critical,
}

/// What was found. The names are part of the output: they are only ever added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A stream that does not answer.
    StreamUnreachable,
    /// A stream whose group has no leader.
    NoLeader,
    /// A stream of one replica.
    R1Stream,
    /// A stream that is kept in memory.
    MemoryStream,
    /// Replicas that do not hold the same.
    ReplicasUnequal,
    /// A stream of two replicas.
    R2Stream,
    /// A group with fewer peers than it should have.
    UnderReplicated,
    /// A replica whose node is gone.
    ReplicaOffline,
    /// A replica that is not up to date.
    ReplicaBehind,
    /// A consumer of one replica, of a stream that has more.
    R1Consumer,
    /// A consumer whose position is kept in memory.
    MemoryConsumer,
    /// A consumer that does not answer.
    ConsumerUnreachable,
    /// A stream without a sealed backup.
    BackupMissing,
    /// A stream whose newest sealed backup is older than it may be.
    BackupStale,
    /// A backup that goes further than its stream.
    BackupAhead,
    /// A backup that is older than its stream.
    BackupOfEarlierStream,
    /// A sealed backup that lacks something the stream had.
    BackupIncomplete,
    /// A backup that nothing proves to be whole.
    BackupUnsealed,
    /// A backup that was interrupted, or is being made.
    BackupUnfinished,
    /// A sealed backup that is no longer what was sealed, or can't be read.
    BackupUnusable,
    /// What a restore replaced, saved then: a copy of a stream that was not to stay.
    BackupReplaced,
    /// A server that acknowledges before it writes to disk.
    SyncInterval,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// The stream, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The consumer, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// The node, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A sentence for people.
    pub detail: String,
}

impl Finding {
    pub(super) fn new(severity: Severity, kind: Kind, detail: String) -> Self {
        Self {
            severity,
            kind,
            stream: None,
            consumer: None,
            node: None,
            detail,
        }
    }

    pub(super) fn of(mut self, stream: &str) -> Self {
        self.stream = Some(stream.to_owned());
        self
    }

    pub(super) fn on(mut self, node: Option<&str>) -> Self {
        self.node = node.map(str::to_owned);
        self
    }

    pub(super) fn read_by(mut self, consumer: &str) -> Self {
        self.consumer = Some(consumer.to_owned());
        self
    }
}

impl Severity {
    /// The severity of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Note, Self::Warning, Self::Critical];
        all.into_iter().find(|one| one.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
