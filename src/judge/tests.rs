//! Planted violations are found, and clean histories are clean.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::ledger::{AckOutcome, BucketObject, BucketValue, FaultKind, PublishOutcome};
use crate::model::{
    ConsumerPosition, Digest, Fingerprint, Keeping, Retention, SequencePair, Verdict,
};

const S: &str = "S";
const C: &str = "c";

/// What a test does to what a replica holds.
type Change = fn(&mut Vec<Fingerprint>);

/// A ledger in the making. Every message is published, delivered and acknowledged.
struct Story {
    events: Vec<Event>,
    stream: Vec<Fingerprint>,
}

fn message(number: u64, sequence: u64) -> Fingerprint {
    Fingerprint {
        sequence,
        id: format!("m{number}"),
        subject: String::from("s"),
        time_ns: i64::try_from(number).unwrap(),
        headers: Digest::of(b"h"),
        payload: Digest::of(&number.to_le_bytes()),
    }
}

impl Story {
    fn new() -> Self {
        Self {
            events: vec![Event::LoadBegan],
            stream: Vec::new(),
        }
    }

    fn publish(&mut self, numbers: std::ops::RangeInclusive<u64>) -> &mut Self {
        for number in numbers {
            let sequence = self.stream.last().map_or(1, |last| last.sequence + 1);
            let message = message(number, sequence);
            self.send(&message, PublishOutcome::Acknowledged { sequence });
            self.deliver(&message);
            self.stream.push(message);
        }
        self
    }

    fn send(&mut self, message: &Fingerprint, outcome: PublishOutcome) {
        self.events.push(Event::Sent {
            stream: S.into(),
            id: message.id.clone(),
            subject: message.subject.clone(),
            headers: message.headers,
            payload: message.payload,
        });
        self.events.push(Event::Published {
            stream: S.into(),
            id: message.id.clone(),
            outcome,
        });
    }

    fn deliver(&mut self, message: &Fingerprint) {
        self.events.push(Event::Delivered {
            stream: S.into(),
            consumer: C.into(),
            attempt: 1,
            message: message.clone(),
        });
        self.events.push(Event::Acked {
            stream: S.into(),
            consumer: C.into(),
            id: message.id.clone(),
            outcome: AckOutcome::Confirmed,
        });
    }

    fn fault(&mut self) -> &mut Self {
        self.events.extend([
            Event::StepBegan {
                number: 1,
                text: "kill".into(),
            },
            Event::FaultBegan {
                fault: FaultKind::KillAndWipe,
                node: "n1".into(),
            },
            Event::StepEnded {
                number: 1,
                end: StepEnd::Done,
            },
        ]);
        self
    }

    fn backup(&mut self, floor: u64) -> &mut Self {
        let last = self.stream.last().unwrap().sequence;
        let pair = |stream| SequencePair {
            consumer: stream,
            stream,
        };
        self.events.push(Event::BackedUp {
            stream: S.into(),
            backup: "b".into(),
            messages: last,
            last_sequence: last,
            consumers: vec![ConsumerPosition {
                name: C.into(),
                delivered: pair(floor),
                ack_floor: pair(floor),
                pending: BTreeSet::new(),
            }],
        });
        self
    }

    fn restore(&mut self, keep: usize) -> &mut Self {
        self.stream.truncate(keep);
        self.events.extend([
            Event::Deleting { stream: S.into() },
            Event::Restoring {
                stream: S.into(),
                backup: "b".into(),
            },
            Event::Recovered { stream: S.into() },
        ]);
        self
    }

    /// Ends the story: each replica as the stream is, changed by a function.
    fn end(&mut self, replicas: &[Change]) -> Vec<Stamped> {
        self.events.push(Event::LoadEnded);
        let last = self.stream.last().map_or(0, |last| last.sequence);
        let pair = SequencePair {
            consumer: last,
            stream: last,
        };
        self.events.push(Event::Position {
            stream: S.into(),
            position: ConsumerPosition {
                name: C.into(),
                delivered: pair,
                ack_floor: pair,
                pending: BTreeSet::new(),
            },
            undelivered: 0,
        });
        for (index, change) in replicas.iter().enumerate() {
            let node = format!("n{}", index + 2);
            let mut held = self.stream.clone();
            change(&mut held);
            let messages = held.len() as u64;
            for message in held {
                self.events.push(Event::Held {
                    stream: S.into(),
                    node: node.clone(),
                    message,
                });
            }
            self.events.push(Event::ReplicaRead {
                stream: S.into(),
                node,
                messages,
                defects: vec![],
            });
        }
        let events = self.events.drain(..).enumerate();
        events
            .map(|(index, event)| Stamped {
                at_us: index as u64,
                event,
            })
            .collect()
    }
}

fn rules(lost: LossScope, replicas: usize) -> Rules {
    Rules {
        lost,
        recovery_time: None,
        write_outage: None,
        min_acknowledged: 1,
        streams: BTreeMap::from([(
            S.into(),
            StreamRules {
                replicas,
                consumers: vec![C.into()],
                keeping: Keeping::default(),
                feed: Feed::default(),
            },
        )]),
    }
}

fn kinds(judgement: &Judgement) -> Vec<FindingKind> {
    judgement
        .findings
        .iter()
        .map(|finding| finding.kind)
        .collect()
}

