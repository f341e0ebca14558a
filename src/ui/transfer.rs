//! Backups and restores as they run: a bar for each stream on a terminal, else log lines, or events
//! as lines of JSON.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use console::style;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::{clock, event, say, speaks_json};
use crate::backup::{AccountProgress, BackupError, BackupSummary, Progress, RestoreSummary};
use crate::model::count;

/// How often the bar turns while nothing comes.
const TICK: Duration = Duration::from_millis(120);
/// Without a bar, how far it is is told so often.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The same for events.
const EVENT_EVERY: Duration = Duration::from_secs(1);

/// The progress of one transfer.
#[derive(Debug)]
pub struct TransferProgress {
    /// The stream, where there are several.
    name: Option<String>,
    bar: Option<(Option<MultiProgress>, ProgressBar)>,
    phase: Mutex<Phase>,
    /// When something was told last, in milliseconds since it began.
    told: AtomicU64,
}

/// What is being done.
#[derive(Debug)]
struct Phase {
    name: &'static str,
    total: Option<u64>,
    began: Instant,
}

impl TransferProgress {
    /// Draws a bar, or prints log lines.
    pub fn new(draw: bool) -> Self {
        let bar = (draw && !speaks_json()).then(|| (None, ProgressBar::no_length()));
        Self::with(None, bar)
    }

