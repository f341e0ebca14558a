//! Is every acknowledged message there, and what should be gone not? What a stream drops by itself is
//! told from loss by what its configuration can explain.

use std::collections::{BTreeMap, BTreeSet};

use super::StreamRules;
use super::fate::Fate;
use super::finding::{Figures, Finding, FindingKind};
use super::history::{Acknowledged, History, Replica, StreamHistory};
use crate::ledger::LossScope;
use crate::model::Retention;

/// What one stream's messages are looked for in, and by which rules.
pub(super) struct Presence<'a> {
    pub(super) lost: LossScope,
    pub(super) own: &'a StreamRules,
    pub(super) stream: &'a StreamHistory<'a>,
    pub(super) history: &'a History<'a>,
    pub(super) replicas: &'a BTreeMap<&'a str, &'a Replica<'a>>,
    /// The sequences of what is held, by subject.
    pub(super) subjects: BTreeMap<&'a str, BTreeSet<u64>>,
}

/// The sequences of what any of these replicas holds, by subject.
pub(super) fn by_subject<'a>(
    replicas: &BTreeMap<&str, &'a Replica<'a>>,
) -> BTreeMap<&'a str, BTreeSet<u64>> {
    let mut subjects: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for message in replicas.values().flat_map(|replica| &replica.messages) {
        let sequences = subjects.entry(message.subject.as_str()).or_default();
        sequences.insert(message.sequence);
    }
    subjects
}

/// Messages that are not where they should be, sorted by what is wrong.
#[derive(Default)]
struct Wrong<'a> {
    lost: Vec<&'a Acknowledged<'a>>,
    survived: Vec<&'a Acknowledged<'a>>,
    /// By node.
    lacking: BTreeMap<&'a str, Vec<&'a Acknowledged<'a>>>,
    undeleted: BTreeMap<&'a str, Vec<&'a Acknowledged<'a>>>,
}

/// Why an acknowledged message is on no replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// An operator removed it.
    Removed,
    /// The stream dropped it, as its configuration says.
    Evicted,
    /// Nothing explains it but the faults.
    Lost {
        /// Whether the scenario says that it is gone, or may be.
        is_allowed: bool,
    },
}

impl<'a> Presence<'a> {
    /// Of one that is on no replica.
    pub(super) fn absence(&self, message: &Acknowledged<'_>, fate: Fate) -> Absence {
        if fate == Fate::Removed {
            Absence::Removed
        } else if fate == Fate::Held && self.may_be_dropped(message) {
            Absence::Evicted
        } else {
            let is_allowed = fate != Fate::Held;
            Absence::Lost { is_allowed }
        }
    }

    pub(super) fn judge(&self, figures: &mut Figures, findings: &mut Vec<Finding>) {
        let held: BTreeMap<&str, BTreeSet<&str>> = self
            .replicas
            .iter()
            .map(|(node, replica)| {
                let ids = replica.messages.iter().map(|message| message.id.as_str());
                (*node, ids.collect())
            })
            .collect();
        let on_any = |id: &str| held.values().any(|ids| ids.contains(id));
        let mut wrong = Wrong::default();
        for message in &self.stream.acknowledged {
            let fate = self.history.fate(self.lost, self.stream, *message);
            if on_any(message.id) {
                self.held(message, fate, &held, &mut wrong);
                continue;
            }
            match self.absence(message, fate) {
                Absence::Removed => figures.removed += 1,
                Absence::Evicted => figures.evicted += 1,
                Absence::Lost { is_allowed } => {
                    figures.lost += 1;
                    if !is_allowed {
                        wrong.lost.push(message);
                    }
                }
            }
        }
        for (kind, messages) in shapes(self.stream, &wrong.lost, on_any) {
            let text = format!(
                "{} acknowledged messages of {} are on no replica{}",
                messages.len(),
                self.stream.name,
                example(&messages)
            );
            findings.push(Finding::broken(kind, text));
        }
        self.tell(&wrong, figures, findings);
    }

    /// A message that is on a replica at least.
    fn held(
        &self,
        message: &'a Acknowledged<'a>,
        fate: Fate,
        held: &BTreeMap<&'a str, BTreeSet<&str>>,
        wrong: &mut Wrong<'a>,
    ) {
        if fate == Fate::Lost {
            wrong.survived.push(message);
        }
        for (node, ids) in held {
            let is_there = ids.contains(message.id);
            if fate == Fate::Removed {
                if is_there {
                    wrong.undeleted.entry(node).or_default().push(message);
                }
            } else if !is_there && !self.may_be_dropped(message) {
                wrong.lacking.entry(node).or_default().push(message);
            }
        }
    }

