//! Judges: pure functions from what happened to what it means. They can be run again, on any
//! ledger, at any time.

mod bucket;
mod consumers;
mod delivery;
mod derived;
mod fate;
mod finding;
mod history;
mod losses;
mod objects;
mod presence;
mod record;
mod recovery;

use std::collections::BTreeMap;
use std::time::Duration;

pub use finding::{Figures, Finding, FindingKind, Judgement};
pub use losses::{LostMessage, StreamLosses, losses};
pub use record::RunRecord;
pub use recovery::{WriteGap, recovery as recovery_span, write_gap};

use crate::ledger::{Event, LossScope, Stamped, StepEnd};
use crate::model::{Feed, Keeping, Verdict};
use history::History;

/// What a drill is judged by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Which acknowledged messages are gone.
    pub lost: LossScope,
    /// The longest recovery allowed.
    pub recovery_time: Option<Duration>,
    /// The longest time without an acknowledged message allowed.
    pub write_outage: Option<Duration>,
    /// Fewer acknowledged messages of a stream than this prove nothing.
    pub min_acknowledged: u64,
    /// The streams.
    pub streams: BTreeMap<String, StreamRules>,
}

/// What a stream is judged by.
#[derive(Debug, Clone)]
pub struct StreamRules {
    /// How many replicas hold it, all the same.
    pub replicas: usize,
    /// Its consumers.
    pub consumers: Vec<String>,
    /// What it drops by itself.
    pub keeping: Keeping,
    /// Where its messages come from.
    pub feed: Feed,
}

/// Judges a drill by its ledger.
pub fn judge(rules: &Rules, events: &[Stamped]) -> Judgement {
    let history = History::of(events);
    let mut findings = steps(events);
    let mut figures = Figures::default();
    if rules.streams.is_empty() {
        let text = "there is no stream that could have lost something";
        findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
    }
    for (stream, own) in &rules.streams {
        let Some(stream_history) = history.streams.get(stream.as_str()) else {
            let text = format!("nothing was ever sent to {stream}, or seen on it");
            findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
            continue;
        };
        let judge_content = match own.feed {
            Feed::Publishers => delivery::judge,
            Feed::Objects => objects::judge,
            Feed::Mirror(_) | Feed::Sources(_) => derived::judge,
        };
        judge_content(
            rules,
            own,
            stream_history,
            &history,
            &mut figures,
            &mut findings,
        );
        for consumer in &own.consumers {
            let subject = consumers::Subject {
                name: consumer,
                lost: rules.lost,
                keeping: &own.keeping,
                stream: stream_history,
                history: &history,
            };
            subject.judge(&mut figures, &mut findings);
        }
    }
    let buckets = rules.streams.iter();
    for (stream, _) in buckets.filter(|(_, own)| own.feed == Feed::Objects) {
        objects::judge_reading(rules.lost, events, &history, stream, &mut findings);
    }
    bucket::judge(rules, events, &history, &mut findings);
    recovery::judge(rules, &history, &mut figures, &mut findings);
    if findings
        .iter()
        .any(|finding| finding.kind == FindingKind::NotCarriedOut)
    {
        excuse_ending(rules.lost, &mut findings);
    }
    Judgement::new(findings, figures)
}

/// A drill that could not be carried to its end says nothing about how it should have ended;
/// what it says about safety still counts.
fn excuse_ending(lost: LossScope, findings: &mut [Finding]) {
    use FindingKind as Kind;
    for finding in findings {
        let is_safety = match finding.kind {
            Kind::Altered | Kind::Duplicated | Kind::Reordered => true,
            Kind::Damaged | Kind::Redelivered | Kind::StepFailed | Kind::ReadWrong => true,
            Kind::ServerPanicked => true,
            Kind::LostHead | Kind::LostHole | Kind::LostTail => lost == LossScope::Nothing,
            Kind::OriginHoldsMore => false,
            Kind::ReplicaLacks | Kind::ReplicasDiffer | Kind::ReplicaCount => false,
            Kind::Unexpected | Kind::Skipped | Kind::Position | Kind::TooSlow => false,
            Kind::NotCarriedOut | Kind::NotChecked => false,
        };
        if !is_safety {
            finding.verdict = Verdict::Inconclusive;
        }
    }
}

/// What the steps themselves say.
fn steps(events: &[Stamped]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open = None;
    for stamped in events {
        if let Event::StepBegan { text, .. } = &stamped.event {
            open = Some(text.as_str());
        } else if let Event::StepEnded { end, .. } = &stamped.event {
            let text = open.take().unwrap_or("a step");
            match end {
                StepEnd::Done | StepEnd::Withdrawn { .. } => {}
                StepEnd::Broken { reason } => findings.push(Finding::broken(
                    FindingKind::StepFailed,
                    format!("{text}: {reason}"),
                )),
                StepEnd::Impossible { reason } => findings.push(Finding::inconclusive(
                    FindingKind::NotCarriedOut,
                    format!("{text}: {reason}"),
                )),
            }
        } else if let Event::ServerPanicked { node, text } = &stamped.event {
            let text = format!("the server of {node} ended by itself: {text}");
            findings.push(Finding::broken(FindingKind::ServerPanicked, text));
        } else if let Event::Aborted { reason } = &stamped.event {
            findings.push(Finding::inconclusive(
                FindingKind::NotCarriedOut,
                reason.clone(),
            ));
        }
    }
    if let Some(text) = open {
        let text = format!("{text}: it never ended");
        findings.push(Finding::inconclusive(FindingKind::NotCarriedOut, text));
    }
    findings
}

#[cfg(test)]
mod tests;
