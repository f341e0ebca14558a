//! Runs as one JSON document. Keys are only ever added.

use serde_json::{Value, json};

use crate::judge::RunRecord;

/// An object whose `runs` holds one object a run.
pub fn runs_as_json(runs: &[RunRecord]) -> Value {
    json!({ "runs": runs.iter().map(run).collect::<Vec<_>>() })
}

fn run(run: &RunRecord) -> Value {
    let figures = &run.judgement.figures;
    json!({
        "scenario": run.scenario,
        "promise": run.promise,
        "server": run.server,
        "server_sha256": run.server_sha256,
        "runtime": run.runtime,
        "seed": run.seed,
        "verdict": run.verdict(),
        "expected": run.expected.verdict,
        "because": run.expected.because,
        "as_expected": run.is_as_expected(),
        "acknowledged": figures.acknowledged,
        "refused": figures.refused,
        "unknown": figures.unknown,
        "lost": figures.lost,
        "removed": figures.removed,
        "evicted": figures.evicted,
        "duplicated": figures.duplicated,
        "reordered": figures.reordered,
        "altered": figures.altered,
        "unexpected": figures.unexpected,
        "redelivered": figures.redelivered,
        "unread_streams": figures.unread,
        "recovery_seconds": figures.recovery_seconds,
        "recovery_point_messages": figures.lost,
        "write_outage_seconds": figures.write_outage_seconds,
        "elapsed_seconds": run.elapsed_seconds,
        "findings": run.judgement.findings,
        "evidence": run.evidence,
    })
}
