//! Judging drills in which nothing went wrong, and drills in which exactly one thing did.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat::judge::{FindingKind, Judgement, Rules, StreamRules, judge};
use lifeboat::ledger::{AckOutcome, Event, LossScope, PublishOutcome, Stamped};
use lifeboat::model::{
    ConsumerPosition, Digest, Feed, Fingerprint, Keeping, SequencePair, Verdict,
};
use proptest::collection::btree_set;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::config;

const STREAM: &str = "S";
const CONSUMER: &str = "c";

/// A drill in which nothing went wrong.
#[derive(Debug, Clone)]
struct Drill {
    messages: u64,
    replicas: usize,
    /// Sequences that none of the messages got.
    gaps: BTreeSet<u64>,
}

fn drill() -> impl Strategy<Value = Drill> {
    // Two messages at least, or there is nothing to swap.
    (2..40_u64, 1..4_usize, btree_set(1..40_u64, 0..5)).prop_map(|(messages, replicas, gaps)| {
        Drill {
            messages,
            replicas,
            gaps,
        }
    })
}

/// What is wrong with one message on one replica.
#[derive(Debug, Clone, Copy)]
enum Plant {
    Drop,
    Duplicate,
    AlterSubject,
    AlterHeaders,
    AlterPayload,
    AlterTime,
    Swap,
    Invent,
}

const PLANTS: &[Plant] = &[
    Plant::Drop,
    Plant::Duplicate,
    Plant::AlterSubject,
    Plant::AlterHeaders,
    Plant::AlterPayload,
    Plant::AlterTime,
    Plant::Swap,
    Plant::Invent,
];

impl Plant {
    /// What it must be found as, one of these.
    fn found_as(self, replicas: usize) -> &'static [FindingKind] {
        match self {
            // What no replica has is lost, in one of three shapes.
            Self::Drop if replicas == 1 => &[
                FindingKind::LostHead,
                FindingKind::LostHole,
                FindingKind::LostTail,
            ],
            Self::Drop => &[FindingKind::ReplicaLacks],
            Self::Duplicate => &[FindingKind::Duplicated],
            Self::AlterSubject | Self::AlterHeaders | Self::AlterPayload | Self::AlterTime => {
                &[FindingKind::Altered]
            }
            Self::Swap => &[FindingKind::Reordered],
            Self::Invent => &[FindingKind::Unexpected],
        }
    }

    fn apply(self, held: &mut Vec<Fingerprint>, at: Index) {
        let number = at.index(held.len());
        let mut extra = held[number].clone();
        extra.sequence = held.last().unwrap().sequence + 1;
        match self {
            Self::Drop => drop(held.remove(number)),
            Self::Duplicate => held.push(extra),
            Self::AlterSubject => held[number].subject.push('x'),
            Self::AlterHeaders => held[number].headers = Digest::of(b"other"),
            Self::AlterPayload => held[number].payload = Digest::of(b"other"),
            Self::AlterTime => held[number].time_ns += 1,
            Self::Swap => {
                let other = (number + 1) % held.len();
                let sequences = (held[number].sequence, held[other].sequence);
                held.swap(number, other);
                (held[number].sequence, held[other].sequence) = sequences;
            }
            Self::Invent => {
                extra.id = String::from("invented");
                held.push(extra);
            }
        }
    }
}

impl Drill {
    fn stream(&self) -> Vec<Fingerprint> {
        let sequences = (1..).filter(|sequence| !self.gaps.contains(sequence));
        (0..self.messages)
            .zip(sequences)
            .map(|(number, sequence)| Fingerprint {
                sequence,
                id: format!("m{number}"),
                subject: format!("s.{}", number % 3),
                time_ns: i64::try_from(sequence).unwrap() * 1000,
                headers: Digest::of(b"headers"),
                payload: Digest::of(&number.to_le_bytes()),
            })
            .collect()
    }

