//! What a lab hears of its own drill: passed on to everybody who talks to it, and remembered for those who
//! ask how it is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};

use super::status::{FaultStatus, LabStatus, StepStatus, StreamStatus};
use super::talk::Answer;
use crate::drill::{LabView, Rates, Tally, Watcher};
use crate::ledger::{Event, FaultKind, Observation, StepEnd};

/// Whoever listens this far behind misses something.
const HEARD_AT_MOST: usize = 1024;

/// Hears, tells, remembers.
#[derive(Debug)]
pub(super) struct Bell {
    pub(super) told: broadcast::Sender<Answer>,
    view: watch::Receiver<LabView>,
    heard: Mutex<Heard>,
}

/// What a lab is called, and what it runs.
#[derive(Debug, Clone)]
pub(super) struct Title {
    pub(super) name: String,
    pub(super) server: String,
    pub(super) runtime: String,
    pub(super) config_home: std::path::PathBuf,
}

#[derive(Debug, Default)]
struct Heard {
    seen: Observation,
    ready_at: Option<Instant>,
    /// The latest fault, and one that is being injected.
    fault: Option<(FaultKind, String, Instant)>,
    beginning: Option<(FaultKind, String, Instant)>,
    rates: Rates,
    /// What each stream had acknowledged when it was looked at last, and what was missing then.
    acknowledged: Vec<(String, u64)>,
    missing: Vec<(String, Option<u64>)>,
    /// Streams from which steps have removed messages.
    removed: BTreeSet<String>,
}

impl Bell {
    pub(super) fn new(view: watch::Receiver<LabView>) -> Self {
        Self {
            told: broadcast::Sender::new(HEARD_AT_MOST),
            view,
            heard: Mutex::default(),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, answer: Answer) {
        // Nobody need listen.
        let _heard = self.told.send(answer);
    }

    /// Whether the cluster was looked at.
    pub(super) fn has_seen(&self) -> bool {
        !self.heard().seen.nodes.is_empty()
    }

    /// Looks at how fast the load is; called all the time.
    pub(super) fn measure(&self) {
        let tally = self.view.borrow().tally.clone();
        self.heard().rates.look(Instant::now(), &tally);
    }

    /// How the lab is; nothing before it is ready.
    pub(super) fn status(&self, title: &Title) -> Option<LabStatus> {
        let view = self.view.borrow().clone();
        let access = view.access?;
        let mut heard = self.heard();
        let load = heard.rates.look(Instant::now(), &view.tally);
        let missing_of = |stream: &str| {
            let found = heard.missing.iter().find(|(name, _)| name == stream);
            found.and_then(|(_, missing)| *missing)
        };
        let (user, password) = access.user;
        let (system_user, system_password) = access.system;
        let fault = heard.fault.as_ref();
        Some(LabStatus {
            name: title.name.clone(),
            server: title.server.clone(),
            runtime: title.runtime.clone(),
            urls: access.urls,
            user,
            password,
            system_user,
            system_password,
            nats_config_home: title.config_home.clone(),
            process: std::process::id(),
            evidence: view.evidence,
            up_seconds: heard.ready_at.map_or(0.0, |at| at.elapsed().as_secs_f64()),
            seen: heard.seen.clone(),
            load,
            streams: view
                .streams
                .iter()
                .map(|one| StreamStatus {
                    stream: one.name.clone(),
                    replicas: one.replicas,
                    acknowledged: one.tally.acknowledged(),
                    missing: missing_of(&one.name),
                })
                .collect(),
            fault: fault.map(|(what, node, at)| FaultStatus {
                what: what.to_string(),
                node: node.clone(),
                seconds_ago: at.elapsed().as_secs_f64(),
            }),
            steps: view
                .steps
                .into_iter()
                .map(|(text, end)| StepStatus { text, end })
                .collect(),
            planned: view.planned,
        })
    }

    /// What is missing by now of what was acknowledged when it was looked at before: what came since may
    /// not have been counted.
    fn observed(&self, seen: &Observation) {
        let streams = self.view.borrow().streams.clone();
        let mut heard = self.heard();
        let before = std::mem::take(&mut heard.acknowledged);
        heard.missing = streams
            .iter()
            .map(|one| {
                let held = seen.stream(&one.name).and_then(|seen| seen.leader());
                let before = before.iter().find(|(name, _)| *name == one.name);
                let is_told = !one.drops && !heard.removed.contains(&one.name);
                let known = held.zip(before).filter(|_| is_told);
                let missing = known.map(|(held, (_, before))| before.saturating_sub(held.messages));
                (one.name.clone(), missing)
            })
            .collect();
        heard.acknowledged = streams
            .iter()
            .map(|one| (one.name.clone(), one.tally.acknowledged()))
            .collect();
        heard.seen = seen.clone();
    }
}

impl Watcher for Bell {
    fn stage(&self, text: &str) {
        self.tell(Answer::Stage {
            text: text.to_owned(),
        });
    }

    fn step_began(&self, _number: usize, _steps: usize, _text: &str) {}

    fn step_ended(&self, _number: usize, end: &StepEnd, took: Duration) {
        self.tell(Answer::StepEnded {
            end: end.clone(),
            seconds: took.as_secs_f64(),
        });
    }

    fn note(&self, text: &str) {
        self.tell(Answer::Note {
            text: text.to_owned(),
        });
    }

    fn tally(&self, _tally: &Arc<Tally>) {}

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others are for the ledger"
    )]
    fn event(&self, event: &Event) {
        match event {
            Event::Observed { seen } => self.observed(seen),
            Event::Ready => self.heard().ready_at = Some(Instant::now()),
            Event::FaultBegan { fault, node } => {
                self.heard().beginning = Some((*fault, node.clone(), Instant::now()));
            }
            Event::Purged { stream, .. } | Event::Removed { stream, .. } => {
                self.heard().removed.insert(stream.clone());
            }
            // What could not be carried out was no fault.
            Event::FaultDone { .. } => {
                let mut heard = self.heard();
                heard.fault = heard.beginning.take();
            }
            _ => {}
        }
    }
}
