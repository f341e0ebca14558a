//! Drills as they run: on a terminal the story so far, and below it what each does now, with its cluster, load
//! and clock when it is alone; else log lines.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use console::{Term, style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::board::{Board, fit};
use super::{clock, say};
use crate::drill::{Tally, Watcher};
use crate::judge::RunRecord;
use crate::ledger::{Event, StepEnd};
use crate::model::Verdict;
use crate::report::headline;

/// How often what is live is drawn.
const TICK: Duration = Duration::from_millis(120);
/// What comes before the first line's text: the spinner, two spaces.
const BEFORE_TEXT: usize = 3;

/// The lines below the first, as the drawing knows them.
const KEYS: [&str; 12] = [
    "line0", "line1", "line2", "line3", "line4", "line5", "line6", "line7", "line8", "line9",
    "line10", "line11",
];

/// The progress of all drills of a command.
#[derive(Debug, Clone)]
pub struct DrillProgress {
    live: Option<MultiProgress>,
    /// How many drills are under way.
    under_way: Arc<AtomicUsize>,
}

/// The progress of one drill.
#[derive(Debug)]
pub struct OneDrill {
    name: String,
    board: Arc<Mutex<Board>>,
    live: Option<Live>,
    under_way: Arc<AtomicUsize>,
}

/// What is drawn of a drill.
#[derive(Debug)]
struct Live {
    all: MultiProgress,
    bar: ProgressBar,
    /// How many lines there are below the first.
    lines: AtomicUsize,
}

impl DrillProgress {
    /// Draws live lines, or prints log lines.
    pub fn new(draw: bool) -> Self {
        Self {
            live: draw.then(MultiProgress::new),
            under_way: Arc::default(),
        }
    }

    /// The progress of a drill that begins, and what it is about.
    pub fn drill(&self, name: &str, about: &str) -> OneDrill {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let live = self.live.as_ref().map(|all| Live {
            bar: all.add(ProgressBar::new_spinner()),
            all: all.clone(),
            lines: AtomicUsize::new(0),
        });
        let drill = OneDrill {
            name: name.to_owned(),
            board: Arc::default(),
            live,
            under_way: Arc::clone(&self.under_way),
        };
        if let Some(live) = &drill.live {
            live.bar.set_style(drill.style(0));
            live.bar.set_prefix(name.to_owned());
            live.bar.enable_steady_tick(TICK);
        }
        drill.line(&format!(
            "{} {} {about}",
            style("▶").cyan(),
            style(name).bold()
        ));
        drill.log(about);
        drill
    }
}

impl Drop for OneDrill {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

fn terminal_width() -> usize {
    usize::from(Term::stderr().size().1)
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
        if let Some(live) = &self.live {
            live.bar.finish_and_clear();
        } else {
            say(&format!("{} {}: {}", clock(), self.name, headline(run)));
        }
    }

    /// Says what the drill does now.
    fn does(&self, text: &str) {
        lock(&self.board).does(text);
        self.log(text);
    }

    /// How it is drawn: what it does, and so many lines below. All of it is made when it is drawn, for
    /// clocks run on when nobody tells anything.
    fn style(&self, lines: usize) -> ProgressStyle {
        let below: String = (0..lines)
            .map(|index| format!("\n{{line{index}}}"))
            .collect();
        let template = format!("{{spinner:.cyan}} {{prefix:.bold}} {{text}}{below}");
        let style = ProgressStyle::with_template(&template);
        let mut drawn = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let (board, taken) = (
            Arc::clone(&self.board),
            self.name.chars().count() + BEFORE_TEXT,
        );
        drawn = drawn.with_key("text", move |_: &_, out: &mut dyn std::fmt::Write| {
            let mut board = lock(&board);
            let text = if lines > 0 {
                board.doing().to_owned()
            } else {
                board.short(Instant::now())
            };
            let _written = out.write_str(&fit(&text, terminal_width().saturating_sub(taken)));
        });
        for (index, key) in KEYS.into_iter().enumerate().take(lines) {
            let board = Arc::clone(&self.board);
            drawn = drawn.with_key(key, move |_: &_, out: &mut dyn std::fmt::Write| {
                let details = lock(&board).details(Instant::now());
                let line = details.get(index).map_or("", String::as_str);
                let _written = out.write_str(&fit(line, terminal_width()));
            });
        }
        drawn
    }

    /// Draws as many lines as there are to be shown: none when there are other drills.
    fn adapt(&self) {
        let Some(live) = &self.live else { return };
        let is_alone = self.under_way.load(Ordering::Relaxed) == 1;
        let lines = if is_alone {
            lock(&self.board)
                .details(Instant::now())
                .len()
                .min(KEYS.len())
        } else {
            0
        };
        if live.lines.swap(lines, Ordering::Relaxed) != lines {
            live.bar.set_style(self.style(lines));
        }
    }

    /// A line of the story, above the live lines.
    fn line(&self, text: &str) {
        if let Some(live) = &self.live {
            // A terminal that went away must not end a drill.
            let _printed = live.all.println(text);
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
        let (name, doing) = (
            style(&self.name).dim(),
            lock(&self.board).doing().to_owned(),
        );
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

    fn tally(&self, tally: &Arc<Tally>) {
        lock(&self.board).tally(tally);
    }

    fn event(&self, event: &Event) {
        lock(&self.board).event(event, Instant::now());
        self.adapt();
    }
}
