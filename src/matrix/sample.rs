//! A run as tests of this module need one.

use crate::judge::{Figures, Judgement, RunRecord};
use crate::model::{Expected, Verdict};

/// A run of the drill `drill`, which was to hold.
pub(super) fn run(server: &str, verdict: Verdict, recovery: f64) -> RunRecord {
    RunRecord {
        scenario: String::from("drill"),
        promise: String::from("M2"),
        drill_digest: String::new(),
        began_at: String::from("2026-01-01T00:00:00Z"),
        server: server.to_owned(),
        server_sha256: String::new(),
        runtime: String::from("process"),
        seed: 1,
        judgement: Judgement {
            verdict,
            findings: Vec::new(),
            figures: Figures {
                recovery_seconds: Some(recovery),
                ..Figures::default()
            },
        },
        expected: Expected {
            verdict: Verdict::Held,
            because: None,
            sometimes: false,
            findings: Vec::new(),
        },
        elapsed_seconds: 20.0,
        evidence: "runs/1".into(),
    }
}
