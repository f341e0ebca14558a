//! What judges find, and the figures they measure on the way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::model::FindingKind;
use crate::model::Verdict;

/// Something that was found, and what it does to the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
