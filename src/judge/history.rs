//! The ledger, sorted by what judges ask: who sent what, what became of it, who holds it.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{AckOutcome, Event, PublishOutcome, Stamped, StepEnd};
use crate::model::{ConsumerPosition, Digest, Fingerprint};

/// A place in the ledger: the number of an event.
pub(super) type Place = usize;

/// A whole drill.
#[derive(Debug, Default)]
pub(super) struct History<'a> {
    pub(super) streams: BTreeMap<&'a str, StreamHistory<'a>>,
    pub(super) faults: Vec<Fault>,
    /// Copies of disks by name: where copying them began, and where it was over.
    pub(super) copies: BTreeMap<&'a str, (Place, Option<Place>)>,
    /// Where disks were put back last, and to which copy.
    pub(super) rolling_back: Option<(Place, &'a str)>,
    pub(super) recovered_at: Option<u64>,
    pub(super) load: Option<(u64, Option<u64>)>,
}

/// Something that was broken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) began: Place,
    pub(super) at_us: u64,
    /// Where its step ended.
    pub(super) over: Option<Place>,
}

/// Everything about one stream.
#[derive(Debug, Default)]
pub(super) struct StreamHistory<'a> {
    pub(super) name: &'a str,
    pub(super) sent: BTreeMap<&'a str, Sent<'a>>,
    pub(super) refused: BTreeMap<&'a str, &'a str>,
    pub(super) unknown: u64,
    /// Acknowledged messages in the order of their acknowledgements.
    pub(super) acknowledged: Vec<Acknowledged<'a>>,
    pub(super) deliveries: Vec<DeliveryEvent<'a>>,
    /// When messages were acknowledged, in order.
    pub(super) acknowledged_at: Vec<u64>,
    /// Every confirmed acknowledgement by consumer and message.
    pub(super) acks: BTreeMap<(&'a str, &'a str), Vec<Place>>,
    /// Acknowledgements that may have been taken, by consumer and message.
    pub(super) unsure_acks: BTreeSet<(&'a str, &'a str)>,
    pub(super) positions: BTreeMap<&'a str, (&'a ConsumerPosition, u64)>,
    pub(super) replicas: BTreeMap<&'a str, Replica<'a>>,
    pub(super) backups: BTreeMap<&'a str, BackupEvent<'a>>,
    pub(super) deleting: Option<Place>,
    /// Where a restore began, and from which backup.
    pub(super) restoring: Option<(Place, &'a str)>,
    /// Where that restore was done.
    pub(super) restored: Option<Place>,
    /// Where it was purged, and below which sequence.
    pub(super) purges: Vec<(Place, u64)>,
    /// Where messages of it were deleted, and which sequences.
    pub(super) removals: Vec<(Place, &'a [u64])>,
    /// Its first and last sequence at the end, by its leader's word.
    pub(super) bounds: Option<(u64, u64)>,
    /// Whether the server said at the end that there is no such stream.
    pub(super) gone: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) subject: &'a str,
    pub(super) headers: Digest,
    pub(super) payload: Digest,
    pub(super) place: Place,
    pub(super) at_us: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledged<'a> {
    pub(super) id: &'a str,
    pub(super) sequence: u64,
    /// When it was sent, in microseconds.
    pub(super) sent_at_us: u64,
    /// Where it was sent: the server acknowledged it between there and `place`.
    pub(super) sent: Place,
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct DeliveryEvent<'a> {
    pub(super) consumer: &'a str,
    pub(super) message: &'a Fingerprint,
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct BackupEvent<'a> {
    pub(super) place: Place,
    pub(super) last_sequence: u64,
    pub(super) consumers: &'a [ConsumerPosition],
}

/// What one node holds of a stream.
#[derive(Debug, Default)]
pub(super) struct Replica<'a> {
    pub(super) messages: Vec<&'a Fingerprint>,
    pub(super) defects: &'a [String],
    /// Whether the reader said that this is all.
    pub(super) whole: bool,
    pub(super) unreadable: Option<&'a str>,
    /// When it was read, in microseconds.
    pub(super) read_at_us: u64,
    /// What it holds by its server's word, where it can't be read.
    pub(super) counted: Option<Counts>,
}

