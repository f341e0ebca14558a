//! Is every acknowledged message there, once, where it was, as it was, on every replica?

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Figures, Finding, FindingKind};
use super::history::{Counts, History, Replica, StreamHistory};
use super::presence::{Presence, by_subject};
use super::{Rules, StreamRules};
use crate::model::Fingerprint;

/// Judges one stream.
pub(super) fn judge(
    rules: &Rules,
    own: &StreamRules,
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
    let replicas = read_replicas(own.replicas, stream, figures, findings);
    if replicas.is_empty() && !stream.gone {
        return;
    }
    let presence = Presence {
        lost: rules.lost,
        own,
        stream,
        history,
        replicas: &replicas,
        subjects: by_subject(&replicas),
    };
    presence.judge(figures, findings);
    for (node, replica) in &replicas {
        content(stream, node, replica, figures, findings);
    }
    equality(own, stream, &replicas, findings);
    counts(own, stream, &replicas, findings);
}

/// The replicas that were read to their end. What keeps others from being judged is told.
pub(super) fn read_replicas<'a>(
    wanted: usize,
    stream: &'a StreamHistory<'a>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) -> BTreeMap<&'a str, &'a Replica<'a>> {
    readable(wanted, stream, findings);
    let replicas = whole(stream);
    if replicas.is_empty() && !stream.gone {
        figures.unread += 1;
        // Replicas that were only counted tell nothing of what is in them.
        let text = format!("no replica of {} was read message by message", stream.name);
        findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
    }
    replicas
}

/// The replicas that were read to their end.
pub(super) fn whole<'a>(stream: &'a StreamHistory<'a>) -> BTreeMap<&'a str, &'a Replica<'a>> {
    let replicas = stream.replicas.iter();
    let whole = replicas.filter(|(_, replica)| replica.whole);
    whole.map(|(node, replica)| (*node, replica)).collect()
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
        } else if replica.whole || replica.counted.is_some() {
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
    tell_each(stream.name, node, &found, figures, findings);
}

/// Counts and tells what is wrong with messages on a node.
pub(super) fn tell_each(
    stream: &str,
    node: &str,
    found: &BTreeMap<FindingKind, Vec<String>>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) {
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
            "{} messages of {stream} on {node} are {word} ({})",
            texts.len(),
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
pub(super) fn equality(
    own: &StreamRules,
    stream: &StreamHistory<'_>,
    replicas: &BTreeMap<&str, &Replica<'_>>,
    findings: &mut Vec<Finding>,
) {
    // Servers end one after the other, and messages grow old meanwhile: those that went by their
    // age are looked at one by one.
    let begins = replicas.values().map(|replica| {
        let first = replica.messages.first();
        first.map_or(u64::MAX, |message| message.sequence)
    });
    let from = match own.keeping.age_ns {
        Some(_) => begins.max().unwrap_or_default(),
        None => 0,
    };
    let since = |replica: &Replica<'_>| -> Vec<Fingerprint> {
        let messages = replica.messages.iter().copied();
        let messages = messages.filter(|message| message.sequence >= from);
        messages.cloned().collect()
    };
    let mut all = replicas
        .iter()
        .map(|(node, replica)| (node, since(replica)));
    let Some((first_node, first)) = all.next() else {
        return;
    };
    for (node, messages) in all {
        if first == messages {
            continue;
        }
        let different = first
            .iter()
            .zip(&messages)
            .find(|(one, other)| one != other)
            .map_or_else(
                || format!("{} messages against {}", first.len(), messages.len()),
                |(one, other)| format!("{one:?} against {other:?}"),
            );
        let text = format!(
            "{first_node} and {node} hold different {}: {different}",
            stream.name
        );
        findings.push(Finding::broken(FindingKind::ReplicasDiffer, text));
    }
}

/// Do replicas that can only be counted hold as much as the one that was read?
pub(super) fn counts(
    own: &StreamRules,
    stream: &StreamHistory<'_>,
    replicas: &BTreeMap<&str, &Replica<'_>>,
    findings: &mut Vec<Finding>,
) {
    let Some((reader, read)) = replicas.iter().next() else {
        return;
    };
    let place = |message: Option<&&Fingerprint>| message.map_or(0, |message| message.sequence);
    let held = Counts {
        messages: read.messages.len() as u64,
        first: place(read.messages.first()),
        last: place(read.messages.last()),
    };
    for (node, replica) in &stream.replicas {
        let Some(counted) = replica.counted else {
            continue;
        };
        // Where an empty stream begins, or one whose last message was removed ends, is its own affair.
        // What grows too old goes between one look and the next.
        let ages = own.keeping.age_ns.is_some();
        let differs = (!ages && counted.messages != held.messages)
            || (held.messages > 0
                && ((!ages && counted.first != held.first) || counted.last < held.last));
        if differs {
            let text = format!(
                "{node} says that it holds {} messages of {} ({} to {}), and {reader} holds {} ({} to {})",
                counted.messages,
                stream.name,
                counted.first,
                counted.last,
                held.messages,
                held.first,
                held.last
            );
            findings.push(Finding::broken(FindingKind::ReplicasDiffer, text));
        }
    }
}
