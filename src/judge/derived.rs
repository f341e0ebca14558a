//! Streams whose messages come from others: does a mirror hold all that its origin holds, where the
//! origin has it, and is nothing on it that was never sent? What it still holds and its origin lost is
//! no fault: it is counted.

use std::collections::{BTreeMap, BTreeSet};

use super::delivery::{counts, equality, read_replicas, tell_each, whole};
use super::finding::{Figures, Finding, FindingKind};
use super::history::{Acknowledged, History, Replica, Sent, StreamHistory};
use super::presence::{example, shapes};
use super::{Rules, StreamRules};
use crate::model::{Feed, Fingerprint};

/// One such stream, and what it is judged by.
struct Subject<'a> {
    own: &'a StreamRules,
    stream: &'a StreamHistory<'a>,
    origins: Vec<&'a StreamHistory<'a>>,
    /// Its replicas that were read to their end.
    replicas: BTreeMap<&'a str, &'a Replica<'a>>,
}

/// Judges one such stream.
pub(super) fn judge(
    rules: &Rules,
    own: &StreamRules,
    stream: &StreamHistory<'_>,
    history: &History<'_>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) {
    let origins = own.feed.origins().iter();
    let subject = Subject {
        own,
        stream,
        origins: origins
            .filter_map(|origin| history.streams.get(origin.as_str()))
            .collect(),
        replicas: read_replicas(own.replicas, stream, figures, findings),
    };
    subject.delivered(figures, findings);
    if subject.replicas.is_empty() && !stream.gone {
        return;
    }
    let places = subject.places();
    for (node, replica) in &subject.replicas {
        let found = subject.content(replica, &places);
        tell_each(stream.name, node, &found, figures, findings);
    }
    subject.presence(rules.min_acknowledged, figures, findings);
    subject.kept(findings);
    equality(own, stream, &subject.replicas, findings);
    counts(own, stream, &subject.replicas, findings);
}

/// The ids of what any of these replicas holds.
fn ids<'a>(replicas: &BTreeMap<&str, &'a Replica<'a>>) -> BTreeSet<&'a str> {
    let messages = replicas.values().flat_map(|replica| &replica.messages);
    messages.map(|message| message.id.as_str()).collect()
}

impl<'a> Subject<'a> {
    /// The origin a message was sent to, and how it was sent.
    fn sent(&self, id: &str) -> Option<(&'a StreamHistory<'a>, Sent<'a>)> {
        let mut origins = self.origins.iter();
        origins.find_map(|origin| Some((*origin, *origin.sent.get(id)?)))
    }

    /// Whether it was sent to an origin, and is as it was sent.
    fn wrong(&self, message: &Fingerprint) -> Option<(FindingKind, String)> {
        let Some((origin, sent)) = self.sent(&message.id) else {
            return Some((FindingKind::Unexpected, String::from("never sent")));
        };
        if let Some(reason) = origin.refused.get(message.id.as_str()) {
            let reason = format!("refused by {} ({reason})", origin.name);
            return Some((FindingKind::Unexpected, reason));
        }
        // What is sourced has a header more, which says where it comes from.
        let keeps_headers = !matches!(self.own.feed, Feed::Sources(_));
        let change = if sent.subject != message.subject {
            "another subject"
        } else if keeps_headers && sent.headers != message.headers {
            "other headers"
        } else if sent.payload != message.payload {
            "another payload"
        } else {
            return None;
        };
        Some((FindingKind::Altered, String::from(change)))
    }

    /// Was what consumers were given as it was sent?
    fn delivered(&self, figures: &mut Figures, findings: &mut Vec<Finding>) {
        let deliveries = self.stream.deliveries.iter();
        let wrong: Vec<_> = deliveries
            .filter_map(|delivery| Some((delivery, self.wrong(delivery.message)?.1)))
            .collect();
        figures.altered += wrong.len() as u64;
        if let Some((delivery, change)) = wrong.first() {
            let text = format!(
                "{} deliveries of {} are not as sent ({} at sequence {} to {}: {change})",
                wrong.len(),
                self.stream.name,
                delivery.message.id,
                delivery.message.sequence,
                delivery.consumer
            );
            findings.push(Finding::broken(FindingKind::Altered, text));
        }
    }

