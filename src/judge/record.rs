//! The outcome of one run of a drill: what is written beside its ledger and told to people and tools.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::finding::Judgement;
use crate::model::{Expected, FindingKind, Verdict};

/// One run of one scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// The scenario.
    pub scenario: String,
    /// The promise it is about.
    pub promise: String,
    /// The digest of what the drill does.
    #[serde(default)]
    pub drill_digest: String,
    /// When it began (RFC 3339).
    #[serde(default)]
    pub began_at: String,
    /// The server's version.
    pub server: String,
    /// The server binary's SHA-256.
    pub server_sha256: String,
    /// Where the nodes ran.
    pub runtime: String,
    /// Every random choice followed from it.
    pub seed: u64,
    /// What was found.
    pub judgement: Judgement,
    /// What was to be expected of this server version.
    pub expected: Expected,
    /// How long the whole run took.
    pub elapsed_seconds: f64,
    /// The directory with ledger, logs and configurations.
    pub evidence: PathBuf,
}

impl RunRecord {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    /// Whether the verdict is the one to be expected.
    pub fn is_as_expected(&self) -> bool {
        self.expected.is_met_by(self.verdict(), &self.broken_by())
    }

    /// The kinds of findings that broke it, each once.
    pub fn broken_by(&self) -> Vec<FindingKind> {
        let findings = self.judgement.findings.iter();
        let broken = findings.filter(|finding| finding.verdict == Verdict::Broken);
        let kinds: BTreeSet<_> = broken.map(|finding| finding.kind).collect();
        kinds.into_iter().collect()
    }
}
