//! How long each phase of a restore took, listened for on its way to whoever watches.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::record::Timing;
use crate::backup::Progress;

/// Passes progress on, and takes the time.
pub(super) struct Timed {
    watched: Arc<dyn Progress>,
    phases: Mutex<Phases>,
}

#[derive(Default)]
struct Phases {
    current: Option<(&'static str, Instant)>,
    ended: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn end_current(&mut self) {
        if let Some((name, began)) = self.current.take() {
            self.ended.push((name, began.elapsed()));
        }
    }
}

impl Timed {
    pub(super) fn new(watched: Arc<dyn Progress>) -> Self {
        Self {
            watched,
            phases: Mutex::default(),
        }
    }

    /// What was seen so far.
    pub(super) fn timing(&self) -> Timing {
        let mut phases = self.phases();
        phases.end_current();
        let sum = |wanted: &[&str]| {
            let own = phases
                .ended
                .iter()
                .filter(|(name, _)| wanted.contains(name));
            own.map(|(_, took)| *took).sum::<Duration>().as_secs_f64()
        };
        Timing {
            reading_seconds: sum(&["reading"]),
            sending_seconds: sum(&["sending", "loading"]),
            comparing_seconds: sum(&["comparing"]),
        }
    }

    fn phases(&self) -> MutexGuard<'_, Phases> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Timed {
    fn phase(&self, name: &'static str, total: Option<u64>) {
        {
            let mut phases = self.phases();
            phases.end_current();
            phases.current = Some((name, Instant::now()));
        }
        self.watched.phase(name, total);
    }

    fn done(&self, steps: u64) {
        self.watched.done(steps);
    }

    fn note(&self, text: &str) {
        self.watched.note(text);
    }
}
