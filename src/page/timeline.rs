//! A ledger as series over time: steps, faults, what became of publishes, how far consumers came. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::words::from_us;
use crate::judge::{WriteGap, recovery_span, write_gap};
use crate::ledger::{AckOutcome, Event, PublishOutcome, Stamped, StepEnd};
use crate::scenario::Scenario;

/// A second in microseconds.
const SECOND: u64 = 1_000_000;
/// How long a column may stand for, in seconds.
const COLUMN_SECONDS: [u64; 11] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];
/// No more columns than the eye can tell apart.
const MOST_COLUMNS: u64 = 120;
/// Points of a line.
const POINTS: u64 = 300;
/// No drill takes a year; a ledger that says so is still shown.
const LONGEST_US: u64 = 365 * 24 * 3600 * SECOND;

/// Everything of a drill that has a place in time, in seconds since it began.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Timeline {
    /// Where it ends; more than nothing.
    pub(super) end: f64,
    pub(super) steps: Vec<StepSpan>,
    pub(super) faults: Vec<Mark>,
    pub(super) recovered: Vec<Mark>,
    pub(super) load: Option<(f64, f64)>,
    pub(super) outcomes: Outcomes,
    pub(super) progress: Vec<Progress>,
    pub(super) notes: Vec<Mark>,
    pub(super) gap: Option<WriteGap>,
    pub(super) recovery: Option<(f64, f64)>,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepSpan {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) from: f64,
    /// None when it never ended.
    pub(super) to: Option<f64>,
    pub(super) end: Option<StepEnd>,
}

/// Something that happened at once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub(super) at: f64,
    pub(super) text: String,
}

/// What became of publishes, in columns of equal width.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcomes {
    /// Seconds that a column stands for.
    pub(super) width: f64,
    pub(super) columns: Vec<Column>,
}

/// Publishes that ended within a column, by how they did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) unknown: u64,
}

impl Column {
    pub(super) fn all(self) -> u64 {
        let told = self.acknowledged.saturating_add(self.refused);
        told.saturating_add(self.unknown)
    }

    /// What has no acknowledgement.
    pub(super) fn troubles(self) -> u64 {
        self.refused.saturating_add(self.unknown)
    }
}

/// How many distinct messages a consumer had acknowledged, and its stream publishers, by a time.
#[derive(Debug, PartialEq)]
pub(super) struct Progress {
    pub(super) stream: String,
    pub(super) consumer: String,
    /// Empty where clients publish nothing, as to a mirror: there is nothing to compare with.
    pub(super) acknowledged: Vec<(f64, u64)>,
    pub(super) consumed: Vec<(f64, u64)>,
}

impl Timeline {
    /// Of a ledger. The scenario says which consumers there are, and whether what it loses can recover.
    pub(super) fn of(events: &[Stamped], scenario: Option<&Scenario>) -> Self {
        let during = events.iter().filter(|one| is_during(&one.event));
        let last = during.map(|one| one.at_us).max().unwrap_or_default();
        let end_us = last.clamp(SECOND / 100, LONGEST_US);
        let mut timeline = Self {
            end: from_us(end_us),
            gap: write_gap(events),
            outcomes: outcomes(events, end_us),
            progress: progress(events, scenario, end_us),
            ..Self::default()
        };
        let lost = scenario.map(|scenario| scenario.expect.lost);
        let recovery = lost.and_then(|lost| recovery_span(lost, events));
        timeline.recovery = recovery.map(|(from, to)| (from_us(from), from_us(to)));
        // How many faults belong to steps that are over.
        let mut settled = 0;
        for stamped in events {
            timeline.add(stamped, &mut settled);
        }
        timeline
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a timeline picks out what has a place in time; the rest is in the tables"
    )]
    fn add(&mut self, stamped: &Stamped, settled: &mut usize) {
        let at = from_us(stamped.at_us);
        let mark = |text: String| Mark { at, text };
        match &stamped.event {
            Event::StepBegan { number, text } => self.steps.push(StepSpan {
                number: *number,
                text: text.clone(),
                from: at,
                to: None,
                end: None,
            }),
            Event::StepEnded { number, end } => {
                let mut open = self.steps.iter_mut().rev();
                if let Some(step) = open.find(|step| step.number == *number) {
                    (step.to, step.end) = (Some(at), Some(end.clone()));
                }
                // What could not be carried out broke nothing.
                if matches!(end, StepEnd::Withdrawn { .. }) {
                    self.faults.truncate(*settled);
                }
                *settled = self.faults.len();
            }
            Event::FaultBegan { fault, node } => {
                self.faults.push(mark(format!("{fault} {node}")));
            }
            // What was whole before anything broke has not recovered from it.
            Event::Recovered { stream } if !self.faults.is_empty() => {
                self.recovered.push(mark(format!("{stream} whole")));
            }
            Event::LoadBegan => self.load = Some((at, self.end)),
            Event::LoadEnded => {
                if let Some((_, to)) = &mut self.load {
                    *to = at;
                }
            }
            Event::Noted { text } => self.notes.push(mark(text.clone())),
            Event::ServerPanicked { node, text } => {
                self.notes.push(mark(format!("{node}: {text}")));
            }
            Event::Aborted { reason } => {
                self.notes
                    .push(mark(format!("the drill could not go on: {reason}")));
            }
            _ => {}
        }
    }
}

