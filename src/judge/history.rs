//! The ledger, sorted by what judges ask: who sent what, what became of it, who holds it.

use std::collections::BTreeMap;

use crate::ledger::{AckOutcome, Event, LossScope, PublishOutcome, Stamped};
use crate::model::{ConsumerPosition, Digest, Fingerprint};

/// A place in the ledger: the number of an event.
pub(super) type Place = usize;

/// A whole drill.
#[derive(Debug, Default)]
pub(super) struct History<'a> {
    pub(super) streams: BTreeMap<&'a str, StreamHistory<'a>>,
    pub(super) fault_began: Option<(Place, u64)>,
    /// Where the step that broke something ended: from then on nothing old is acknowledged.
    pub(super) fault_over: Option<Place>,
    pub(super) recovered_at: Option<u64>,
    pub(super) load: Option<(u64, Option<u64>)>,
    /// When messages were acknowledged, in order.
    pub(super) acknowledged_at: Vec<u64>,
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
    pub(super) acks: BTreeMap<(&'a str, &'a str), Place>,
    pub(super) positions: BTreeMap<&'a str, (&'a ConsumerPosition, u64)>,
    pub(super) replicas: BTreeMap<&'a str, Replica<'a>>,
    pub(super) backup: Option<BackupEvent<'a>>,
    pub(super) deleting: Option<Place>,
    pub(super) restoring: Option<Place>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) subject: &'a str,
    pub(super) headers: Digest,
    pub(super) payload: Digest,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledged<'a> {
    pub(super) id: &'a str,
    pub(super) sequence: u64,
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
}

/// What should have become of an acknowledged message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Held,
    Lost,
    /// It was acknowledged while one was turning into the other.
    Either,
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
            Event::FaultBegan { .. } => {
                self.fault_began.get_or_insert((place, stamped.at_us));
            }
            Event::StepEnded { .. } if self.fault_began.is_some() => {
                self.fault_over.get_or_insert(place);
            }
            Event::Recovered { .. } => self.recovered_at = Some(stamped.at_us),
            Event::Published {
                outcome: PublishOutcome::Acknowledged { .. },
                ..
            } => {
                self.acknowledged_at.push(stamped.at_us);
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
                    .or_insert(place);
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
            other => self.add_to_store(place, other),
        }
    }

    /// Events about what is stored, here or in a backup.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "events that are not about a stream are none of this index's business"
    )]
    fn add_to_store(&mut self, place: Place, event: &'a Event) {
        match event {
            Event::BackedUp {
                stream,
                last_sequence,
                consumers,
                ..
            } => {
                self.stream(stream).backup = Some(BackupEvent {
                    last_sequence: *last_sequence,
                    consumers,
                });
            }
            Event::Deleting { stream } => self.stream(stream).deleting = Some(place),
            Event::Restoring { stream, .. } => self.stream(stream).restoring = Some(place),
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
            _ => {}
        }
    }

    fn stream(&mut self, name: &'a str) -> &mut StreamHistory<'a> {
        let stream = self.streams.entry(name).or_default();
        stream.name = name;
        stream
    }

    /// What should have become of a message that was acknowledged at some place.
    pub(super) fn fate(
        &self,
        scope: LossScope,
        stream: &StreamHistory<'_>,
        message: Acknowledged<'_>,
    ) -> Fate {
        let before = |limit: Option<Place>| limit.is_some_and(|limit| message.place < limit);
        match scope {
            LossScope::Nothing => Fate::Held,
            LossScope::BeforeFault if before(self.fault_began.map(|(place, _)| place)) => {
                Fate::Lost
            }
            LossScope::BeforeFault if before(self.fault_over) => Fate::Either,
            LossScope::BeforeFault => Fate::Held,
            LossScope::AfterBackup if before(self.fault_over) => {
                let saved = stream
                    .backup
                    .is_some_and(|backup| message.sequence <= backup.last_sequence);
                if saved { Fate::Held } else { Fate::Lost }
            }
            // Between the fault and the deletion an empty stream of the same name may have
            // taken messages; its sequences say nothing.
            LossScope::AfterBackup if before(stream.deleting) => Fate::Lost,
            LossScope::AfterBackup if before(stream.restoring) => Fate::Either,
            LossScope::AfterBackup => Fate::Held,
        }
    }
}

impl<'a> StreamHistory<'a> {
    fn publish(&mut self, place: Place, id: &'a str, outcome: &'a PublishOutcome) {
        match outcome {
            PublishOutcome::Acknowledged { sequence } => self.acknowledged.push(Acknowledged {
                id,
                sequence: *sequence,
                place,
            }),
            PublishOutcome::Refused { reason } => {
                self.refused.insert(id, reason);
            }
            PublishOutcome::Unknown { .. } => self.unknown += 1,
        }
    }
}