fn same(_: &mut Vec<Fingerprint>) {}

fn judged(lost: LossScope, story: &mut Story, replicas: &[Change]) -> Judgement {
    let (rules, events) = (rules(lost, replicas.len()), story.end(replicas));
    let judgement = judge(&rules, &events);
    expect_the_same_losses(&rules, &events, &judgement);
    judgement
}

/// The lost messages that are told one by one are those that are counted, of the same shapes.
fn expect_the_same_losses(rules: &Rules, events: &[Stamped], judgement: &Judgement) {
    use FindingKind::{LostHead, LostHole, LostTail};
    let told: Vec<_> = losses(rules, events)
        .into_iter()
        .flat_map(|one| one.lost)
        .collect();
    assert_eq!(told.len() as u64, judgement.figures.lost, "{told:?}");
    let wrong = told.iter().filter(|one| !one.is_allowed);
    let shapes: BTreeSet<_> = wrong.map(|one| one.shape).collect();
    let found: BTreeSet<_> = kinds(judgement)
        .into_iter()
        .filter(|kind| [LostHead, LostHole, LostTail].contains(kind))
        .collect();
    assert_eq!(shapes, found, "{told:?}");
}

#[test]
fn a_clean_history_holds() {
    let judgement = judged(
        LossScope::Nothing,
        Story::new().publish(1..=9),
        &[same, same],
    );
    assert_eq!(judgement.findings, []);
    assert_eq!(judgement.verdict, Verdict::Held);
    assert_eq!(
        (judgement.figures.acknowledged, judgement.figures.lost),
        (9, 0)
    );
}

#[test]
fn a_loss_everywhere_is_told_by_its_shape() {
    let cases: [(Change, FindingKind); 3] = [
        (|held| drop(held.drain(..2)), FindingKind::LostHead),
        (|held| drop(held.remove(4)), FindingKind::LostHole),
        (|held| held.truncate(7), FindingKind::LostTail),
    ];
    for (change, kind) in cases {
        let judgement = judged(
            LossScope::Nothing,
            Story::new().publish(1..=9),
            &[change, change],
        );
        assert_eq!(judgement.verdict, Verdict::Broken);
        assert!(kinds(&judgement).contains(&kind), "{judgement:?}");
    }
    let nothing: Change = Vec::clear;
    let judgement = judged(LossScope::Nothing, Story::new().publish(1..=9), &[nothing]);
    assert_eq!(judgement.figures.lost, 9);
    assert_eq!(judgement.verdict, Verdict::Broken);
}

#[test]
fn what_one_replica_has_wrong_is_found_there() {
    let cases: [(Change, FindingKind); 7] = [
        (|held| drop(held.remove(4)), FindingKind::ReplicaLacks),
        (
            |held| held[3].payload = Digest::of(b"other"),
            FindingKind::Altered,
        ),
        (
            |held| held[3].headers = Digest::of(b"other"),
            FindingKind::Altered,
        ),
        (|held| held[3].time_ns += 1, FindingKind::Altered),
        (|held| held.push(message(1, 10)), FindingKind::Duplicated),
        (|held| held.push(message(99, 10)), FindingKind::Unexpected),
        (
            |held| {
                let (one, two) = (held[3].sequence, held[4].sequence);
                held.swap(3, 4);
                (held[3].sequence, held[4].sequence) = (one, two);
            },
            FindingKind::Reordered,
        ),
    ];
    for (change, kind) in cases {
        let judgement = judged(
            LossScope::Nothing,
            Story::new().publish(1..=9),
            &[same, change],
        );
        let found = kinds(&judgement);
        assert!(found.contains(&kind), "{kind:?}: {judgement:?}");
        assert!(
            found.contains(&FindingKind::ReplicasDiffer),
            "{judgement:?}"
        );
    }
}

#[test]
fn a_refused_message_must_not_be_there_and_an_unknown_one_may() {
    let reason = String::from("no responders");
    let outcomes = [
        (
            PublishOutcome::Refused {
                reason: reason.clone(),
            },
            Verdict::Broken,
        ),
        (PublishOutcome::Unknown { reason }, Verdict::Held),
    ];
    for (outcome, verdict) in outcomes {
        let mut story = Story::new();
        story.publish(1..=8);
        let doubtful = message(9, 9);
        story.send(&doubtful, outcome);
        story.deliver(&doubtful);
        story.stream.push(doubtful);
        assert_eq!(
            judged(LossScope::Nothing, &mut story, &[same]).verdict,
            verdict
        );
    }
}

#[test]
fn replicas_that_are_too_few_or_were_not_read_are_told_apart() {
    let events = Story::new().publish(1..=9).end(&[same, same]);
    let judgement = judge(&rules(LossScope::Nothing, 3), &events);
    assert_eq!(kinds(&judgement), [FindingKind::ReplicaCount]);
    let unread: Vec<_> = events
        .into_iter()
        .filter(|stamped| !matches!(stamped.event, Event::ReplicaRead { .. }))
        .collect();
    let judgement = judge(&rules(LossScope::Nothing, 2), &unread);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
}