    fn with(name: Option<String>, bar: Option<(Option<MultiProgress>, ProgressBar)>) -> Self {
        if let Some((_, bar)) = &bar {
            bar.enable_steady_tick(TICK);
        }
        let phase = Phase {
            name: "waiting",
            total: None,
            began: Instant::now(),
        };
        Self {
            name,
            bar,
            phase: Mutex::new(phase),
            told: AtomicU64::new(0),
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if let Some((_, bar)) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// The stream and a blank, where there are several.
    fn prefix(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(String::new, |name| format!("{name} "))
    }

    /// Tells how far it is, where there is no bar, if it was not told lately.
    fn tell(&self, steps: u64) {
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = phase.began.elapsed();
        let every = if speaks_json() {
            EVENT_EVERY
        } else {
            LINE_EVERY
        };
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let told = self.told.load(Ordering::Relaxed);
        if Duration::from_millis(now.saturating_sub(told)) < every {
            return;
        }
        self.told.store(now, Ordering::Relaxed);
        if speaks_json() {
            event(
                "progress",
                json!({ "stream": self.name, "phase": phase.name, "done": steps, "total": phase.total }),
            );
            return;
        }
        let of = |total: u64| {
            let percent = steps.saturating_mul(100) / total.max(1);
            format!(", {}%", percent.min(100))
        };
        let share = phase.total.map_or_else(String::new, of);
        let rate = steps.saturating_mul(1000) / now.max(1);
        let amount = format!("{}, {}/s", HumanBytes(steps), HumanBytes(rate));
        say(&format!(
            "{} {}{}: {amount}{share}",
            clock(),
            self.prefix(),
            phase.name
        ));
    }
}

impl Progress for TransferProgress {
    fn phase(&self, name: &'static str, total: Option<u64>) {
        {
            let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
            *phase = Phase {
                name,
                total,
                began: Instant::now(),
            };
            self.told.store(0, Ordering::Relaxed);
        }
        let Some((_, bar)) = &self.bar else {
            if speaks_json() {
                let fields = json!({ "stream": self.name, "phase": name, "total": total });
                event("phase", fields);
            } else {
                say(&format!("{} {}{name}", clock(), self.prefix()));
            }
            return;
        };
        bar.set_position(0);
        let template = match total {
            Some(total) => {
                bar.set_length(total);
                "{spinner} {prefix}{msg} {wide_bar} {bytes} {bytes_per_sec} {eta}"
            }
            None => {
                bar.unset_length();
                "{spinner} {prefix}{msg} {bytes} {bytes_per_sec}"
            }
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(self.prefix());
        bar.set_message(name);
    }

    fn done(&self, steps: u64) {
        match &self.bar {
            Some((_, bar)) => bar.set_position(steps),
            None => self.tell(steps),
        }
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some((Some(all), _)) => {
                let _drawn = all.println(text);
            }
            Some((None, bar)) => bar.println(text),
            None => say(text),
        }
    }
}

/// The progress of an account's backup.
#[derive(Debug)]
pub struct AccountBars {
    all: Option<MultiProgress>,
    /// How many streams there are, how many are done.
    overall: Mutex<Option<ProgressBar>>,
}

impl AccountBars {
    /// Draws a bar for each stream, or prints log lines.
    pub fn new(draw: bool) -> Self {
        Self {
            all: (draw && !speaks_json()).then(MultiProgress::new),
            overall: Mutex::default(),
        }
    }

    /// Removes all bars.
    pub fn clear(&self) {
        if let Some(bar) = self.lock_overall().take() {
            bar.finish_and_clear();
        }
        if let Some(all) = &self.all {
            let _cleared = all.clear();
        }
    }

    fn lock_overall(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.overall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that a stream is over.
    pub(super) fn over(&self, text: &str) {
        if let Some(bar) = &*self.lock_overall() {
            bar.inc(1);
        }
        match &self.all {
            Some(all) => {
                let _drawn = all.println(text);
            }
            None => say(&format!("{} {text}", clock())),
        }
    }
}

impl AccountProgress for AccountBars {
    fn begin(&self, streams: usize) {
        if speaks_json() {
            event("begin", json!({ "streams": streams }));
        }
        let Some(all) = &self.all else {
            return;
        };
        let bar = all.add(ProgressBar::new(streams as u64));
        let template = "{spinner} {pos} of {len} streams {wide_bar} {elapsed}";
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(TICK);
        *self.lock_overall() = Some(bar);
    }

    fn stream(&self, name: &str) -> Arc<dyn Progress> {
        let bar = self.all.as_ref().map(|all| {
            let bar = all.insert_from_back(1, ProgressBar::no_length());
            (Some(all.clone()), bar)
        });
        Arc::new(TransferProgress::with(Some(name.to_owned()), bar))
    }

    fn saved(&self, taken: &BackupSummary) {
        let manifest = &taken.manifest;
        if speaks_json() {
            let fields = json!({
                "stream": manifest.stream,
                "messages": manifest.messages,
                "bytes": manifest.archive_bytes,
                "attempts": taken.attempts,
                "seconds": taken.elapsed.as_secs_f64(),
                "lacks": taken.lacks(),
            });
            return event("saved", fields);
        }
        self.over(&format!(
            "{} {}: {}, {} in {:.1?}",
            style("✔").green(),
            manifest.stream,
            count(manifest.messages, "message"),
            HumanBytes(manifest.archive_bytes),
            taken.elapsed
        ));
    }

    fn kept(&self, name: &str) {
        if speaks_json() {
            return event("kept", json!({ "stream": name }));
        }
        self.over(&format!("{} {name}: saved before", style("✔").green()));
    }

    fn restored(&self, restored: &RestoreSummary) {
        if speaks_json() {
            let fields = json!({
                "stream": restored.stream,
                "skipped": restored.skipped,
                "messages": restored.messages,
                "seconds": restored.elapsed.as_secs_f64(),
                "lacks": restored.lacks,
            });
            return event("restored", fields);
        }
        let what = if restored.skipped {
            String::from("exists, and stays as it is")
        } else {
            let messages = count(restored.messages, "message");
            format!("{messages} in {:.1?}", restored.elapsed)
        };
        self.over(&format!(
            "{} {}: {what}",
            style("✔").green(),
            restored.stream
        ));
    }

    fn failed(&self, name: &str, error: &BackupError) {
        if speaks_json() {
            let fields = json!({ "stream": name, "reason": error.to_string() });
            return event("failed", fields);
        }
        self.over(&format!("{} {name}: {error}", style("✘").red()));
    }
}

impl Drop for TransferProgress {
    /// A bar of an account's stream goes with it.
    fn drop(&mut self) {
        if let Some((Some(all), bar)) = &self.bar {
            bar.finish_and_clear();
            all.remove(bar);
        }
    }
}
