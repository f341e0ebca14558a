//! A rehearsal as it is kept: `rehearsal.json` in the directory of its run.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{self, Check};
use super::error::RehearsalError;
use super::live::Live;
use crate::evidence::write_json;
use crate::model::Verdict;

/// The version of the record's format.
pub(super) const FORMAT: u32 = 1;

/// A rehearsal and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rehearsal {
    /// Version of this format.
    pub format: u32,
    /// The backup.
    pub backup: PathBuf,
    /// Whether it is of a whole account, or of one stream.
    pub of_account: bool,
    /// When the oldest of its streams was taken, RFC 3339, where the backup tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
    /// Version of the server it was taken from, where the backup tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// Version of the server it was restored on.
    pub server: String,
    /// SHA-256 of that server's binary.
    pub server_sha256: String,
    /// Where the servers ran.
    pub runtime: String,
    /// The nodes of the throwaway cluster.
    pub nodes: usize,
    /// When the rehearsal began, RFC 3339.
    pub began_at: String,
    /// What was rehearsed of the backup, when it was not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleRecord>,
    /// What the live system had when its backup was complete, where the backup was taken for this rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
    /// The conclusion.
    pub verdict: Verdict,
    /// The checks of the whole.
    pub checks: Vec<Check>,
    /// The streams, by name.
    pub streams: Vec<StreamRehearsal>,
    /// From the first stream's reading until every stream was restored and compared; none where one
    /// was not.
    pub recovery_seconds: Option<f64>,
    /// How long everything took, with the start of the cluster.
    pub elapsed_seconds: f64,
    /// The directory of the run.
    pub evidence: PathBuf,
}

/// A part of a backup that was rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SampleRecord {
    /// Streams that were chosen.
    pub streams: usize,
    /// Streams that there were.
    pub of_streams: usize,
    /// Bytes of their archives.
    pub bytes: u64,
    /// Bytes of all archives.
    pub of_bytes: u64,
    /// The number that the choice follows from; the same one chooses the same streams.
    pub seed: u64,
    /// The streams that were left out.
    pub left_out: Vec<String>,
}

/// One stream's rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamRehearsal {
    /// The stream.
    pub stream: String,
    /// The conclusion.
    pub verdict: Verdict,
    /// Whether it was restored and compared: what fails is deleted again.
    pub came_back: bool,
    /// Its checks.
    pub checks: Vec<Check>,
    /// Its replicas, as it was restored.
    pub replicas: u64,
    /// Messages in the backup.
    pub messages: u64,
    /// The last sequence that the stream had used.
    pub last_sequence: u64,
    /// What they take in the stream.
    pub bytes: u64,
    /// Consumers in the backup.
    pub consumers: usize,
    /// From its reading until it was restored and compared.
    pub recovery_seconds: f64,
    /// The same in parts.
    pub timing: Timing,
    /// What is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// How long the parts of a restore took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// Reading and checking the backup, and planning.
    pub reading_seconds: f64,
    /// Sending it, and the server's loading it.
    pub sending_seconds: f64,
    /// Comparing it on every replica.
    pub comparing_seconds: f64,
}

impl Rehearsal {
    /// Every check, with the stream it is of, if it is of one.
    pub fn all_checks(&self) -> impl Iterator<Item = (Option<&str>, &Check)> {
        let whole = self.checks.iter().map(|check| (None, check));
        let streams = self.streams.iter().flat_map(|one| {
            let name = Some(one.stream.as_str());
            one.checks.iter().map(move |check| (name, check))
        });
        whole.chain(streams)
    }

    /// Writes it into its run's directory.
    ///
    /// # Errors
    /// [`RehearsalError::Evidence`].
    pub fn write(&self) -> Result<(), RehearsalError> {
        let path = self.evidence.join("rehearsal.json");
        write_json(&path, self).map_err(RehearsalError::evidence(&path))
    }

    /// Draws the conclusion from all checks.
    pub(super) fn conclude(&mut self) {
        self.verdict = check::verdict(self.all_checks().map(|(_, check)| check));
    }
}