/// What a replica holds by its server's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) messages: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl<'a> History<'a> {
    pub(super) fn of(events: &'a [Stamped]) -> Self {
        let mut history = Self::default();
        for (place, stamped) in events.iter().enumerate() {
            history.add(place, stamped);
        }
        history
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "an index picks out what it needs; `judge` itself looks at every step"
    )]
    fn add(&mut self, place: Place, stamped: &'a Stamped) {
        match &stamped.event {
            Event::LoadBegan => self.load = Some((stamped.at_us, None)),
            Event::LoadEnded => {
                if let Some((_, end)) = &mut self.load {
                    *end = Some(stamped.at_us);
                }
            }
            Event::FaultBegan { .. } => self.faults.push(Fault {
                began: place,
                at_us: stamped.at_us,
                over: None,
            }),
            Event::StepEnded { end, .. } => {
                // What could not be carried out broke nothing, and its lab went on.
                if matches!(end, StepEnd::Withdrawn { .. }) {
                    self.faults.retain(|fault| fault.over.is_some());
                }
                if let Some(fault) = self.faults.last_mut() {
                    fault.over.get_or_insert(place);
                }
            }
            // What was whole before anything broke has not recovered from it.
            Event::Recovered { .. } if !self.faults.is_empty() => {
                self.recovered_at = Some(stamped.at_us);
            }
            Event::Copying { copy, .. } => {
                self.copies.insert(copy, (place, None));
            }
            Event::Copied { copy } => {
                if let Some((_, over)) = self.copies.get_mut(copy.as_str()) {
                    *over = Some(place);
                }
            }
            Event::RollingBack { copy, .. } => self.rolling_back = Some((place, copy)),
            Event::Sent { stream, id, .. } => {
                self.add_to_stream(place, &stamped.event);
                if let Some(sent) = self.stream(stream).sent.get_mut(id.as_str()) {
                    sent.at_us = stamped.at_us;
                }
            }
            Event::ReplicaRead { stream, node, .. } => {
                self.add_to_stream(place, &stamped.event);
                let replica = self.stream(stream).replicas.entry(node).or_default();
                replica.read_at_us = stamped.at_us;
            }
            Event::Published {
                stream,
                outcome: PublishOutcome::Acknowledged { .. },
                ..
            } => {
                self.stream(stream).acknowledged_at.push(stamped.at_us);
                self.add_to_stream(place, &stamped.event);
            }
            other => self.add_to_stream(place, other),
        }
    }

    /// Events about messages and consumers.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not about messages is looked at next"
    )]
    fn add_to_stream(&mut self, place: Place, event: &'a Event) {
        match event {
            Event::Sent {
                stream,
                id,
                subject,
                headers,
                payload,
            } => {
                let sent = Sent {
                    subject,
                    headers: *headers,
                    payload: *payload,
                    place,
                    at_us: 0,
                };
                self.stream(stream).sent.insert(id, sent);
            }
            Event::Published {
                stream,
                id,
                outcome,
            } => self.stream(stream).publish(place, id, outcome),
            Event::Delivered {
                stream,
                consumer,
                message,
                ..
            } => {
                let delivery = DeliveryEvent {
                    consumer,
                    message,
                    place,
                };
                self.stream(stream).deliveries.push(delivery);
            }
            Event::Acked {
                stream,
                consumer,
                id,
                outcome: AckOutcome::Confirmed,
            } => {
                self.stream(stream)
                    .acks
                    .entry((consumer, id))
                    .or_default()
                    .push(place);
            }
            Event::Acked {
                stream,
                consumer,
                id,
                outcome: AckOutcome::Unknown,
            } => {
                self.stream(stream).unsure_acks.insert((consumer, id));
            }
            Event::Position {
                stream,
                position,
                undelivered,
            } => {
                self.stream(stream)
                    .positions
                    .insert(&position.name, (position, *undelivered));
            }
            other => self.add_to_backups(place, other),
        }
    }

    /// Events about backups and restores.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not about backups is looked at next"
    )]
    fn add_to_backups(&mut self, place: Place, event: &'a Event) {
        match event {
            Event::BackedUp {
                stream,
                backup,
                last_sequence,
                consumers,
                ..
            } => {
                let event = BackupEvent {
                    place,
                    last_sequence: *last_sequence,
                    consumers,
                };
                self.stream(stream).backups.insert(backup, event);
            }
            Event::Deleting { stream } => self.stream(stream).deleting = Some(place),
            Event::Restored { stream, .. } => self.stream(stream).restored = Some(place),
            Event::Restoring { stream, backup } => {
                self.stream(stream).restoring = Some((place, backup));
            }
            other => self.add_to_end(place, other),
        }
    }

    /// Events about what operators removed, and what is left at the end.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "events that are not about a stream are none of this index's business"
    )]
    fn add_to_end(&mut self, place: Place, event: &'a Event) {
        match event {
            Event::Purged { stream, below } => {
                self.stream(stream).purges.push((place, *below));
            }
            Event::Removed { stream, sequences } => {
                self.stream(stream).removals.push((place, sequences));
            }
            Event::Bounds {
                stream,
                first_sequence,
                last_sequence,
            } => self.stream(stream).bounds = Some((*first_sequence, *last_sequence)),
            Event::StreamGone { stream } => self.stream(stream).gone = true,
            Event::Held {
                stream,
                node,
                message,
            } => {
                let replica = self.stream(stream).replicas.entry(node).or_default();
                replica.messages.push(message);
            }
            Event::ReplicaRead {
                stream,
                node,
                messages,
                defects,
            } => {
                let replica = self.stream(stream).replicas.entry(node).or_default();
                replica.whole = replica.messages.len() as u64 == *messages;
                replica.defects = defects;
            }
            Event::ReplicaUnreadable {
                stream,
                node,
                reason,
            } => {
                self.stream(stream)
                    .replicas
                    .entry(node)
                    .or_default()
                    .unreadable = Some(reason);
            }
            Event::ReplicaCounted {
                stream,
                node,
                messages,
                first_sequence,
                last_sequence,
            } => {
                let replica = self.stream(stream).replicas.entry(node).or_default();
                replica.counted = Some(Counts {
                    messages: *messages,
                    first: *first_sequence,
                    last: *last_sequence,
                });
            }
            _ => {}
        }
    }

    fn stream(&mut self, name: &'a str) -> &mut StreamHistory<'a> {
        let stream = self.streams.entry(name).or_default();
        stream.name = name;
        stream
    }
}

impl<'a> StreamHistory<'a> {
    /// The backup that was restored.
    pub(super) fn restored_backup(&self) -> Option<BackupEvent<'a>> {
        let (_, name) = self.restoring?;
        self.backups.get(name).copied()
    }

    fn publish(&mut self, place: Place, id: &'a str, outcome: &'a PublishOutcome) {
        match outcome {
            PublishOutcome::Acknowledged { sequence } => self.acknowledged.push(Acknowledged {
                id,
                sequence: *sequence,
                sent: self.sent.get(id).map_or(place, |sent| sent.place),
                sent_at_us: self.sent.get(id).map_or(0, |sent| sent.at_us),
                place,
            }),
            PublishOutcome::Refused { reason } => {
                self.refused.insert(id, reason);
            }
            PublishOutcome::Unknown { .. } => self.unknown += 1,
        }
    }
}
