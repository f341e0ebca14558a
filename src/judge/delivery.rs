//! Is every acknowledged message there, once, where it was, as it was, on every replica?

use std::collections::{BTreeMap, BTreeSet};

use super::Rules;
use super::finding::{Figures, Finding, FindingKind};
use super::history::{Acknowledged, Fate, History, Replica, StreamHistory};
use crate::model::Fingerprint;

/// Judges one stream.
pub(super) fn judge(
    rules: &Rules,
    replicas: usize,
    stream: &StreamHistory<'_>,
    history: &History<'_>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) {
    figures.acknowledged += stream.acknowledged.len() as u64;
    figures.refused += stream.refused.len() as u64;
    figures.unknown += stream.unknown;
    let acknowledged = stream.acknowledged.len() as u64;
    if acknowledged < rules.min_acknowledged {
        let (name, wanted) = (stream.name, rules.min_acknowledged);
        let text = format!(
            "only {acknowledged} messages of {name} were acknowledged; {wanted} are needed to tell anything"
        );
        findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
    }
    delivered(stream, figures, findings);
    readable(replicas, stream, findings);
    let replicas: BTreeMap<_, _> = stream
        .replicas
        .iter()
        .filter(|(_, replica)| replica.whole)
        .map(|(node, replica)| (*node, replica))
        .collect();
    if replicas.is_empty() && !stream.gone {
        figures.unread += 1;
        return;
    }
    presence(rules, stream, history, &replicas, figures, findings);
    for (node, replica) in &replicas {
        content(stream, node, replica, figures, findings);
    }
    equality(stream, &replicas, findings);
}

/// Was what consumers were given as it was sent?
fn delivered(stream: &StreamHistory<'_>, figures: &mut Figures, findings: &mut Vec<Finding>) {
    let wrong: Vec<_> = stream
        .deliveries
        .iter()
        .filter_map(|delivery| {
            let message = delivery.message;
            let change = if stream.sent.contains_key(message.id.as_str()) {
                altered(stream, message, None)?
            } else {
                "never sent"
            };
            Some((delivery.consumer, message, change))
        })
        .collect();
    figures.altered += wrong.len() as u64;
    if let Some((consumer, message, change)) = wrong.first() {
        let text = format!(
            "{} deliveries of {} are not as sent ({} at sequence {} to {consumer}: {change})",
            wrong.len(),
            stream.name,
            message.id,
            message.sequence
        );
        findings.push(Finding::broken(FindingKind::Altered, text));
    }
}

/// Could every replica be read, and are there as many as there should be?
fn readable(wanted: usize, stream: &StreamHistory<'_>, findings: &mut Vec<Finding>) {
    let name = stream.name;
    let mut whole = 0;
    for (node, replica) in &stream.replicas {
        if let Some(reason) = replica.unreadable {
            let text = format!("the replica of {name} on {node} could not be read: {reason}");
            findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
        } else if replica.whole {
            whole += 1;
        } else {
            let text = format!("the replica of {name} on {node} was not read to its end");
            findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
        }
        for defect in replica.defects {
            let text = format!("the replica of {name} on {node}: {defect}");
            findings.push(Finding::broken(FindingKind::Damaged, text));
        }
    }
    if stream.gone {
        let text = format!("the servers say that there is no stream {name} any more");
        findings.push(Finding::broken(FindingKind::ReplicaCount, text));
    } else if stream.replicas.is_empty() {
        let text = format!("no replica of {name} was read");
        findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
    } else if whole != wanted && stream.replicas.len() != wanted {
        let nodes: Vec<_> = stream.replicas.keys().copied().collect();
        let text = format!(
            "{name} has {} replicas ({}), expected {}",
            nodes.len(),
            nodes.join(", "),
            wanted
        );
        findings.push(Finding::broken(FindingKind::ReplicaCount, text));
    }
}

/// Is what was acknowledged there, and what should be gone not?
fn presence(
    rules: &Rules,
    stream: &StreamHistory<'_>,
    history: &History<'_>,
    replicas: &BTreeMap<&str, &Replica<'_>>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) {
    let held: BTreeMap<&str, BTreeSet<&str>> = replicas
        .iter()
        .map(|(node, replica)| {
            let ids = replica.messages.iter().map(|message| message.id.as_str());
            (*node, ids.collect())
        })
        .collect();
    let on_any = |id: &str| held.values().any(|ids| ids.contains(id));
    let mut lost = Vec::new();
    let mut survived = Vec::new();
    let mut lacking: BTreeMap<&str, Vec<&Acknowledged<'_>>> = BTreeMap::new();
    for message in &stream.acknowledged {
        let fate = history.fate(rules.lost, stream, *message);
        if !on_any(message.id) {
            figures.lost += 1;
            if fate == Fate::Held {
                lost.push(message);
            }
            continue;
        }
        if fate == Fate::Lost {
            survived.push(message);
        }
        for (node, ids) in &held {
            if !ids.contains(message.id) {
                lacking.entry(node).or_default().push(message);
            }
        }
    }
    for (kind, messages) in shapes(stream, &lost, on_any) {
        let count = messages.len();
        let text = format!(
            "{count} acknowledged messages of {} are on no replica{}",
            stream.name,
            example(&messages)
        );
        findings.push(Finding::broken(kind, text));
    }
    for (node, messages) in lacking {
        let count = messages.len();
        let text = format!(
            "{node} lacks {count} acknowledged messages of {} that others hold{}",
            stream.name,
            example(&messages)
        );
        findings.push(Finding::broken(FindingKind::ReplicaLacks, text));
    }
    if !survived.is_empty() {
        figures.unexpected += survived.len() as u64;
        let text = format!(
            "{} messages of {} should be gone and are not{}",
            survived.len(),
            stream.name,
            example(&survived)
        );
        findings.push(Finding::broken(FindingKind::Unexpected, text));
    }
}