    fn tell(&self, wrong: &Wrong<'_>, figures: &mut Figures, findings: &mut Vec<Finding>) {
        let name = self.stream.name;
        for (node, messages) in &wrong.lacking {
            let text = format!(
                "{node} lacks {} acknowledged messages of {name} that others hold{}",
                messages.len(),
                example(messages)
            );
            findings.push(Finding::broken(FindingKind::ReplicaLacks, text));
        }
        if !wrong.survived.is_empty() {
            figures.unexpected += wrong.survived.len() as u64;
            let text = format!(
                "{} messages of {name} should be gone and are not{}",
                wrong.survived.len(),
                example(&wrong.survived)
            );
            findings.push(Finding::broken(FindingKind::Unexpected, text));
        }
        for (node, messages) in &wrong.undeleted {
            figures.unexpected += messages.len() as u64;
            let text = format!(
                "{node} still holds {} messages of {name} that were purged or deleted{}",
                messages.len(),
                example(messages)
            );
            findings.push(Finding::broken(FindingKind::Unexpected, text));
        }
    }

    /// Whether the stream's configuration explains that a message is gone.
    fn may_be_dropped(&self, message: &Acknowledged<'_>) -> bool {
        self.is_evicted(message)
            || self.is_superseded(message)
            || self.is_expired(message)
            || self.is_consumed(message)
    }

    /// Whether it made room for newer ones: it is below the stream's first sequence, and where
    /// messages are counted there are as many newer ones as may stay.
    fn is_evicted(&self, message: &Acknowledged<'_>) -> bool {
        let keeping = &self.own.keeping;
        if keeping.messages.is_none() && keeping.bytes.is_none() {
            return false;
        }
        let Some((first, last)) = self.bounds() else {
            return false;
        };
        let has_successors = |limit: u64| message.sequence.saturating_add(limit) <= last;
        let by_count = keeping.messages.is_some_and(has_successors);
        message.sequence < first && (by_count || keeping.bytes.is_some())
    }

    /// Whether as many newer ones of its subject are held as may stay of it.
    fn is_superseded(&self, message: &Acknowledged<'_>) -> bool {
        let Some(limit) = self.own.keeping.per_subject else {
            return false;
        };
        let sent = self.stream.sent.get(message.id);
        let held = sent.and_then(|sent| self.subjects.get(sent.subject));
        let newer = held.map_or(0, |held| held.range(message.sequence + 1..).count());
        newer as u64 >= limit
    }

    /// Whether it was old enough to go when replicas were read.
    fn is_expired(&self, message: &Acknowledged<'_>) -> bool {
        let Some(age_ns) = self.own.keeping.age_ns else {
            return false;
        };
        let read = self.replicas.values().map(|replica| replica.read_at_us);
        let read = read.max().unwrap_or_default();
        message.sent_at_us.saturating_add(age_ns / 1000) <= read
    }

    /// Whether every consumer that had to may have acknowledged it.
    fn is_consumed(&self, message: &Acknowledged<'_>) -> bool {
        let is_acked = |consumer: &String| {
            let key = (consumer.as_str(), message.id);
            self.stream.acks.contains_key(&key) || self.stream.unsure_acks.contains(&key)
        };
        let consumers = &self.own.consumers;
        match self.own.keeping.retention {
            Retention::Limits => false,
            Retention::Interest => consumers.iter().all(is_acked),
            Retention::WorkQueue => consumers.iter().any(is_acked),
        }
    }

    /// Where the stream begins and ends: by its leader's word, else as the replicas have it.
    fn bounds(&self) -> Option<(u64, u64)> {
        self.stream.bounds.or_else(|| {
            let messages = self.replicas.values().map(|replica| &replica.messages);
            let first = messages
                .clone()
                .filter_map(|all| all.first())
                .map(|one| one.sequence);
            let last = messages
                .filter_map(|all| all.last())
                .map(|one| one.sequence);
            first.min().zip(last.max())
        })
    }
}

/// Sorts lost messages by the shape of the loss: before everything that is held, after it, or
/// in between. The shape tells the cause.
pub(super) fn shapes<'a>(
    stream: &StreamHistory<'_>,
    lost: &[&'a Acknowledged<'a>],
    held: impl Fn(&str) -> bool,
) -> BTreeMap<FindingKind, Vec<&'a Acknowledged<'a>>> {
    let mut places = stream
        .acknowledged
        .iter()
        .filter(|message| held(message.id))
        .map(|message| message.place);
    let first = places.next();
    let last = places.next_back().or(first);
    let mut shapes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for message in lost {
        let kind = match (first, last) {
            (Some(first), _) if message.place < first => FindingKind::LostHead,
            (_, Some(last)) if message.place < last => FindingKind::LostHole,
            _ => FindingKind::LostTail,
        };
        shapes.entry(kind).or_default().push(*message);
    }
    shapes
}

/// The first and the last of these messages.
pub(super) fn example(messages: &[&Acknowledged<'_>]) -> String {
    match messages {
        [] => String::new(),
        [only] => format!(" ({} at sequence {})", only.id, only.sequence),
        [first, .., last] => format!(
            " ({} at sequence {} to {} at {})",
            first.id, first.sequence, last.id, last.sequence
        ),
    }
}
