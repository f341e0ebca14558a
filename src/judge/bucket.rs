//! Is what a client reads from a bucket the newest value of each key that was acknowledged?

use std::collections::{BTreeMap, BTreeSet};

use super::Rules;
use super::fate::Fate;
use super::finding::{Finding, FindingKind};
use super::history::{Acknowledged, History, Place, StreamHistory};
use crate::ledger::{BucketValue, Event, LossScope, Stamped};

/// One reading of a bucket.
struct Reading<'a> {
    lost: LossScope,
    history: &'a History<'a>,
    stream: &'a StreamHistory<'a>,
    /// Where it began: what was acknowledged before has to be read.
    began: Place,
    values: &'a [BucketValue],
}

/// Judges every reading.
pub(super) fn judge(
    rules: &Rules,
    events: &[Stamped],
    history: &History<'_>,
    findings: &mut Vec<Finding>,
) {
    let mut began = BTreeMap::new();
    for (place, stamped) in events.iter().enumerate() {
        if let Event::ReadingBucket { stream } = &stamped.event {
            began.insert(stream.as_str(), place);
        } else if let Event::BucketRead { stream, values } = &stamped.event {
            let Some(own) = history.streams.get(stream.as_str()) else {
                let text = format!(
                    "nothing was ever sent to {stream}, so what was read of it tells nothing"
                );
                findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
                continue;
            };
            let reading = Reading {
                lost: rules.lost,
                history,
                stream: own,
                began: began.get(stream.as_str()).copied().unwrap_or(place),
                values,
            };
            reading.judge(findings);
        }
    }
}

impl<'a> Reading<'a> {
    fn judge(&self, findings: &mut Vec<Finding>) {
        let name = self.stream.name;
        let newest = self.newest();
        if newest.is_empty() {
            let text = format!("no value of {name} was acknowledged before it was read");
            findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
        }
        let read: BTreeSet<&str> = self.values.iter().map(|one| one.subject.as_str()).collect();
        let missing = newest
            .iter()
            .filter(|(subject, _)| !read.contains(*subject));
        let missing = missing.map(|(subject, message)| {
            format!(
                "{subject} is not there, and was acknowledged as {}",
                message.sequence
            )
        });
        let wrong = self.values.iter().filter_map(|value| {
            let reason = self.wrong(value, newest.get(value.subject.as_str()))?;
            Some(format!("{} is {reason}", value.subject))
        });
        let all: Vec<_> = missing.chain(wrong).collect();
        if let Some(first) = all.first() {
            let text = format!(
                "{} of {} keys of {name} are not read as they should be ({first})",
                all.len(),
                newest.len()
            );
            findings.push(Finding::broken(FindingKind::ReadWrong, text));
        }
    }

    /// The newest value of each key that has to be read: acknowledged before, and not lost by then.
    fn newest(&self) -> BTreeMap<&'a str, &'a Acknowledged<'a>> {
        let mut newest: BTreeMap<&str, &Acknowledged<'_>> = BTreeMap::new();
        let acknowledged = self.stream.acknowledged.iter();
        for message in acknowledged.filter(|message| message.place < self.began) {
            let Some(sent) = self.stream.sent.get(message.id) else {
                continue;
            };
            if !self.is_there(message) {
                continue;
            }
            let known = newest.entry(sent.subject).or_insert(message);
            if message.sequence > known.sequence {
                *known = message;
            }
        }
        newest
    }

    /// Whether a message has to be there when the bucket is read.
    fn is_there(&self, message: &Acknowledged<'_>) -> bool {
        match self.history.fate(self.lost, self.stream, *message) {
            Fate::Held => true,
            Fate::Lost => !self.is_after_loss(),
            Fate::Either | Fate::Removed => false,
        }
    }

    /// Whether what is lost was lost by the time it was read.
    fn is_after_loss(&self) -> bool {
        let loss = match self.lost {
            LossScope::Nothing => None,
            LossScope::AfterBackup => self.stream.restoring.map(|(place, _)| place),
            LossScope::AfterCopy => self.history.rolling_back.map(|(place, _)| place),
            LossScope::BeforeFault => self.history.faults.last().map(|fault| fault.began),
        };
        loss.is_some_and(|place| place < self.began)
    }

    /// What is wrong with a value that was read.
    fn wrong(&self, value: &BucketValue, newest: Option<&&Acknowledged<'_>>) -> Option<String> {
        let mut sent = self.stream.sent.iter();
        let Some((id, sent)) =
            sent.find(|(_, one)| one.payload == value.payload && one.subject == value.subject)
        else {
            return Some(format!("what nobody sent, as {}", value.sequence));
        };
        if let Some(reason) = self.stream.refused.get(id) {
            return Some(format!("{id}, which was refused ({reason})"));
        }
        let mut acknowledged = self.stream.acknowledged.iter();
        let Some(own) = acknowledged.find(|one| one.id == *id) else {
            let is_older = newest.is_some_and(|newest| sent.place < newest.sent);
            return is_older.then(|| format!("{id}, which is older than what was acknowledged"));
        };
        if own.sequence != value.sequence {
            return Some(format!(
                "{id} as {}, acknowledged as {}",
                value.sequence, own.sequence
            ));
        }
        let fate = self.history.fate(self.lost, self.stream, *own);
        if fate == Fate::Lost && self.is_after_loss() {
            return Some(format!("{id}, which should be gone"));
        }
        let newest = newest.filter(|newest| newest.sequence > own.sequence)?;
        Some(format!(
            "{id} as {}, and {} was acknowledged as {}",
            own.sequence, newest.id, newest.sequence
        ))
    }
}
