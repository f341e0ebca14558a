//! How long it took: recovery, and the longest time in which nothing could be written.

use std::time::Duration;

use super::Rules;
use super::finding::{Figures, Finding, FindingKind};
use super::history::History;
use crate::ledger::LossScope;

/// Measures, and compares with what is allowed.
pub(super) fn judge(
    rules: &Rules,
    history: &History<'_>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) {
    // A stream that comes back empty has not recovered, however soon it answers.
    let recovers = rules.lost != LossScope::BeforeFault;
    let recovery = history
        .faults
        .first()
        .filter(|_| recovers)
        .zip(history.recovered_at)
        .map(|(fault, recovered)| Duration::from_micros(recovered.saturating_sub(fault.at_us)));
    figures.recovery_seconds = recovery.map(|time| time.as_secs_f64());
    if let Some(limit) = rules.recovery_time {
        compare("recovery", recovery, limit, findings);
    }
    let outage = longest_gap(history);
    figures.write_outage_seconds = outage.map(|time| time.as_secs_f64());
    if let Some(limit) = rules.write_outage {
        compare(
            "the longest time without an acknowledged message",
            outage,
            limit,
            findings,
        );
    }
}

fn compare(what: &str, measured: Option<Duration>, limit: Duration, findings: &mut Vec<Finding>) {
    match measured {
        Some(time) if time <= limit => {}
        Some(time) => {
            let text = format!("{what} took {time:.1?}, allowed are {limit:?}");
            findings.push(Finding::broken(FindingKind::TooSlow, text));
        }
        None => {
            let text = format!("{what} could not be measured");
            findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
        }
    }
}

/// The longest time in which any one stream acknowledged nothing while the load ran, its two
/// ends included.
fn longest_gap(history: &History<'_>) -> Option<Duration> {
    let (began, ended) = history.load?;
    let ended = ended?;
    // Nobody publishes to a mirror.
    let published = history.streams.values();
    let published = published.filter(|stream| !stream.sent.is_empty());
    let gaps = published.map(|stream| {
        let during = stream.acknowledged_at.iter().copied();
        let during = during.filter(|at| (began..=ended).contains(at));
        let mut last = began;
        let mut longest = 0;
        for at in during.chain([ended]) {
            longest = longest.max(at.saturating_sub(last));
            last = at;
        }
        longest
    });
    gaps.max().map(Duration::from_micros)
}