/// What is read after the drill has no place on its axis.
fn is_during(event: &Event) -> bool {
    !matches!(
        event,
        Event::Held { .. }
            | Event::ReplicaRead { .. }
            | Event::ReplicaCounted { .. }
            | Event::ReplicaUnreadable { .. }
            | Event::StreamGone { .. }
            | Event::Bounds { .. }
            | Event::Noted { .. }
    )
}

fn outcomes(events: &[Stamped], end_us: u64) -> Outcomes {
    let fits = |width: &u64| end_us / (width * SECOND) < MOST_COLUMNS;
    let width = COLUMN_SECONDS.into_iter().find(fits);
    let width = width.map_or(end_us / MOST_COLUMNS + 1, |seconds| seconds * SECOND);
    let mut columns = vec![Column::default(); index(end_us / width) + 1];
    for stamped in events {
        let Event::Published { outcome, .. } = &stamped.event else {
            continue;
        };
        let Some(column) = columns.get_mut(index(stamped.at_us / width)) else {
            continue;
        };
        match outcome {
            PublishOutcome::Acknowledged { .. } => column.acknowledged += 1,
            PublishOutcome::Refused { .. } => column.refused += 1,
            PublishOutcome::Unknown { .. } => column.unknown += 1,
        }
    }
    Outcomes {
        width: from_us(width),
        columns,
    }
}

/// Of every consumer, those that never acknowledged anything as well.
fn progress(events: &[Stamped], scenario: Option<&Scenario>, end_us: u64) -> Vec<Progress> {
    let width = end_us / POINTS + 1;
    let points = index(end_us / width) + 1;
    let mut published: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut consumed: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for stream in scenario.into_iter().flat_map(|scenario| &scenario.streams) {
        for consumer in &stream.consumers {
            consumed.insert((&stream.name, consumer), vec![0; points]);
        }
        if stream.feed.is_published() {
            published.insert(&stream.name, vec![0; points]);
        }
    }
    let mut seen: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    for stamped in events {
        let at = index(stamped.at_us / width);
        let counts = if let Event::Published {
            stream,
            outcome: PublishOutcome::Acknowledged { .. },
            ..
        } = &stamped.event
        {
            published.entry(stream).or_insert_with(|| vec![0; points])
        } else if let Event::Acked {
            stream,
            consumer,
            id,
            outcome: AckOutcome::Confirmed,
        } = &stamped.event
        {
            let counts = consumed.entry((stream, consumer));
            let counts = counts.or_insert_with(|| vec![0; points]);
            if !seen.insert((stream, consumer, id)) {
                continue;
            }
            counts
        } else {
            continue;
        };
        if let Some(count) = counts.get_mut(at) {
            *count += 1;
        }
    }
    let consumed = consumed.into_iter();
    consumed
        .map(|((stream, consumer), counts)| Progress {
            stream: stream.to_owned(),
            consumer: consumer.to_owned(),
            acknowledged: published
                .get(stream)
                .map_or_else(Vec::new, |counts| summed(counts, width, end_us)),
            consumed: summed(&counts, width, end_us),
        })
        .collect()
}

