//! What judges find, and the figures they measure on the way.

use serde::{Deserialize, Serialize};

use crate::model::Verdict;

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Acknowledged messages are gone: everything up to some point.
    LostHead,
    /// Acknowledged messages are gone from the middle.
    LostHole,
    /// Acknowledged messages are gone: everything after some point.
    LostTail,
    /// A replica lacks messages that others have.
    ReplicaLacks,
    /// Replicas hold different things.
    ReplicasDiffer,
    /// Not as many replicas as there should be.
    ReplicaCount,
    /// A mirror, or a stream with sources, lacks what its origin holds.
    OriginHoldsMore,
    /// A replica's store is damaged.
    Damaged,
    /// A message is stored twice.
    Duplicated,
    /// A message is stored at another sequence than was acknowledged.
    Reordered,
    /// A message's subject, headers, payload or time are not what they were.
    Altered,
    /// A message that was refused, never sent, or should be gone.
    Unexpected,
    /// A client reads something else from a bucket than what was acknowledged last.
    ReadWrong,
    /// An acknowledged message was delivered again.
    Redelivered,
    /// A message that is stored was never delivered.
    Skipped,
    /// A consumer stands where it should not.
    Position,
    /// Recovery, or the time without writes, took longer than allowed.
    TooSlow,
    /// A step did not do in its time what it should.
    StepFailed,
    /// A step, or the whole drill, could not be carried out.
    NotCarriedOut,
    /// Something could not be checked.
    NotChecked,
}

/// Something that was found, and what it does to the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// `broken`, or `inconclusive` when it only keeps something from being told.
    pub verdict: Verdict,
    /// What exactly, with figures and an example.
    pub text: String,
}

impl Finding {
    pub(super) fn broken(kind: FindingKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            verdict: Verdict::Broken,
            text: text.into(),
        }
    }

    pub(super) fn inconclusive(kind: FindingKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            verdict: Verdict::Inconclusive,
            text: text.into(),
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Messages that the streams acknowledged.
    pub acknowledged: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages whose fate was not told.
    pub unknown: u64,
    /// Acknowledged messages that no replica holds.
    pub lost: u64,
    /// Acknowledged messages that an operator removed.
    #[serde(default)]
    pub removed: u64,
    /// Acknowledged messages that made room, grew too old, or were consumed, as the stream's
    /// configuration says.
    #[serde(default)]
    pub evicted: u64,
    /// Acknowledged messages that a mirror still holds and its origin no longer.
    #[serde(default)]
    pub ahead: u64,
    /// Acknowledged messages that an origin holds and its mirror does not.
    #[serde(default)]
    pub behind: u64,
    /// Messages stored more than once on a replica.
    pub duplicated: u64,
    /// Messages stored at another sequence than was acknowledged.
    pub reordered: u64,
    /// Messages whose content is not what was sent.
    pub altered: u64,
    /// Messages that should not be there.
    pub unexpected: u64,
    /// Deliveries of messages whose acknowledgement had been confirmed.
    pub redelivered: u64,
    /// Streams of which no replica could be read: what they lost is not known.
    pub unread: u64,
    /// From the first fault until the stream was whole again.
    pub recovery_seconds: Option<f64>,
    /// The longest time in which no message was acknowledged.
    pub write_outage_seconds: Option<f64>,
}

/// The result of judging a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Everything found, worst first.
    pub findings: Vec<Finding>,
    /// What was measured.
    pub figures: Figures,
}

impl Judgement {
    /// Broken when anything is; else inconclusive when anything could not be told; else held.
    pub(super) fn new(mut findings: Vec<Finding>, figures: Figures) -> Self {
        findings.sort_by_key(|finding| (finding.verdict != Verdict::Broken, finding.kind));
        let verdict = findings
            .first()
            .map_or(Verdict::Held, |worst| worst.verdict);
        Self {
            verdict,
            findings,
            figures,
        }
    }
}
