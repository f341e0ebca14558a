//! A backup or restore as it runs: a bar on a terminal, else a log line per phase.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{clock, say};
use crate::backup::Progress;

/// How often the bar turns while nothing comes.
const TICK: Duration = Duration::from_millis(120);

/// The progress of one transfer.
#[derive(Debug)]
pub struct TransferProgress {
    bar: Option<ProgressBar>,
}

impl TransferProgress {
    /// Draws a bar, or prints log lines.
    pub fn new(draw: bool) -> Self {
        let bar = draw.then(|| {
            let bar = ProgressBar::no_length();
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for TransferProgress {
    fn phase(&self, name: &'static str, total: Option<u64>) {
        let Some(bar) = &self.bar else {
            say(&format!("{} {name}", clock()));
            return;
        };
        bar.set_position(0);
        let counts = if name == "comparing" {
            "{pos}/{len} messages"
        } else {
            "{bytes} {bytes_per_sec}"
        };
        let template = match total {
            Some(total) => {
                bar.set_length(total);
                format!("{{spinner}} {{msg}} {{wide_bar}} {counts} {{eta}}")
            }
            None => {
                bar.unset_length();
                format!("{{spinner}} {{msg}} {counts}")
            }
        };
        let style = ProgressStyle::with_template(&template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(name);
    }

    fn done(&self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(steps);
        }
    }
}
