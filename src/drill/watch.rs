//! What a drill tells while it runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::ledger::{Event, LoadSeen, StepEnd};

/// Somebody who watches a drill. Told from several tasks at once.
pub trait Watcher: Send + Sync {
    /// A stage of the drill begins, such as starting the cluster.
    fn stage(&self, text: &str);
    /// A step of the scenario begins: its number from 1, how many there are, what it is.
    fn step_began(&self, number: usize, steps: usize, text: &str);
    /// A step ended.
    fn step_ended(&self, number: usize, end: &StepEnd, took: Duration);
    /// Something happened within a step that is worth a word.
    fn note(&self, text: &str);
    /// The load's counts have changed; called often.
    fn tally(&self, tally: &Arc<Tally>);
    /// Something was written down in the ledger, other than what comes once per message.
    fn event(&self, event: &Event);
}

/// Tells nobody.
impl Watcher for () {
    fn stage(&self, _text: &str) {}
    fn step_began(&self, _number: usize, _steps: usize, _text: &str) {}
    fn step_ended(&self, _number: usize, _end: &StepEnd, _took: Duration) {}
    fn note(&self, _text: &str) {}
    fn tally(&self, _tally: &Arc<Tally>) {}
    fn event(&self, _event: &Event) {}
}

/// What became of the load so far.
#[derive(Debug, Default)]
pub struct Tally {
    acknowledged: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    delivered: AtomicU64,
}

impl Tally {
    /// Messages acknowledged by a stream.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Messages refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Messages whose fate was not told.
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    /// Messages delivered to consumers.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn add_acknowledged(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_delivered(&self, count: usize) {
        self.delivered.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Over how long a rate is measured.
const RATE_OVER: Duration = Duration::from_secs(2);
/// How much closer looks add nothing.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How fast a tally grows, over the last two seconds. It has to be looked at all the time: when nothing is
/// acknowledged any more, nobody else tells.
#[derive(Debug, Default)]
pub struct Rates {
    /// When it was looked at, and what was acknowledged and delivered by then; oldest first.
    looks: VecDeque<(Instant, u64, u64)>,
}

impl Rates {
    /// Looks, and tells what is published and consumed.
    pub fn look(&mut self, now: Instant, tally: &Tally) -> LoadSeen {
        let (acknowledged, delivered) = (tally.acknowledged(), tally.delivered());
        let is_due = |(last, ..): &(Instant, u64, u64)| now.duration_since(*last) >= LOOK_EVERY;
        if self.looks.back().is_none_or(is_due) {
            self.looks.push_back((now, acknowledged, delivered));
        }
        // One look is older than that: it is what the others are compared with.
        while self
            .looks
            .get(1)
            .is_some_and(|(at, ..)| now.duration_since(*at) >= RATE_OVER)
        {
            self.looks.pop_front();
        }
        let first = self.looks.front();
        let (since, acknowledged_then, delivered_then) =
            first.copied().unwrap_or((now, acknowledged, delivered));
        let time = now.duration_since(since);
        LoadSeen {
            acknowledged_per_second: per_second(
                acknowledged.saturating_sub(acknowledged_then),
                time,
            ),
            delivered_per_second: per_second(delivered.saturating_sub(delivered_then), time),
            acknowledged,
            refused: tally.refused(),
            unknown: tally.unknown(),
            delivered,
        }
    }
}

/// Over a time that is too short there is no rate.
fn per_second(count: u64, time: Duration) -> f64 {
    if time < LOOK_EVERY {
        return 0.0;
    }
    // More than that is more than anybody publishes here.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_falls_to_nothing_when_nothing_comes_any_more() {
        let (mut rates, tally, began) = (Rates::default(), Tally::default(), Instant::now());
        let mut last = LoadSeen::default();
        for tenths in 0..20 {
            last = rates.look(began + Duration::from_millis(tenths * 100), &tally);
            for _ in 0..10 {
                tally.add_acknowledged();
            }
            tally.add_delivered(5);
        }
        assert!(
            (last.acknowledged_per_second - 100.0).abs() < 1.0,
            "{last:?}"
        );
        assert!((last.delivered_per_second - 50.0).abs() < 1.0, "{last:?}");
        for tenths in 20..45 {
            last = rates.look(began + Duration::from_millis(tenths * 100), &tally);
        }
        assert_eq!(
            (last.acknowledged_per_second, last.acknowledged),
            (0.0, 200)
        );
    }
}
