//! How long it took: recovery, and the longest time in which nothing could be written.

use std::time::Duration;

use super::Rules;
use super::finding::{Figures, Finding, FindingKind};
use super::history::History;
use crate::ledger::{LossScope, Stamped};

/// The longest time in which a stream acknowledged nothing while the load ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteGap {
    /// The stream.
    pub stream: String,
    /// Its beginning, in microseconds since the drill began.
    pub from_us: u64,
    /// Its end, likewise.
    pub to_us: u64,
}

/// The time without writes that the figures tell, and where in the drill it lies; none where the load
/// did not run to its end.
pub fn write_gap(events: &[Stamped]) -> Option<WriteGap> {
    longest_gap(&History::of(events))
}

/// The recovery that the figures tell: from the first fault until the stream was whole again, in
/// microseconds since the drill began.
pub fn recovery(lost: LossScope, events: &[Stamped]) -> Option<(u64, u64)> {
    recovery_of(lost, &History::of(events))
}

/// Measures, and compares with what is allowed.
pub(super) fn judge(
    rules: &Rules,
    history: &History<'_>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) {
    let recovery = recovery_of(rules.lost, history)
        .map(|(fault, recovered)| Duration::from_micros(recovered.saturating_sub(fault)));
    figures.recovery_seconds = recovery.map(|time| time.as_secs_f64());
    if let Some(limit) = rules.recovery_time {
        compare("recovery", recovery, limit, findings);
    }
    let outage = longest_gap(history)
        .map(|gap| Duration::from_micros(gap.to_us.saturating_sub(gap.from_us)));
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

fn recovery_of(lost: LossScope, history: &History<'_>) -> Option<(u64, u64)> {
    // A stream that comes back empty has not recovered, however soon it answers.
    let recovers = lost != LossScope::BeforeFault;
    let fault = history.faults.first().filter(|_| recovers)?;
    Some((fault.at_us, history.recovered_at?))
}

/// The longest time in which any one stream acknowledged nothing while the load ran, its two
/// ends included.
fn longest_gap(history: &History<'_>) -> Option<WriteGap> {
    let (began, ended) = history.load?;
    let ended = ended?;
    // Nobody publishes to a mirror.
    let published = history.streams.values();
    let published = published.filter(|stream| !stream.sent.is_empty());
    let gaps = published.map(|stream| {
        let during = stream.acknowledged_at.iter().copied();
        let during = during.filter(|at| (began..=ended).contains(at));
        let mut last = began;
        let mut longest = (0, began, began);
        for at in during.chain([ended]) {
            let length = at.saturating_sub(last);
            if length > longest.0 {
                longest = (length, last, at);
            }
            last = at;
        }
        (longest, stream.name)
    });
    let ((_, from_us, to_us), stream) = gaps.max_by_key(|((length, ..), _)| *length)?;
    Some(WriteGap {
        stream: stream.to_owned(),
        from_us,
        to_us,
    })
}
