//! A rehearsal as it runs: a bar for each stream on a terminal, else log lines, or events.

use std::sync::Arc;

use console::style;

use super::transfer::AccountBars;
use super::{clock, event, say, speaks_json};
use crate::backup::{AccountProgress as _, Progress};
use crate::model::count;
use crate::rehearsal::{RehearsalWatcher, StreamRehearsal};

/// The progress of a rehearsal.
#[derive(Debug)]
pub struct RehearsalProgress {
    bars: AccountBars,
}

impl RehearsalProgress {
    /// Draws bars, or prints log lines.
    pub fn new(draw: bool) -> Self {
        Self {
            bars: AccountBars::new(draw),
        }
    }

    /// Removes the bars.
    pub fn clear(&self) {
        self.bars.clear();
    }
}

impl RehearsalWatcher for RehearsalProgress {
    fn stage(&self, text: &str) {
        if speaks_json() {
            event("stage", serde_json::json!({ "text": text }));
        } else {
            say(&format!("{} {text}", clock()));
        }
    }

    fn begin(&self, streams: usize) {
        self.bars.begin(streams);
    }

    fn stream(&self, name: &str) -> Arc<dyn Progress> {
        self.bars.stream(name)
    }

    fn restored(&self, rehearsal: &StreamRehearsal) {
        let came_back = rehearsal.came_back;
        if speaks_json() {
            let fields = serde_json::json!({
                "stream": rehearsal.stream,
                "came_back": came_back,
                "messages": rehearsal.messages,
                "seconds": rehearsal.recovery_seconds,
            });
            return event("rehearsed", fields);
        }
        let name = &rehearsal.stream;
        self.bars.over(&if came_back {
            format!(
                "{} {name}: {} restored and compared in {:.1} s",
                style("✔").green(),
                count(rehearsal.messages, "message"),
                rehearsal.recovery_seconds
            )
        } else {
            format!(
                "{} {name}: not restored, or not as it was",
                style("✘").red()
            )
        });
    }
}