#[test]
fn only_what_came_after_the_backup_may_be_gone() {
    let told = |keep, wanted: &[FindingKind]| {
        let mut story = Story::new();
        story
            .publish(1..=5)
            .backup(5)
            .publish(6..=8)
            .fault()
            .restore(keep);
        let judgement = judged(LossScope::AfterBackup, story.publish(20..=22), &[same]);
        assert_eq!(kinds(&judgement), wanted, "{judgement:?}");
        judgement
    };
    assert_eq!(told(5, &[]).figures.lost, 3);
    assert_eq!(told(4, &[FindingKind::LostHole]).figures.lost, 4);
    told(6, &[FindingKind::Unexpected, FindingKind::Skipped]);
}

#[test]
fn without_a_backup_all_that_was_before_the_fault_is_gone() {
    let mut story = Story::new();
    story.publish(1..=5).fault().stream.clear();
    let judgement = judged(LossScope::BeforeFault, story.publish(6..=8), &[same]);
    assert_eq!(judgement.findings, []);
    assert_eq!(judgement.figures.lost, 5);
    let mut story = Story::new();
    let judgement = judged(
        LossScope::BeforeFault,
        story.publish(1..=5).fault().publish(6..=8),
        &[same],
    );
    assert_eq!(kinds(&judgement), [FindingKind::Unexpected]);
}

#[test]
fn an_acknowledged_message_is_not_delivered_again() {
    let mut story = Story::new();
    story.publish(1..=5);
    story.deliver(&message(3, 3));
    let judgement = judged(LossScope::Nothing, &mut story, &[same]);
    assert_eq!(kinds(&judgement), [FindingKind::Redelivered]);
}

#[test]
fn after_a_restore_a_consumer_stands_where_the_backup_had_it() {
    let told = |floor: u64, again: &[u64]| {
        let mut story = Story::new();
        story.publish(1..=5).backup(floor).fault().restore(5);
        for number in again {
            story.deliver(&message(*number, *number));
        }
        kinds(&judged(LossScope::AfterBackup, &mut story, &[same]))
    };
    assert_eq!(told(5, &[]), []);
    assert_eq!(told(3, &[4, 5]), []);
    assert_eq!(told(3, &[5]), [FindingKind::Skipped]);
    assert_eq!(told(3, &[3, 4, 5]), [FindingKind::Redelivered]);
}

#[test]
fn a_message_that_was_never_delivered_is_found() {
    let mut events = Story::new().publish(1..=5).end(&[same]);
    events.retain(
        |stamped| !matches!(&stamped.event, Event::Delivered { message, .. } if message.id == "m4"),
    );
    let judgement = judge(&rules(LossScope::Nothing, 1), &events);
    assert_eq!(kinds(&judgement), [FindingKind::Skipped]);
}

#[test]
fn a_step_that_failed_breaks_and_one_that_could_not_be_done_does_not() {
    let reason = String::from("no");
    for (end, verdict) in [
        (
            StepEnd::Broken {
                reason: reason.clone(),
            },
            Verdict::Broken,
        ),
        (StepEnd::Impossible { reason }, Verdict::Inconclusive),
    ] {
        let mut story = Story::new();
        story.publish(1..=5).events.extend([
            Event::StepBegan {
                number: 1,
                text: "wait".into(),
            },
            Event::StepEnded { number: 1, end },
        ]);
        assert_eq!(
            judged(LossScope::Nothing, &mut story, &[same]).verdict,
            verdict
        );
    }
    let mut story = Story::new();
    story.publish(1..=5).events.push(Event::StepBegan {
        number: 1,
        text: "wait".into(),
    });
    assert_eq!(
        judged(LossScope::Nothing, &mut story, &[same]).verdict,
        Verdict::Inconclusive
    );
}

/// A server that ends by itself was no part of the drill, but that it panicked is the server's.
#[test]
fn a_server_that_panics_breaks_and_one_that_ends_otherwise_does_not() {
    let ended = || Event::Aborted {
        reason: String::from("n1 ended by itself"),
    };
    let panicked = Event::ServerPanicked {
        node: String::from("n1"),
        text: String::from("panic: out of range"),
    };
    for (events, verdict) in [
        (vec![ended()], Verdict::Inconclusive),
        (vec![panicked, ended()], Verdict::Broken),
    ] {
        let mut story = Story::new();
        story.publish(1..=5).events.extend(events);
        let judgement = judged(LossScope::Nothing, &mut story, &[same]);
        assert_eq!(judgement.verdict, verdict);
        let mut findings = judgement.findings.iter();
        let finding = findings.find(|finding| finding.kind == FindingKind::ServerPanicked);
        assert!(
            finding.is_none_or(|finding| finding.text.contains("n1 ended by itself: panic: out")),
        );
    }
}

#[test]
fn times_are_measured_and_held_against_their_limits() {
    let events = Story::new()
        .publish(1..=5)
        .fault()
        .publish(6..=9)
        .end(&[same]);
    let mut rules = rules(LossScope::Nothing, 1);
    rules.write_outage = Some(Duration::from_secs(1));
    rules.recovery_time = Some(Duration::from_secs(1));
    let judgement = judge(&rules, &events);
    assert_eq!(
        judgement.verdict,
        Verdict::Inconclusive,
        "recovery was never seen"
    );
    rules.recovery_time = None;
    rules.write_outage = Some(Duration::from_nanos(1));
    assert_eq!(kinds(&judge(&rules, &events)), [FindingKind::TooSlow]);
}