    /// Is each message on a replica one that was sent, as it was sent, once, and on a mirror where
    /// and when its origin took it?
    fn content(
        &self,
        replica: &Replica<'_>,
        places: &BTreeMap<&str, (u64, i64)>,
    ) -> BTreeMap<FindingKind, Vec<String>> {
        let mut found: BTreeMap<FindingKind, Vec<String>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for message in &replica.messages {
            let id = message.id.as_str();
            let at = format!("{id} at sequence {}", message.sequence);
            let mut add = |kind, text| found.entry(kind).or_default().push(text);
            if !seen.insert(id) {
                add(FindingKind::Duplicated, at.clone());
            }
            if let Some((kind, reason)) = self.wrong(message) {
                add(kind, format!("{at}: {reason}"));
            }
            let Some((sequence, time_ns)) = places.get(id) else {
                continue;
            };
            if *sequence != message.sequence {
                add(
                    FindingKind::Reordered,
                    format!("{at}, its origin has it at {sequence}"),
                );
            } else if *time_ns != message.time_ns {
                let text = format!("{at}: another timestamp than its origin has");
                add(FindingKind::Altered, text);
            }
        }
        found
    }

    /// Where a mirror has to have each message of its origin, and with which timestamp.
    fn places(&self) -> BTreeMap<&'a str, (u64, i64)> {
        if !matches!(self.own.feed, Feed::Mirror(_)) {
            return BTreeMap::new();
        }
        let replicas = self.origins.iter().flat_map(|origin| whole(origin));
        let messages = replicas.flat_map(|(_, replica)| &replica.messages);
        messages
            .map(|message| (message.id.as_str(), (message.sequence, message.time_ns)))
            .collect()
    }

    /// Is every acknowledged message on it that an origin holds?
    fn presence(&self, min_acknowledged: u64, figures: &mut Figures, findings: &mut Vec<Finding>) {
        let name = self.stream.name;
        let own = ids(&self.replicas);
        let mut compared = 0;
        for origin in &self.origins {
            let replicas = whole(origin);
            if replicas.is_empty() && !origin.gone {
                let text = format!("what {name} should hold of {} is not known", origin.name);
                findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
                continue;
            }
            let held = ids(&replicas);
            let (at_origin, lost): (Vec<&Acknowledged<'_>>, Vec<_>) = origin
                .acknowledged
                .iter()
                .partition(|message| held.contains(message.id));
            compared += at_origin.len() as u64;
            figures.ahead += lost.iter().filter(|one| own.contains(one.id)).count() as u64;
            let missing: Vec<&Acknowledged<'_>> = at_origin
                .into_iter()
                .filter(|message| !own.contains(message.id))
                .collect();
            figures.behind += missing.len() as u64;
            for (shape, messages) in shapes(origin, &missing, |id| own.contains(id)) {
                let text = format!(
                    "{name} lacks {} acknowledged messages that {} holds{}, {}",
                    messages.len(),
                    origin.name,
                    example(&messages),
                    where_of(shape)
                );
                findings.push(Finding::broken(FindingKind::OriginHoldsMore, text));
            }
        }
        if compared < min_acknowledged {
            let text = format!(
                "the origins of {name} hold only {compared} acknowledged messages; {min_acknowledged} are needed to tell anything"
            );
            findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
        }
    }

    /// Does it still hold what its consumers were given? Of a stream that was deleted or restored
    /// nobody can say that.
    fn kept(&self, findings: &mut Vec<Finding>) {
        let stream = self.stream;
        if stream.gone || stream.deleting.is_some() || stream.restoring.is_some() {
            return;
        }
        let own = ids(&self.replicas);
        let deliveries = stream.deliveries.iter();
        let given: BTreeMap<&str, u64> = deliveries
            .map(|delivery| (delivery.message.id.as_str(), delivery.message.sequence))
            .collect();
        let lost: Vec<_> = given.iter().filter(|(id, _)| !own.contains(**id)).collect();
        if let Some((id, sequence)) = lost.first() {
            let text = format!(
                "{} messages that consumers of {} were given are no longer on it ({id} at sequence {sequence})",
                lost.len(),
                stream.name
            );
            findings.push(Finding::broken(FindingKind::LostHole, text));
        }
    }
}

/// Where messages are missing, in words.
fn where_of(shape: FindingKind) -> &'static str {
    if shape == FindingKind::LostHead {
        "before all that it has"
    } else if shape == FindingKind::LostTail {
        "after all that it has"
    } else {
        "in the middle"
    }
}
