//! Everything worth remembering of a drill: one closed enumeration.

use serde::{Deserialize, Serialize};

use super::bucket::{BucketObject, BucketValue};
use super::fault::FaultKind;
use super::observation::Observation;
use crate::model::{ConsumerPosition, Digest, Fingerprint};

/// An event, and when it was written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// Microseconds since the drill began.
    pub at_us: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// How a publish ended. A publish that got no answer may or may not have been stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishOutcome {
    /// The stream said that it has it.
    Acknowledged {
        /// At this sequence.
        sequence: u64,
    },
    /// The stream said that it does not take it, or nobody listened.
    Refused {
        /// The server's words.
        reason: String,
    },
    /// No answer.
    Unknown {
        /// What happened instead.
        reason: String,
    },
}

/// How acknowledging a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AckOutcome {
    /// The consumer confirmed it.
    Confirmed,
    /// No confirmation came.
    Unknown,
}

/// Which acknowledged messages a scenario says are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossScope {
    /// None.
    Nothing,
    /// All that were acknowledged after the backup and before the restore, and no others.
    AfterBackup,
    /// All that were acknowledged after the disks were copied and before they were put back, and
    /// no others.
    AfterCopy,
    /// All that were acknowledged before the fault, and no others.
    BeforeFault,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepEnd {
    /// As it should.
    Done,
    /// A promise was not kept: what should have happened did not, in the time it had.
    Broken {
        /// What was awaited and what was seen.
        reason: String,
    },
    /// It could not be carried out, which says nothing about the promise.
    Impossible {
        /// Why.
        reason: String,
    },
    /// It could not be carried out, and whoever asked for it went on otherwise: it is no part of
    /// what is judged.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The drill began.
    Began {
        /// The scenario's name.
        scenario: String,
        /// The server's version.
        server: String,
        /// The server binary's SHA-256.
        server_sha256: String,
        /// Where the nodes run.
        runtime: String,
        /// Every random choice of the drill follows from it.
        seed: u64,
        /// Wall clock, RFC 3339.
        at: String,
    },
    /// The cluster is up, the streams and consumers are there.
    Ready,
    /// The continuous load began.
    LoadBegan,
    /// No more messages are published.
    LoadEnded,
    /// A step began.
    StepBegan {
        /// Its number in the scenario, from 1.
        number: usize,
        /// What it is, in words.
        text: String,
    },
    /// A step ended.
    StepEnded {
        /// Its number in the scenario, from 1.
        number: usize,
        /// How.
        end: StepEnd,
    },
    /// A fault is about to be injected.
    FaultBegan {
        /// What.
        fault: FaultKind,
        /// The node it hits.
        node: String,
    },
    /// The fault has been injected.
    FaultDone {
        /// The node it hit.
        node: String,
    },
    /// A stream is whole again.
    Recovered {
        /// The stream.
        stream: String,
    },
    /// A message was sent.
    Sent {
        /// Its stream.
        stream: String,
        /// Its message id.
        id: String,
        /// Its subject.
        subject: String,
        /// Digest of its headers.
        headers: Digest,
        /// Digest of its payload.
        payload: Digest,
    },
    /// A publish ended.
    Published {
        /// The stream.
        stream: String,
        /// The message id.
        id: String,
        /// How.
        outcome: PublishOutcome,
    },
    /// A consumer was given a message.
    Delivered {
        /// The stream.
        stream: String,
        /// The consumer.
        consumer: String,
        /// How often this consumer has been given it, as the server counts.
        attempt: u64,
        /// The message.
        message: Fingerprint,
    },
    /// A delivery was acknowledged.
    Acked {
        /// The stream.
        stream: String,
        /// The consumer.
        consumer: String,
        /// The message id.
        id: String,
        /// How that ended.
        outcome: AckOutcome,
    },
    /// A stream was backed up.
    BackedUp {
        /// The stream.
        stream: String,
        /// The backup's name in the scenario.
        backup: String,
        /// How many messages it holds.
        messages: u64,
        /// The last sequence it holds.
        last_sequence: u64,
        /// Where its consumers stand.
        consumers: Vec<ConsumerPosition>,
    },
    /// A stream is about to be deleted.
    Deleting {
        /// The stream.
        stream: String,
    },
    /// A stream is about to be restored from a backup: its consumers may deliver from now on.
    Restoring {
        /// The stream.
        stream: String,
        /// The backup's name in the scenario.
        backup: String,
    },
    /// A stream was restored from a backup, and its content compared.
    Restored {
        /// The stream.
        stream: String,
        /// The backup's name in the scenario.
        backup: String,
    },
    /// Nodes' disks are about to be copied.
    Copying {
        /// The copy's name in the scenario.
        copy: String,
        /// The nodes.
        nodes: Vec<String>,
    },
    /// Nodes' disks were copied, and their servers run on.
    Copied {
        /// The copy's name in the scenario.
        copy: String,
    },
    /// Nodes' disks are about to be put back as they were.
    RollingBack {
        /// The copy's name in the scenario.
        copy: String,
        /// The nodes.
        nodes: Vec<String>,
    },
    /// A stream was purged.
    Purged {
        /// The stream.
        stream: String,
        /// Everything that it had below this sequence is gone.
        below: u64,
    },
    /// Messages of a stream were deleted one by one.
    Removed {
        /// The stream.
        stream: String,
        /// Their sequences.
        sequences: Vec<u64>,
    },
    /// Where a consumer stands at the end, as the server says.
    Position {
        /// The stream.
        stream: String,
        /// Its position.
        position: ConsumerPosition,
        /// Messages it has yet to deliver.
        undelivered: u64,
    },
    /// A message that a replica holds.
    Held {
        /// The stream.
        stream: String,
        /// The node.
        node: String,
        /// The message.
        message: Fingerprint,
    },
    /// A replica's messages have all been written down.
    ReplicaRead {
        /// The stream.
        stream: String,
        /// The node.
        node: String,
        /// How many messages it holds.
        messages: u64,
        /// What is wrong with its store.
        defects: Vec<String>,
    },
    /// What a replica holds by its own server's word: it can't be read from its disk.
    ReplicaCounted {
        /// The stream.
        stream: String,
        /// The node.
        node: String,
        /// How many messages.
        messages: u64,
        /// The first sequence.
        first_sequence: u64,
        /// The last sequence.
        last_sequence: u64,
    },
    /// Where a stream begins and ends at the end of the drill, as its leader says.
    Bounds {
        /// The stream.
        stream: String,
        /// The first sequence.
        first_sequence: u64,
        /// The last sequence.
        last_sequence: u64,
    },
    /// The servers say that there is no such stream any more.
    StreamGone {
        /// The stream.
        stream: String,
    },
    /// A replica could not be read.
    ReplicaUnreadable {
        /// The stream.
        stream: String,
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
    /// A bucket is about to be read: what was acknowledged before has to be seen.
    ReadingBucket {
        /// The stream that it is.
        stream: String,
    },
    /// Every key of a bucket was read by a client.
    BucketRead {
        /// The stream that it is.
        stream: String,
        /// The value of each key.
        values: Vec<BucketValue>,
    },
    /// An object was put into a bucket.
    ObjectPut {
        /// The stream that it is.
        stream: String,
        /// The object's name.
        name: String,
        /// Digest of its content.
        content: Digest,
    },
    /// Every object of a bucket was read by a client.
    ObjectsRead {
        /// The stream that it is.
        stream: String,
        /// The objects.
        objects: Vec<BucketObject>,
    },
    /// A look at every node; no judge uses it. It holds until the next.
    Observed {
        /// What was seen.
        seen: Observation,
    },
    /// Something worth telling that no judge uses.
    Noted {
        /// What.
        text: String,
    },
    /// A server ended by itself, in a panic.
    ServerPanicked {
        /// The node.
        node: String,
        /// What it said.
        text: String,
    },
    /// The drill could not go on.
    Aborted {
        /// Why.
        reason: String,
    },
}

impl Event {
    /// Whether it comes once per message: such events are written down in batches.
    pub fn is_frequent(&self) -> bool {
        matches!(
            self,
            Self::Sent { .. }
                | Self::Published { .. }
                | Self::Delivered { .. }
                | Self::Acked { .. }
                | Self::Held { .. }
        )
    }
}