#[test]
fn a_drill_that_could_not_be_finished_is_judged_by_safety_alone() {
    let told = |change: Change| {
        let mut story = Story::new();
        let reason = String::from("no");
        story.publish(1..=5).events.extend([
            Event::StepBegan {
                number: 1,
                text: "kill".into(),
            },
            Event::StepEnded {
                number: 1,
                end: StepEnd::Impossible { reason },
            },
        ]);
        judge(&rules(LossScope::Nothing, 3), &story.end(&[change, change])).verdict
    };
    assert_eq!(told(same), Verdict::Inconclusive, "two replicas of three");
    assert_eq!(told(|held| drop(held.remove(2))), Verdict::Broken);
}

#[test]
fn a_redelivery_after_a_restore_is_excused_once() {
    let mut story = Story::new();
    story.publish(1..=5).backup(3).fault().restore(5);
    for number in [4, 5, 5] {
        story.deliver(&message(number, number));
    }
    let judgement = judged(LossScope::AfterBackup, &mut story, &[same]);
    assert_eq!(kinds(&judgement), [FindingKind::Redelivered]);
}

#[test]
fn a_stream_that_was_not_restored_keeps_everything() {
    let mut story = Story::new();
    story.publish(1..=5).backup(5).publish(6..=8).fault();
    let judgement = judged(LossScope::AfterBackup, &mut story, &[same]);
    assert_eq!(judgement.findings, []);
}

#[test]
fn a_fault_before_the_backup_does_not_change_what_it_holds() {
    let mut story = Story::new();
    story.publish(1..=2).fault().publish(3..=5).backup(5);
    story.publish(6..=8).fault().restore(5);
    let judgement = judged(LossScope::AfterBackup, &mut story, &[same]);
    assert_eq!(judgement.findings, []);
    assert_eq!(judgement.figures.lost, 3);
}

#[test]
fn a_stream_that_is_gone_has_lost_everything() {
    let mut story = Story::new();
    story.publish(1..=5);
    let mut events = story.end(&[]);
    let event = Event::StreamGone { stream: S.into() };
    events.push(Stamped { at_us: 99, event });
    let judgement = judge(&rules(LossScope::Nothing, 1), &events);
    assert_eq!(judgement.figures.lost, 5);
    assert_eq!(judgement.verdict, Verdict::Broken);
}

#[test]
fn a_delivery_of_something_else_is_found_although_the_disks_are_right() {
    let mut story = Story::new();
    story.publish(1..=5);
    let mut other = message(6, 6);
    story.send(&other, PublishOutcome::Acknowledged { sequence: 6 });
    story.stream.push(other.clone());
    other.payload = Digest::of(b"other");
    story.deliver(&other);
    let judgement = judged(LossScope::Nothing, &mut story, &[same]);
    assert_eq!(kinds(&judgement), [FindingKind::Altered]);
}

#[test]
fn an_outage_of_one_stream_does_not_hide_behind_another() {
    let mut events = Story::new().publish(1..=5).end(&[same]);
    let renamed = |mut stamped: Stamped| {
        if let Event::Published { stream, .. } | Event::Sent { stream, .. } = &mut stamped.event {
            *stream = String::from("OTHER");
        }
        stamped.at_us += 1000;
        stamped
    };
    let ended = events
        .iter()
        .position(|one| matches!(one.event, Event::LoadEnded))
        .unwrap();
    let others: Vec<_> = events[1..ended].iter().cloned().map(renamed).collect();
    events[ended].at_us = 2000;
    events.splice(ended..ended, others);
    let judgement = judge(&rules(LossScope::Nothing, 1), &events);
    let outage = judgement.figures.write_outage_seconds.unwrap();
    assert!(outage > 0.001_9, "{outage}");
}

/// Rules of one replica of a stream that drops messages by itself.
fn keeping(keeping: Keeping) -> Rules {
    let mut rules = rules(LossScope::Nothing, 1);
    if let Some(own) = rules.streams.get_mut(S) {
        own.keeping = keeping;
    }
    rules
}

impl Story {
    fn event(&mut self, event: Event) -> &mut Self {
        self.events.push(event);
        self
    }

    fn bounds(&mut self, first: u64, last: u64) -> &mut Self {
        self.event(Event::Bounds {
            stream: S.into(),
            first_sequence: first,
            last_sequence: last,
        })
    }

    fn purge(&mut self, below: u64) -> &mut Self {
        self.event(Event::Purged {
            stream: S.into(),
            below,
        })
    }

    fn remove(&mut self, sequences: &[u64]) -> &mut Self {
        self.event(Event::Removed {
            stream: S.into(),
            sequences: sequences.to_vec(),
        })
    }
}

