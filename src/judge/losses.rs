//! The lost messages one by one, and where they lie: what the figures count, for whoever shows it.

use std::collections::{BTreeMap, BTreeSet};

use super::delivery::whole;
use super::finding::FindingKind;
use super::history::{Acknowledged, History};
use super::presence::{Absence, Presence, by_subject, shapes};
use super::{Rules, StreamRules};
use crate::ledger::Stamped;
use crate::model::Feed;

/// What a stream lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLosses {
    /// The stream.
    pub stream: String,
    /// How many messages it acknowledged.
    pub acknowledged: usize,
    /// Those of them that no replica holds and nothing but the faults explains, in the order of their
    /// acknowledgements.
    pub lost: Vec<LostMessage>,
}

/// An acknowledged message that no replica holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostMessage {
    /// Its message id.
    pub id: String,
    /// The sequence it was acknowledged at.
    pub sequence: u64,
    /// When that was, in microseconds since the drill began.
    pub acknowledged_at_us: u64,
    /// Its place among the stream's acknowledged messages, from 0.
    pub order: usize,
    /// Where it lies: before all that is held, after it, or in between.
    pub shape: FindingKind,
    /// Whether the scenario says that it is gone, or may be.
    pub is_allowed: bool,
}

/// What each stream lost that clients published to; none of a stream of which no replica was read.
pub fn losses(rules: &Rules, events: &[Stamped]) -> Vec<StreamLosses> {
    let history = History::of(events);
    let streams = rules.streams.iter();
    let published = streams.filter(|(_, own)| own.feed == Feed::Publishers);
    published
        .filter_map(|(name, own)| of_stream(rules, own, name, &history))
        .collect()
}

fn of_stream(
    rules: &Rules,
    own: &StreamRules,
    name: &str,
    history: &History<'_>,
) -> Option<StreamLosses> {
    let stream = history.streams.get(name)?;
    let replicas = whole(stream);
    if replicas.is_empty() && !stream.gone {
        return None;
    }
    let presence = Presence {
        lost: rules.lost,
        own,
        stream,
        history,
        subjects: by_subject(&replicas),
        replicas: &replicas,
    };
    let messages = replicas.values().flat_map(|replica| &replica.messages);
    let held: BTreeSet<&str> = messages.map(|message| message.id.as_str()).collect();
    let mut lost: Vec<(usize, &Acknowledged<'_>, bool)> = Vec::new();
    for (order, message) in stream.acknowledged.iter().enumerate() {
        if held.contains(message.id) {
            continue;
        }
        let fate = history.fate(rules.lost, stream, *message);
        if let Absence::Lost { is_allowed } = presence.absence(message, fate) {
            lost.push((order, message, is_allowed));
        }
    }
    let messages: Vec<_> = lost.iter().map(|(_, message, _)| *message).collect();
    let shapes: BTreeMap<_, _> = shapes(stream, &messages, |id| held.contains(id))
        .into_iter()
        .flat_map(|(shape, messages)| messages.into_iter().map(move |one| (one.place, shape)))
        .collect();
    let told = lost.into_iter().map(|(order, message, is_allowed)| {
        let shape = shapes.get(&message.place).copied();
        let at = stream.acknowledged_at.get(order).copied();
        LostMessage {
            id: message.id.to_owned(),
            sequence: message.sequence,
            acknowledged_at_us: at.unwrap_or_default(),
            order,
            shape: shape.unwrap_or(FindingKind::LostHole),
            is_allowed,
        }
    });
    Some(StreamLosses {
        stream: name.to_owned(),
        acknowledged: stream.acknowledged.len(),
        lost: told.collect(),
    })
}