/// Counts as sums, each at the end of its time.
fn summed(counts: &[u64], width: u64, end_us: u64) -> Vec<(f64, u64)> {
    let mut sum: u64 = 0;
    let mut at: u64 = 0;
    let mut sums = vec![(0.0, 0)];
    for count in counts {
        at = at.saturating_add(width).min(end_us);
        sum = sum.saturating_add(*count);
        sums.push((from_us(at), sum));
    }
    sums
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ledger::FaultKind;
    use crate::model::Digest;
    use crate::scenario::load;

    fn at(at_us: u64, event: Event) -> Stamped {
        Stamped { at_us, event }
    }

    fn sent(id: &str) -> Event {
        Event::Sent {
            stream: String::from("S"),
            id: id.to_owned(),
            subject: String::from("s"),
            headers: Digest::of(b""),
            payload: Digest::of(b""),
        }
    }

    fn published(id: &str, outcome: PublishOutcome) -> Event {
        Event::Published {
            stream: String::from("S"),
            id: id.to_owned(),
            outcome,
        }
    }

    fn acked(id: &str) -> Event {
        Event::Acked {
            stream: String::from("S"),
            consumer: String::from("c"),
            id: id.to_owned(),
            outcome: AckOutcome::Confirmed,
        }
    }

    fn step(number: usize) -> Event {
        Event::StepBegan {
            number,
            text: format!("step {number}"),
        }
    }

    /// A drill whose consumers are of a stream and of its mirror.
    fn scenario(lost: &str) -> Scenario {
        let text = format!(
            r#"
name = "t"
promise = "M1"
about = "Times."
[cluster]
nodes = 3
[[stream]]
name = "S"
subjects = ["s.>"]
replicas = 3
consumers = ["c", "idle"]
[[stream]]
name = "M"
mirror = "S"
replicas = 3
consumers = ["far"]
[[step]]
publish = {{ stream = "S", messages = 1 }}
[[step]]
kill = {{ node = "replica of S" }}
[expect]
lost = "{lost}"
replicas = 3
"#
        );
        load(Path::new("t.toml"), &text).unwrap()
    }

    #[test]
    fn consumers_without_an_acknowledgement_are_there_and_mirrors_are_compared_with_nothing() {
        let progress = Timeline::of(&drill(), Some(&scenario("nothing"))).progress;
        let told: Vec<_> = progress
            .iter()
            .map(|one| (one.consumer.as_str(), one.acknowledged.is_empty()))
            .collect();
        assert_eq!(told, [("far", true), ("c", false), ("idle", false)]);
        assert_eq!(progress[2].consumed.last().map(|one| one.1), Some(0));
    }

    #[test]
    fn what_could_not_be_carried_out_broke_nothing() {
        let fault = || Event::FaultBegan {
            fault: FaultKind::Kill,
            node: String::from("n1"),
        };
        let end = |end| Event::StepEnded { number: 1, end };
        let whole = || Event::Recovered {
            stream: String::from("S"),
        };
        let reason = String::from("no");
        let mut events = vec![
            at(1, step(1)),
            at(2, fault()),
            at(3, end(StepEnd::Withdrawn { reason })),
            at(4, whole()),
        ];
        let timeline = Timeline::of(&events, None);
        assert_eq!((timeline.faults, timeline.recovered), (vec![], vec![]));
        events.extend([
            at(5, fault()),
            at(6, end(StepEnd::Done)),
            at(7, whole()),
            at(8, fault()),
        ]);
        let timeline = Timeline::of(&events, None);
        assert_eq!((timeline.faults.len(), timeline.recovered.len()), (2, 1));
    }

    /// A drill of ten seconds.
    fn drill() -> Vec<Stamped> {
        let node = String::from("n1");
        let stream = String::from("S");
        let reason = String::from("no");
        let end = StepEnd::Done;
        vec![
            at(500_000, Event::LoadBegan),
            at(600_000, sent("1")),
            at(
                900_000,
                published("1", PublishOutcome::Acknowledged { sequence: 1 }),
            ),
            at(1_000_000, step(1)),
            at(
                1_100_000,
                Event::FaultBegan {
                    fault: FaultKind::Kill,
                    node,
                },
            ),
            at(1_200_000, Event::StepEnded { number: 1, end }),
            at(1_300_000, acked("1")),
            at(1_400_000, acked("1")),
            at(
                2_000_000,
                published(
                    "2",
                    PublishOutcome::Refused {
                        reason: reason.clone(),
                    },
                ),
            ),
            at(
                2_900_000,
                published("3", PublishOutcome::Unknown { reason }),
            ),
            at(7_100_000, Event::Recovered { stream }),
            at(
                7_900_000,
                published("4", PublishOutcome::Acknowledged { sequence: 2 }),
            ),
            at(8_000_000, step(2)),
            at(8_500_000, Event::LoadEnded),
            at(10_000_000, Event::Ready),
            at(
                15_000_000,
                Event::Noted {
                    text: String::from("read"),
                },
            ),
        ]
    }

    #[test]
    fn what_happened_is_placed_in_time() {
        let timeline = Timeline::of(&drill(), Some(&scenario("nothing")));
        assert!((timeline.end - 10.0).abs() < 1e-9, "{}", timeline.end);
        assert_eq!(timeline.load, Some((0.5, 8.5)));
        assert_eq!(timeline.faults[0].text, "kill n1");
        assert_eq!(timeline.steps[0].to, Some(1.2));
        assert_eq!(timeline.steps[1].to, None, "it never ended");
        assert_eq!(timeline.recovery, Some((1.1, 7.1)));
        let gap = timeline.gap.unwrap();
        assert_eq!((gap.from_us, gap.to_us), (900_000, 7_900_000));
        assert_eq!(timeline.notes.len(), 1);
    }

    #[test]
    fn a_stream_that_comes_back_empty_has_no_recovery() {
        let timeline = Timeline::of(&drill(), Some(&scenario("before-fault")));
        assert_eq!(timeline.recovery, None);
        assert_eq!(Timeline::of(&drill(), None).recovery, None);
    }

    #[test]
    fn publishes_are_counted_by_the_second_they_ended_in() {
        let outcomes = Timeline::of(&drill(), None).outcomes;
        assert!((outcomes.width - 1.0).abs() < 1e-9);
        assert_eq!(outcomes.columns.len(), 11);
        let seen = |second: usize| {
            let column = outcomes.columns[second];
            (column.acknowledged, column.refused, column.unknown)
        };
        assert_eq!(seen(0), (1, 0, 0));
        assert_eq!(seen(2), (0, 1, 1));
        assert_eq!(seen(7), (1, 0, 0));
        assert_eq!(outcomes.columns[5].all(), 0);
    }

    #[test]
    fn what_is_acknowledged_twice_is_one_message() {
        let progress = Timeline::of(&drill(), None).progress;
        assert_eq!(progress.len(), 1);
        let own = &progress[0];
        assert_eq!(own.consumed.last().map(|(_, count)| *count), Some(1));
        assert_eq!(own.acknowledged.last().map(|(_, count)| *count), Some(2));
        let before = own.consumed.iter().filter(|(at, _)| *at < 1.2);
        assert_eq!(before.map(|(_, count)| *count).max(), Some(0));
        assert!(own.consumed.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
    }

    #[test]
    fn an_odd_ledger_is_placed_as_well() {
        let empty = Timeline::of(&[], Some(&scenario("nothing")));
        assert!(empty.end > 0.0);
        assert_eq!(empty.outcomes.columns.len(), 1);
        let end = StepEnd::Done;
        let late = [
            at(
                u64::MAX,
                published("1", PublishOutcome::Acknowledged { sequence: 1 }),
            ),
            at(0, Event::StepEnded { number: 7, end }),
            at(0, Event::LoadEnded),
        ];
        let timeline = Timeline::of(&late, Some(&scenario("nothing")));
        assert!(timeline.end.is_finite());
        assert!(timeline.outcomes.columns.len() <= 121);
        assert_eq!((timeline.steps, timeline.load), (Vec::new(), None));
    }
}