#[test]
fn what_an_operator_removed_is_gone_from_every_replica() {
    let story = || {
        let mut story = Story::new();
        story.publish(1..=6).purge(3).publish(7..=9).remove(&[4, 7]);
        story
    };
    let removed: Change = |held| held.retain(|one| ![1, 2, 4, 7].contains(&one.sequence));
    let held = judged(LossScope::Nothing, &mut story(), &[removed, removed]);
    assert_eq!(held.findings, []);
    assert_eq!((held.figures.removed, held.figures.lost), (4, 0));

    let undeleted: Change = |held| held.retain(|one| ![1, 2, 4].contains(&one.sequence));
    let back = judged(LossScope::Nothing, &mut story(), &[removed, undeleted]);
    assert_eq!(back.figures.unexpected, 1);
    let text = &back.findings[1].text;
    assert!(
        text.contains("n3 still holds 1 messages of S that were purged or deleted (m7"),
        "{back:?}"
    );
    assert!(!kinds(&back).contains(&FindingKind::ReplicaLacks));

    // What nobody removed is lost all the same.
    let too_much: Change = |held| held.retain(|one| one.sequence > 5 && one.sequence != 7);
    let lost = judged(LossScope::Nothing, &mut story(), &[too_much, too_much]);
    assert_eq!(lost.figures.lost, 2, "{lost:?}");
    assert_eq!(kinds(&lost)[0], FindingKind::LostHead);
}

#[test]
fn what_comes_after_a_removal_uses_no_excuse_of_it() {
    let mut story = Story::new();
    story.publish(1..=3).purge(9).publish(4..=6);
    let gone: Change = |held| held.retain(|one| one.sequence > 4);
    let judgement = judged(LossScope::Nothing, &mut story, &[gone]);
    assert_eq!((judgement.figures.removed, judgement.figures.lost), (3, 1));
}

#[test]
fn what_was_removed_may_come_back_from_a_backup() {
    for change in [same as Change, |held| drop(held.drain(..2))] {
        let mut story = Story::new();
        story.publish(1..=4).backup(4).purge(3);
        story.restore(4);
        let judgement = judged(LossScope::AfterBackup, &mut story, &[change]);
        assert_eq!(judgement.findings, [], "{judgement:?}");
    }
}

#[test]
fn what_a_restored_stream_loses_to_an_operator_is_removed() {
    let mut story = Story::new();
    story.publish(1..=4).backup(4).restore(4).remove(&[2]);
    let gone: Change = |held| held.retain(|one| one.sequence != 2);
    let judgement = judged(LossScope::AfterBackup, &mut story, &[gone]);
    assert_eq!(judgement.findings, [], "{judgement:?}");
    assert_eq!(judgement.figures.removed, 1);
}

#[test]
fn what_made_room_is_evicted_and_what_went_otherwise_is_lost() {
    let limit = || {
        keeping(Keeping {
            messages: Some(5),
            ..Keeping::default()
        })
    };
    let story = || {
        let mut story = Story::new();
        story.publish(1..=9).bounds(5, 9);
        story
    };
    let newest: Change = |held| drop(held.drain(..4));
    let judgement = judge(&limit(), &story().end(&[newest]));
    assert_eq!(judgement.findings, []);
    assert_eq!((judgement.figures.evicted, judgement.figures.lost), (4, 0));
    // Without the limit it is a loss.
    let judgement = judged(LossScope::Nothing, &mut story(), &[newest]);
    assert_eq!(judgement.figures.lost, 4);
    for (change, kind) in [
        (
            (|held| drop(held.drain(..6))) as Change,
            FindingKind::LostHead,
        ),
        (
            |held| held.retain(|one| one.sequence > 4 && one.sequence != 7),
            FindingKind::LostHole,
        ),
        (
            |held| held.retain(|one| (5..9).contains(&one.sequence)),
            FindingKind::LostTail,
        ),
    ] {
        let judgement = judge(&limit(), &story().end(&[change]));
        assert!(kinds(&judgement).contains(&kind), "{kind:?}: {judgement:?}");
    }
    // A leader that says it begins later than the limit allows excuses nothing.
    let mut story = Story::new();
    story.publish(1..=9).bounds(8, 9);
    let judgement = judge(&limit(), &story.end(&[|held| drop(held.drain(..7))]));
    assert_eq!((judgement.figures.evicted, judgement.figures.lost), (4, 3));
}

#[test]
fn what_was_too_young_to_expire_is_lost() {
    // Events are a microsecond apart: the first message is sent at 1, read at 42 or later.
    let age = |micros: u64| {
        keeping(Keeping {
            age_ns: Some(micros * 1000),
            ..Keeping::default()
        })
    };
    let judged = |micros| {
        let mut story = Story::new();
        let events = story
            .publish(1..=9)
            .bounds(2, 9)
            .end(&[|held| drop(held.remove(0))]);
        judge(&age(micros), &events)
    };
    assert_eq!(judged(20).findings, []);
    assert_eq!(judged(20).figures.evicted, 1);
    assert!(kinds(&judged(500)).contains(&FindingKind::LostHead));
}

#[test]
fn what_every_consumer_acknowledged_may_be_gone_and_nothing_else() {
    for retention in [Retention::Interest, Retention::WorkQueue] {
        let rules = keeping(Keeping {
            retention,
            ..Keeping::default()
        });
        let mut story = Story::new();
        story.publish(1..=4).bounds(5, 4);
        let judgement = judge(&rules, &story.end(&[|held| held.clear()]));
        assert_eq!(judgement.findings, [], "{judgement:?}");
        assert_eq!(judgement.figures.evicted, 4);

        let mut story = Story::new();
        story.publish(1..=4);
        let unread = message(5, 5);
        story.send(&unread, PublishOutcome::Acknowledged { sequence: 5 });
        story.bounds(6, 5);
        let judgement = judge(&rules, &story.end(&[|held| held.clear()]));
        assert_eq!(judgement.figures.lost, 1, "{judgement:?}");
    }
}

