//! Drills as they run: on a terminal a live line each above the story so far, else log lines.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{clock, say};
use crate::drill::{Tally, Watcher};
use crate::judge::RunRecord;
use crate::ledger::{Event, StepEnd};
use crate::model::Verdict;
use crate::report::headline;

/// How often the live line turns.
const TICK: Duration = Duration::from_millis(120);

/// The progress of all drills of a command.
#[derive(Debug, Clone)]
pub struct DrillProgress {
    live: Option<MultiProgress>,
}

/// The progress of one drill.
#[derive(Debug)]
pub struct OneDrill {
    name: String,
    /// What the drill is doing, without the counts that the live line adds to it.
    doing: Mutex<String>,
    live: Option<(MultiProgress, ProgressBar)>,
}

impl DrillProgress {
    /// Draws live lines, or prints log lines.
    pub fn new(draw: bool) -> Self {
        Self {
            live: draw.then(MultiProgress::new),
        }
    }

    /// The progress of a drill that begins, and what it is about.
    pub fn drill(&self, name: &str, about: &str) -> OneDrill {
        let live = self.live.as_ref().map(|all| {
            let bar = all.add(ProgressBar::new_spinner());
            let template = "{spinner:.cyan} {prefix:.bold} {wide_msg}";
            let template = ProgressStyle::with_template(template);
            bar.set_style(template.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(TICK);
            (all.clone(), bar)
        });
        let drill = OneDrill {
            name: name.to_owned(),
            doing: Mutex::default(),
            live,
        };
        drill.line(&format!(
            "{} {} {about}",
            style("▶").cyan(),
            style(name).bold()
        ));
        drill.log(about);
        drill
    }
}

impl OneDrill {
    /// Tells how the drill ended.
    pub fn finished(&self, run: &RunRecord) {
        let colour = match (run.is_as_expected(), run.verdict()) {
            (true, _) => style("●").green(),
            (false, Verdict::Inconclusive) => style("●").yellow(),
            (false, Verdict::Held | Verdict::Broken) => style("●").red(),
        };
        self.line(&format!(
            "{colour} {} {}",
            style(&self.name).bold(),
            headline(run)
        ));
        if let Some((_, bar)) = &self.live {
            bar.finish_and_clear();
        } else {
            say(&format!("{} {}: {}", clock(), self.name, headline(run)));
        }
    }

    /// Says what the drill does now.
    fn does(&self, text: &str) {
        text.clone_into(&mut self.doing());
        if let Some((_, bar)) = &self.live {
            bar.set_message(text.to_owned());
        }
        self.log(text);
    }

    fn doing(&self) -> MutexGuard<'_, String> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of the story, above the live lines.
    fn line(&self, text: &str) {
        if let Some((all, _)) = &self.live {
            // A terminal that went away must not end a drill.
            let _printed = all.println(text);
        }
    }

    /// A log line.
    fn log(&self, text: &str) {
        if self.live.is_none() {
            say(&format!("{} {}: {text}", clock(), self.name));
        }
    }
}

impl Watcher for OneDrill {
    fn stage(&self, text: &str) {
        self.does(text);
    }

    fn step_began(&self, number: usize, steps: usize, text: &str) {
        self.does(&format!("{number}/{steps} {text}"));
    }

    fn step_ended(&self, number: usize, end: &StepEnd, took: Duration) {
        let (mark, words) = match end {
            StepEnd::Done => (style("✓").green(), format!("{:.1} s", took.as_secs_f64())),
            StepEnd::Broken { reason } => (style("✗").red(), reason.clone()),
            StepEnd::Impossible { reason } | StepEnd::Withdrawn { reason } => {
                (style("?").yellow(), reason.clone())
            }
        };
        let (name, doing) = (style(&self.name).dim(), self.doing().clone());
        self.line(&format!("  {mark} {name} {doing} {}", style(&words).dim()));
        if *end != StepEnd::Done {
            self.log(&format!("step {number} failed: {words}"));
        }
    }

    fn note(&self, text: &str) {
        self.line(&format!(
            "    {} {}",
            style(&self.name).dim(),
            style(text).dim()
        ));
        self.log(text);
    }

    fn tally(&self, tally: &Tally) {
        if let Some((_, bar)) = &self.live {
            let text = format!(
                "{} · {} acknowledged, {} refused, {} unknown, {} delivered",
                self.doing(),
                tally.acknowledged(),
                tally.refused(),
                tally.unknown(),
                tally.delivered()
            );
            bar.set_message(text);
        }
    }

    fn event(&self, _event: &Event) {}
}
