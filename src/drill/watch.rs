//! What a drill tells while it runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ledger::{Event, StepEnd};

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
    fn tally(&self, tally: &Tally);
    /// Something was written down in the ledger, other than what comes once per message.
    fn event(&self, event: &Event);
}

/// Tells nobody.
impl Watcher for () {
    fn stage(&self, _text: &str) {}
    fn step_began(&self, _number: usize, _steps: usize, _text: &str) {}
    fn step_ended(&self, _number: usize, _end: &StepEnd, _took: Duration) {}
    fn note(&self, _text: &str) {}
    fn tally(&self, _tally: &Tally) {}
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