/// Sorts lost messages by the shape of the loss: before everything that is held, after it, or
/// in between. The shape tells the cause.
fn shapes<'a>(
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

fn example(messages: &[&Acknowledged<'_>]) -> String {
    match messages {
        [] => String::new(),
        [only] => format!(" ({} at sequence {})", only.id, only.sequence),
        [first, .., last] => format!(
            " ({} at sequence {} to {} at {})",
            first.id, first.sequence, last.id, last.sequence
        ),
    }
}

/// Is each message on a replica one that was sent, as it was sent, once, where it was acknowledged?
fn content(
    stream: &StreamHistory<'_>,
    node: &str,
    replica: &Replica<'_>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) {
    let acknowledged: BTreeMap<_, _> = stream
        .acknowledged
        .iter()
        .map(|message| (message.id, message.sequence))
        .collect();
    let mut times = BTreeMap::new();
    for delivery in &stream.deliveries {
        let message = delivery.message;
        times
            .entry((message.id.as_str(), message.sequence))
            .or_insert(message.time_ns);
    }
    let mut found: BTreeMap<FindingKind, Vec<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for message in &replica.messages {
        let id = message.id.as_str();
        let at = format!("{id} at sequence {}", message.sequence);
        if !seen.insert(id) {
            found
                .entry(FindingKind::Duplicated)
                .or_default()
                .push(at.clone());
        }
        if let Some(change) = altered(stream, message, times.get(&(id, message.sequence))) {
            found
                .entry(FindingKind::Altered)
                .or_default()
                .push(format!("{at}: {change}"));
        }
        if let Some(reason) = unexpected(stream, id) {
            found
                .entry(FindingKind::Unexpected)
                .or_default()
                .push(format!("{at}: {reason}"));
        }
        if let Some(sequence) = acknowledged
            .get(id)
            .filter(|sequence| **sequence != message.sequence)
        {
            let text = format!("{at}, acknowledged at {sequence}");
            found.entry(FindingKind::Reordered).or_default().push(text);
        }
    }
    let count = |kind| {
        found
            .get(&kind)
            .map_or(0, |texts: &Vec<_>| texts.len() as u64)
    };
    figures.duplicated += count(FindingKind::Duplicated);
    figures.altered += count(FindingKind::Altered);
    figures.unexpected += count(FindingKind::Unexpected);
    figures.reordered += count(FindingKind::Reordered);
    for (kind, word) in [
        (FindingKind::Duplicated, "duplicated"),
        (FindingKind::Altered, "altered"),
        (FindingKind::Unexpected, "unexpected"),
        (FindingKind::Reordered, "out of place"),
    ] {
        let Some(texts) = found.get(&kind) else {
            continue;
        };
        let text = format!(
            "{} messages of {} on {node} are {word} ({})",
            texts.len(),
            stream.name,
            texts[0]
        );
        findings.push(Finding::broken(kind, text));
    }
}

/// What is not as it was sent, or as it was delivered.
fn altered(
    stream: &StreamHistory<'_>,
    message: &Fingerprint,
    delivered_time: Option<&i64>,
) -> Option<&'static str> {
    let sent = stream.sent.get(message.id.as_str())?;
    if sent.subject != message.subject {
        Some("another subject")
    } else if sent.headers != message.headers {
        Some("other headers")
    } else if sent.payload != message.payload {
        Some("another payload")
    } else if delivered_time.is_some_and(|time| *time != message.time_ns) {
        Some("another timestamp than when it was delivered")
    } else {
        None
    }
}

fn unexpected(stream: &StreamHistory<'_>, id: &str) -> Option<String> {
    if !stream.sent.contains_key(id) {
        return Some(String::from("never sent"));
    }
    let reason = stream.refused.get(id)?;
    Some(format!("refused ({reason})"))
}

/// Do all replicas hold the same?
fn equality(
    stream: &StreamHistory<'_>,
    replicas: &BTreeMap<&str, &Replica<'_>>,
    findings: &mut Vec<Finding>,
) {
    let mut all = replicas.iter();
    let Some((first_node, first)) = all.next() else {
        return;
    };
    for (node, replica) in all {
        if first.messages == replica.messages {
            continue;
        }
        let different = first
            .messages
            .iter()
            .zip(&replica.messages)
            .find(|(one, other)| one != other)
            .map_or_else(
                || {
                    format!(
                        "{} messages against {}",
                        first.messages.len(),
                        replica.messages.len()
                    )
                },
                |(one, other)| format!("{one:?} against {other:?}"),
            );
        let text = format!(
            "{first_node} and {node} hold different {}: {different}",
            stream.name
        );
        findings.push(Finding::broken(FindingKind::ReplicasDiffer, text));
    }
}