    /// Every message is sent, acknowledged, delivered and acknowledged by its consumer; then
    /// each replica is read, after `change` had its way with what it holds.
    fn judge(&self, change: impl Fn(usize, &mut Vec<Fingerprint>)) -> Judgement {
        let messages = self.stream();
        let mut events = vec![Event::LoadBegan];
        events.extend(messages.iter().flat_map(life_of));
        events.extend([Event::LoadEnded, self.position(&messages)]);
        for number in 0..self.replicas {
            let mut held = messages.clone();
            change(number, &mut held);
            events.extend(replica(number, held));
        }
        let rules = Rules {
            lost: LossScope::Nothing,
            recovery_time: None,
            write_outage: None,
            min_acknowledged: 1,
            streams: BTreeMap::from([(
                STREAM.into(),
                StreamRules {
                    replicas: self.replicas,
                    consumers: vec![CONSUMER.into()],
                    keeping: Keeping::default(),
                    feed: Feed::default(),
                },
            )]),
        };
        let stamped: Vec<_> = (0..)
            .zip(events)
            .map(|(at_us, event)| Stamped { at_us, event })
            .collect();
        judge(&rules, &stamped)
    }

    /// The consumer is through with everything.
    fn position(&self, messages: &[Fingerprint]) -> Event {
        let pair = SequencePair {
            consumer: self.messages,
            stream: messages.last().unwrap().sequence,
        };
        Event::Position {
            stream: STREAM.into(),
            position: ConsumerPosition {
                name: CONSUMER.into(),
                delivered: pair,
                ack_floor: pair,
                pending: BTreeSet::new(),
            },
            undelivered: 0,
        }
    }
}

fn life_of(message: &Fingerprint) -> [Event; 4] {
    [
        Event::Sent {
            stream: STREAM.into(),
            id: message.id.clone(),
            subject: message.subject.clone(),
            headers: message.headers,
            payload: message.payload,
        },
        Event::Published {
            stream: STREAM.into(),
            id: message.id.clone(),
            outcome: PublishOutcome::Acknowledged {
                sequence: message.sequence,
            },
        },
        Event::Delivered {
            stream: STREAM.into(),
            consumer: CONSUMER.into(),
            attempt: 1,
            message: message.clone(),
        },
        Event::Acked {
            stream: STREAM.into(),
            consumer: CONSUMER.into(),
            id: message.id.clone(),
            outcome: AckOutcome::Confirmed,
        },
    ]
}

/// What a node's replica is found to hold, in the order of the sequences, as it is always read.
fn replica(number: usize, mut held: Vec<Fingerprint>) -> Vec<Event> {
    let node = format!("n{number}");
    held.sort_by_key(|message| message.sequence);
    let read = Event::ReplicaRead {
        stream: STREAM.into(),
        node: node.clone(),
        messages: held.len() as u64,
        defects: Vec::new(),
    };
    let held = held.into_iter().map(|message| Event::Held {
        stream: STREAM.into(),
        node: node.clone(),
        message,
    });
    held.chain([read]).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_clean_drill_holds(drill in drill()) {
        let judgement = drill.judge(|_, _| {});
        prop_assert_eq!(&judgement.findings, &[]);
        prop_assert_eq!(judgement.verdict, Verdict::Held);
        prop_assert_eq!(judgement.figures.acknowledged, drill.messages);
    }

    #[test]
    fn a_single_planted_violation_is_found(
        drill in drill(),
        plant in select(PLANTS),
        at: Index,
        node: Index,
    ) {
        let node = node.index(drill.replicas);
        let judgement = drill.judge(|number, held| {
            if number == node {
                plant.apply(held, at);
            }
        });
        prop_assert_eq!(judgement.verdict, Verdict::Broken);
        let kinds: Vec<_> = judgement.findings.iter().map(|finding| finding.kind).collect();
        let expected = plant.found_as(drill.replicas);
        prop_assert!(expected.iter().any(|kind| kinds.contains(kind)), "{kinds:?}");
        let differ = kinds.contains(&FindingKind::ReplicasDiffer);
        prop_assert_eq!(differ, drill.replicas > 1, "{:?}", kinds);
    }
}
