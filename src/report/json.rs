//! Runs as one JSON document. Keys are only ever added.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::judge::{Finding, RunRecord};
use crate::model::Verdict;

/// What `drill run --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunsDocument {
    /// The runs, in the order in which they were asked for.
    pub runs: Vec<RunDocument>,
}

/// One run of a drill.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunDocument {
    /// The scenario.
    pub scenario: String,
    /// The promise it is about.
    pub promise: String,
    /// The server's version.
    pub server: String,
    /// The server binary's SHA-256.
    pub server_sha256: String,
    /// Where the nodes ran: `process` or `container`.
    pub runtime: String,
    /// Every random choice followed from it.
    pub seed: u64,
    /// What it showed.
    pub verdict: Verdict,
    /// What was to be expected of this server version.
    pub expected: Verdict,
    /// The known defect that explains an expected verdict other than `held`.
    pub because: Option<String>,
    /// Whether the verdict is the one to be expected, for the reason that is known.
    pub as_expected: bool,
    /// Messages that the streams acknowledged.
    pub acknowledged: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages whose fate was not told.
    pub unknown: u64,
    /// Acknowledged messages that no replica holds.
    pub lost: u64,
    /// Acknowledged messages that an operator removed.
    pub removed: u64,
    /// Acknowledged messages that went as the stream's configuration says.
    pub evicted: u64,
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
    pub unread_streams: u64,
    /// From the first fault until the stream was whole again.
    pub recovery_seconds: Option<f64>,
    /// The same as `lost`, by the name that operators know.
    pub recovery_point_messages: u64,
    /// The longest time in which no message was acknowledged.
    pub write_outage_seconds: Option<f64>,
    /// How long the whole run took.
    pub elapsed_seconds: f64,
    /// Everything found, worst first.
    pub findings: Vec<Finding>,
    /// The directory with ledger, logs and configurations.
    pub evidence: PathBuf,
}

/// Runs as the document that is printed.
pub fn runs_as_json(runs: &[RunRecord]) -> RunsDocument {
    RunsDocument {
        runs: runs.iter().map(run).collect(),
    }
}

fn run(run: &RunRecord) -> RunDocument {
    let figures = &run.judgement.figures;
    RunDocument {
        scenario: run.scenario.clone(),
        promise: run.promise.clone(),
        server: run.server.clone(),
        server_sha256: run.server_sha256.clone(),
        runtime: run.runtime.clone(),
        seed: run.seed,
        verdict: run.verdict(),
        expected: run.expected.verdict,
        because: run.expected.because.clone(),
        as_expected: run.is_as_expected(),
        acknowledged: figures.acknowledged,
        refused: figures.refused,
        unknown: figures.unknown,
        lost: figures.lost,
        removed: figures.removed,
        evicted: figures.evicted,
        duplicated: figures.duplicated,
        reordered: figures.reordered,
        altered: figures.altered,
        unexpected: figures.unexpected,
        redelivered: figures.redelivered,
        unread_streams: figures.unread,
        recovery_seconds: figures.recovery_seconds,
        recovery_point_messages: figures.lost,
        write_outage_seconds: figures.write_outage_seconds,
        elapsed_seconds: run.elapsed_seconds,
        findings: run.judgement.findings.clone(),
        evidence: run.evidence.clone(),
    }
}
