//! Whether a run's verdict is what its ledger says: the judges are asked again.

use super::evidence::RunEvidence;
use crate::drill::rules;
use crate::judge::{Figures, judge};

/// Times that differ by less are the same: they were written with fewer digits.
const SAME_SECONDS: f64 = 1e-6;

/// Every figure in which the stored verdict is not what the ledger says.
pub(super) fn differences(run: &RunEvidence) -> Vec<String> {
    let (Some(record), Some(scenario)) = (&run.record, &run.scenario) else {
        return Vec::new();
    };
    let again = judge(&rules(scenario), &run.events);
    let stored = &record.judgement;
    let mut differences = Vec::new();
    if stored.verdict != again.verdict {
        differences.push(difference("the verdict", &stored.verdict, &again.verdict));
    }
    let counts = counts(&stored.figures)
        .into_iter()
        .zip(counts(&again.figures));
    for ((name, then), (_, now)) in counts {
        if then != now {
            differences.push(difference(name, &then, &now));
        }
    }
    let times = times(&stored.figures)
        .into_iter()
        .zip(times(&again.figures));
    for ((name, then), (_, now)) in times {
        let is_same = match (then, now) {
            (Some(then), Some(now)) => (then - now).abs() < SAME_SECONDS,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_same {
            let told = |time: Option<f64>| {
                time.map_or_else(|| String::from("none"), |time| format!("{time} s"))
            };
            differences.push(difference(name, &told(then), &told(now)));
        }
    }
    differences
}

fn difference(what: &str, stored: &impl ToString, again: &impl ToString) -> String {
    format!(
        "verdict.json and the ledger differ: {what} is {} in the one, and {} by the other",
        stored.to_string(),
        again.to_string()
    )
}

fn counts(figures: &Figures) -> [(&'static str, u64); 13] {
    [
        ("acknowledged", figures.acknowledged),
        ("refused", figures.refused),
        ("unknown fate", figures.unknown),
        ("lost", figures.lost),
        ("removed by operators", figures.removed),
        ("dropped by limits", figures.evicted),
        ("on mirrors only", figures.ahead),
        ("behind their origin", figures.behind),
        ("duplicated", figures.duplicated),
        ("out of place", figures.reordered),
        ("altered", figures.altered),
        ("unexpected", figures.unexpected),
        ("delivered again", figures.redelivered),
    ]
}

fn times(figures: &Figures) -> [(&'static str, Option<f64>); 2] {
    [
        ("the recovery time", figures.recovery_seconds),
        ("the longest write outage", figures.write_outage_seconds),
    ]
}