#[test]
fn disks_that_were_put_back_lack_what_came_after_the_copy_and_no_more() {
    let story = |numbers_after: std::ops::RangeInclusive<u64>| {
        let mut story = Story::new();
        story.publish(1..=3);
        story.event(Event::Copying {
            copy: "c".into(),
            nodes: vec!["n1".into()],
        });
        story.event(Event::Copied { copy: "c".into() });
        story.publish(4..=6);
        story.event(Event::RollingBack {
            copy: "c".into(),
            nodes: vec!["n1".into()],
        });
        story.fault();
        story.stream.truncate(3);
        story.publish(numbers_after);
        story
    };
    let held = judged(LossScope::AfterCopy, &mut story(7..=9), &[same]);
    assert_eq!(held.findings, [], "{held:?}");
    assert_eq!(held.figures.lost, 3);
    // Lost from before the copy, or from after.
    for change in [(|held| drop(held.remove(1))) as Change, |held| {
        drop(held.pop())
    }] {
        let judgement = judged(LossScope::AfterCopy, &mut story(7..=9), &[change]);
        assert_eq!(judgement.verdict, Verdict::Broken, "{judgement:?}");
    }
    // Still there, so nothing was put back.
    let there: Change = |held| held.insert(3, message(5, 5));
    let judgement = judged(LossScope::AfterCopy, &mut story(7..=9), &[there]);
    assert!(kinds(&judgement).contains(&FindingKind::Unexpected));
    let nothing = judged(LossScope::Nothing, &mut story(7..=9), &[same]);
    assert_eq!(nothing.figures.lost, 3);
    assert_eq!(nothing.verdict, Verdict::Broken);
}

#[test]
fn an_acknowledgement_that_a_disk_forgot_is_no_fault_of_the_consumer() {
    for (scope, verdict) in [
        (LossScope::AfterCopy, Verdict::Held),
        (LossScope::Nothing, Verdict::Broken),
    ] {
        let mut story = Story::new();
        story.event(Event::Copying {
            copy: "c".into(),
            nodes: vec!["n1".into()],
        });
        story.publish(1..=1);
        story.event(Event::Copied { copy: "c".into() });
        story.event(Event::RollingBack {
            copy: "c".into(),
            nodes: vec!["n1".into()],
        });
        story.fault();
        let again = message(1, 1);
        story.deliver(&again);
        let judgement = judged(scope, &mut story, &[same]);
        assert_eq!(judgement.verdict, verdict, "{judgement:?}");
        assert_eq!(judgement.figures.redelivered, 1);
    }
}

#[test]
fn a_replica_that_can_only_be_counted_has_to_agree() {
    for (messages, first, last, verdict) in [
        (4, 1, 4, Verdict::Held),
        (3, 1, 4, Verdict::Broken),
        (4, 2, 4, Verdict::Broken),
        (4, 1, 3, Verdict::Broken),
    ] {
        let mut story = Story::new();
        story.publish(1..=4).event(Event::ReplicaCounted {
            stream: S.into(),
            node: "n9".into(),
            messages,
            first_sequence: first,
            last_sequence: last,
        });
        let judgement = judge(&rules(LossScope::Nothing, 2), &story.end(&[same]));
        assert_eq!(judgement.verdict, verdict, "{judgement:?}");
    }
    // Of a stream that was only counted nobody knows what is in it.
    let mut story = Story::new();
    story.publish(1..=4).event(Event::ReplicaCounted {
        stream: S.into(),
        node: "n9".into(),
        messages: 4,
        first_sequence: 1,
        last_sequence: 4,
    });
    let judgement = judge(&rules(LossScope::Nothing, 1), &story.end(&[]));
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
    // It counts as a replica, and takes the place of none.
    let mut story = Story::new();
    let judgement = judge(
        &rules(LossScope::Nothing, 2),
        &story.publish(1..=4).end(&[same]),
    );
    assert_eq!(kinds(&judgement), [FindingKind::ReplicaCount]);
}

#[test]
fn a_stream_takes_messages_until_a_backup_is_in_its_place() {
    let mut story = Story::new();
    story.publish(1..=4).backup(4).publish(5..=6);
    story.event(Event::Restoring {
        stream: S.into(),
        backup: "b".into(),
    });
    story.publish(7..=8);
    story.event(Event::Restored {
        stream: S.into(),
        backup: "b".into(),
    });
    story.stream.truncate(4);
    story.publish(9..=10);
    let events = story.end(&[same]);
    let judgement = judge(&rules(LossScope::AfterBackup, 1), &events);
    assert_eq!(judgement.findings, [], "{judgement:?}");
    assert_eq!(judgement.figures.lost, 4);
}

const M: &str = "M";

/// Rules of a drill whose stream `M` gets its messages from `S`.
fn derived_rules(feed: Feed) -> Rules {
    let mut rules = rules(LossScope::Nothing, 1);
    let derived = StreamRules {
        replicas: 1,
        consumers: Vec::new(),
        keeping: Keeping::default(),
        feed,
    };
    rules.streams.insert(M.into(), derived);
    rules
}

/// A clean history of nine messages, of which `S` holds what one function leaves and `M` what another
/// does; `M` has given its consumers what a third leaves.
fn derived(feed: Feed, origin: Change, own: Change, given: Change) -> Judgement {
    let mut story = Story::new();
    story.publish(1..=9);
    let (mut held, mut delivered) = (story.stream.clone(), story.stream.clone());
    own(&mut held);
    given(&mut delivered);
    let mut events = story.end(&[origin]);
    let mut add = |event| {
        let at_us = events.len() as u64;
        events.push(Stamped { at_us, event });
    };
    for message in delivered {
        add(Event::Delivered {
            stream: M.into(),
            consumer: C.into(),
            attempt: 1,
            message,
        });
    }
    let messages = held.len() as u64;
    for message in held {
        add(Event::Held {
            stream: M.into(),
            node: "n9".into(),
            message,
        });
    }
    add(Event::ReplicaRead {
        stream: M.into(),
        node: "n9".into(),
        messages,
        defects: vec![],
    });
    judge(&derived_rules(feed), &events)
}

fn mirror() -> Feed {
    Feed::Mirror(S.into())
}

#[test]
fn a_mirror_that_holds_what_its_origin_holds_is_clean() {
    let judgement = derived(mirror(), same, same, same);
    assert_eq!(judgement.findings, []);
    let sequences: Change = |held| held.iter_mut().for_each(|one| one.sequence += 5);
    let header: Change = |held| {
        for message in held {
            message.sequence += 5;
            message.headers = Digest::of(b"and Nats-Stream-Source");
        }
    };
    let sources = Feed::Sources(vec![S.into()]);
    assert_eq!(derived(sources, same, header, header).findings, []);
    let moved = kinds(&derived(mirror(), same, sequences, same));
    assert_eq!(moved, [FindingKind::Reordered]);
}

#[test]
fn what_is_wrong_with_a_mirror_is_found() {
    let cases: [(Change, FindingKind); 8] = [
        (|held| drop(held.remove(4)), FindingKind::OriginHoldsMore),
        (|held| held.truncate(7), FindingKind::OriginHoldsMore),
        (Vec::clear, FindingKind::OriginHoldsMore),
        (|held| held.push(message(1, 10)), FindingKind::Duplicated),
        (|held| held.push(message(99, 10)), FindingKind::Unexpected),
        (
            |held| held[3].payload = Digest::of(b"other"),
            FindingKind::Altered,
        ),
        (
            |held| held[3].headers = Digest::of(b"other"),
            FindingKind::Altered,
        ),
        (|held| held[3].time_ns += 1, FindingKind::Altered),
    ];
    for (change, kind) in cases {
        let judgement = derived(mirror(), same, change, Vec::clear);
        assert_eq!(judgement.verdict, Verdict::Broken, "{kind:?}");
        assert!(kinds(&judgement).contains(&kind), "{kind:?}: {judgement:?}");
    }
    let never_sent: Change = |given| given.push(message(99, 10));
    let judgement = derived(mirror(), same, same, never_sent);
    assert!(kinds(&judgement).contains(&FindingKind::Altered));
}

#[test]
fn what_a_mirror_still_holds_and_its_origin_lost_is_counted_and_must_stay() {
    let tail: Change = |held| held.truncate(7);
    let judgement = derived(mirror(), tail, same, same);
    // What the origin lost is found there alone.
    assert_eq!(
        kinds(&judgement),
        [FindingKind::LostTail, FindingKind::Position]
    );
    assert_eq!((judgement.figures.ahead, judgement.figures.behind), (2, 0));
    let judgement = derived(mirror(), tail, tail, same);
    assert!(kinds(&judgement).contains(&FindingKind::LostHole));
    assert_eq!(judgement.figures.ahead, 0);
}

#[test]
fn a_mirror_whose_origin_holds_too_little_proves_nothing() {
    let judgement = derived(mirror(), Vec::clear, same, same);
    let text = "hold only 0 acknowledged messages";
    assert!(judgement.findings.iter().any(|one| one.text.contains(text)));
}

/// Publishes nine messages to three keys in turn.
fn keyed() -> Story {
    let mut story = Story::new();
    for number in 1..=9 {
        let mut message = message(number, number);
        message.subject = format!("key-{}", number % 3);
        let sequence = number;
        story.send(&message, PublishOutcome::Acknowledged { sequence });
        story.deliver(&message);
        story.stream.push(message);
    }
    story
}

#[test]
fn a_limit_for_each_subject_is_judged_by_subject() {
    let mut rules = rules(LossScope::Nothing, 1);
    let own = rules.streams.get_mut(S).unwrap();
    own.keeping.per_subject = Some(2);
    let judged = |change: Change| judge(&rules, &keyed().end(&[change]));
    // The newest two of each key are left: seven to nine, and four to six.
    let kept: Change = |held| drop(held.drain(..3));
    let judgement = judged(kept);
    assert_eq!(judgement.findings, []);
    assert_eq!(judgement.figures.evicted, 3);
    // The fourth has one newer message of its key, and no more.
    let hole: Change = |held| drop(held.remove(3));
    assert!(kinds(&judged(hole)).contains(&FindingKind::LostHole));
    // Of a key whose newest is gone, the older ones are needed.
    let newest: Change = |held| {
        held.remove(8);
        held.remove(2);
    };
    let judgement = judged(newest);
    assert_eq!((judgement.figures.evicted, judgement.figures.lost), (0, 2));
}

/// What a client reads of a bucket, after this story, where the newest values are changed.
fn read_of(story: &mut Story, change: fn(&mut Vec<BucketValue>)) -> Vec<FindingKind> {
    let mut newest: BTreeMap<String, BucketValue> = BTreeMap::new();
    for message in &story.stream {
        let value = BucketValue {
            subject: message.subject.clone(),
            sequence: message.sequence,
            payload: message.payload,
        };
        newest.insert(message.subject.clone(), value);
    }
    let mut values: Vec<_> = newest.into_values().collect();
    change(&mut values);
    let stream = String::from(S);
    story.events.extend([
        Event::ReadingBucket {
            stream: stream.clone(),
        },
        Event::BucketRead { stream, values },
    ]);
    let restored = story
        .events
        .iter()
        .any(|event| matches!(event, Event::Restoring { .. }));
    let lost = if restored {
        LossScope::AfterBackup
    } else {
        LossScope::Nothing
    };
    kinds(&judge(&rules(lost, 1), &story.end(&[same])))
}

#[test]
fn a_bucket_has_to_be_read_as_it_was_acknowledged_last() {
    assert_eq!(read_of(&mut keyed(), |_| {}), []);
    let cases: [fn(&mut Vec<BucketValue>); 4] = [
        |values| drop(values.pop()),
        |values| values[0].payload = Digest::of(b"other"),
        |values| values[0].sequence += 1,
        |values| {
            // What the key was before.
            values[0].sequence = 6;
            values[0].payload = Digest::of(&6_u64.to_le_bytes());
        },
    ];
    for change in cases {
        assert_eq!(read_of(&mut keyed(), change), [FindingKind::ReadWrong]);
    }
    let nothing = read_of(&mut Story::new(), |_| {});
    assert!(nothing.contains(&FindingKind::NotChecked));
}

#[test]
fn after_a_restore_a_bucket_is_read_as_the_backup_has_it() {
    let restored = || {
        let mut story = keyed();
        story.backup(9);
        let last = Fingerprint {
            subject: String::from("key-1"),
            ..message(10, 10)
        };
        story.send(&last, PublishOutcome::Acknowledged { sequence: 10 });
        story.deliver(&last);
        story.restore(9);
        story
    };
    assert_eq!(read_of(&mut restored(), |_| {}), []);
    let gone: fn(&mut Vec<BucketValue>) = |values| {
        values[1].sequence = 10;
        values[1].payload = Digest::of(&10_u64.to_le_bytes());
    };
    assert_eq!(read_of(&mut restored(), gone), [FindingKind::ReadWrong]);
}

/// Two objects are put, and two more after a backup that is then restored; these are read.
fn objects_read(lost: LossScope, objects: Vec<BucketObject>) -> Vec<FindingKind> {
    let put = |number: u64| Event::ObjectPut {
        stream: S.into(),
        name: format!("o{number}"),
        content: Digest::of(&number.to_le_bytes()),
    };
    let mut events: Vec<_> = [1, 2].map(put).into();
    events.push(Event::BackedUp {
        stream: S.into(),
        backup: "b".into(),
        messages: 4,
        last_sequence: 4,
        consumers: vec![],
    });
    events.extend([3, 4].map(put));
    events.push(Event::Restoring {
        stream: S.into(),
        backup: "b".into(),
    });
    events.push(Event::ObjectsRead {
        stream: S.into(),
        objects,
    });
    events.push(Event::ReplicaRead {
        stream: S.into(),
        node: "n1".into(),
        messages: 0,
        defects: vec![],
    });
    let events: Vec<_> = events
        .into_iter()
        .map(|event| Stamped { at_us: 0, event })
        .collect();
    let mut rules = rules(lost, 1);
    let own = rules.streams.get_mut(S).unwrap();
    (own.feed, own.consumers) = (Feed::Objects, vec![]);
    kinds(&judge(&rules, &events))
}

#[test]
fn objects_have_to_be_read_as_they_were_put() {
    let object = |number: u64, content: u64| BucketObject {
        name: format!("o{number}"),
        content: Ok(Digest::of(&content.to_le_bytes())),
    };
    let unreadable = BucketObject {
        name: "o2".into(),
        content: Err("no".into()),
    };
    let all: Vec<_> = (1..=4).map(|number| object(number, number)).collect();
    let wrong = [FindingKind::ReadWrong];
    assert_eq!(objects_read(LossScope::Nothing, all.clone()), []);
    assert_eq!(objects_read(LossScope::AfterBackup, all[..2].to_vec()), []);
    for (lost, objects) in [
        (LossScope::AfterBackup, all.clone()),
        (LossScope::Nothing, all[..2].to_vec()),
        (LossScope::AfterBackup, all[..1].to_vec()),
        (LossScope::AfterBackup, vec![object(1, 1), object(2, 1)]),
        (LossScope::AfterBackup, vec![object(1, 1), unreadable]),
        (
            LossScope::AfterBackup,
            [&all[..2], &[object(9, 9)]].concat(),
        ),
    ] {
        assert_eq!(objects_read(lost, objects), wrong);
    }
}
