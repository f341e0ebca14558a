//! A lab: a drill whose steps people ask for, one after the other, for as long as they like. What was done
//! becomes a scenario that does it again, and is judged in the end as any other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use super::run::{DrillError, DrillSettings, heal_to_end, run};
use super::watch::{Tally, Watcher};
use super::world::World;
use super::{lookout, steps};
use crate::judge::RunRecord;
use crate::ledger::{Event, StepEnd};
use crate::scenario::{Diagnostic, GrowingScenario, ReplayNames, Source};

/// What is asked of a lab.
#[derive(Debug)]
pub enum LabOrder {
    /// To carry out a step, written as in a scenario.
    Step {
        /// The step, such as `kill = { node = "n2" }`.
        text: String,
        /// Who is told how it ended.
        answer: oneshot::Sender<Result<StepEnd, Diagnostic>>,
    },
    /// To end.
    End,
}

/// How a cluster is reached.
#[derive(Debug, Clone, Default)]
pub struct LabAccess {
    /// Addresses for clients, one per node.
    pub urls: Vec<String>,
    /// The user of the account with JetStream, and the password.
    pub user: (String, String),
    /// The user of the system account, and the password.
    pub system: (String, String),
}

/// What can be seen of a lab at any time.
#[derive(Debug, Clone, Default)]
pub struct LabView {
    /// How it is reached; nothing until it is ready.
    pub access: Option<LabAccess>,
    /// Where what happens is written down.
    pub evidence: PathBuf,
    /// What became of everything that was published, and what was delivered.
    pub tally: Arc<Tally>,
    /// The streams that are published to.
    pub streams: Vec<LabStream>,
    /// What was done.
    pub history: GrowingScenario,
    /// When the last step ended: since then the load has run.
    pub idle_since: Option<Instant>,
    /// The scenario's own steps that are yet to come.
    pub planned: Vec<String>,
    /// Every step that was asked for, and how it ended; the last may be under way.
    pub steps: Vec<(String, Option<StepEnd>)>,
}

/// A stream of a lab.
#[derive(Debug, Clone)]
pub struct LabStream {
    /// Its name.
    pub name: String,
    /// What became of what was published to it.
    pub tally: Arc<Tally>,
    /// Whether it drops messages by itself.
    pub drops: bool,
}

/// Where orders come in, and what is to be seen goes out.
#[derive(Debug)]
pub struct LabDesk {
    /// The orders.
    pub orders: mpsc::Receiver<LabOrder>,
    /// The view.
    pub view: watch::Sender<LabView>,
}

/// Runs a lab until it is ordered to end, or nobody can give orders any more, and judges it.
///
/// # Errors
/// [`DrillError`] when the run can't be written down.
pub async fn run_lab(
    scenario: GrowingScenario,
    planned: Vec<String>,
    settings: &DrillSettings,
    watcher: Arc<dyn Watcher>,
    desk: LabDesk,
) -> Result<RunRecord, DrillError> {
    let source = scenario.source()?;
    let work = async |world: &World<'_>| Lab::open(world, scenario, planned, desk).work().await;
    run(&source, settings, watcher, work).await
}

/// A lab at work.
struct Lab<'w, 'a> {
    world: &'w World<'a>,
    scenario: GrowingScenario,
    names: ReplayNames,
    desk: LabDesk,
    /// When the last step ended.
    idle_since: Instant,
}

impl<'w, 'a> Lab<'w, 'a> {
    fn open(
        world: &'w World<'a>,
        scenario: GrowingScenario,
        planned: Vec<String>,
        desk: LabDesk,
    ) -> Self {
        let cluster = world.cluster();
        let (user, system) = (cluster.credentials(), cluster.system_credentials());
        let view = LabView {
            access: Some(LabAccess {
                urls: cluster.client_urls(),
                user: (user.user.clone(), user.password.clone()),
                system: (system.user.clone(), system.password.clone()),
            }),
            evidence: world.evidence.root().to_owned(),
            tally: Arc::clone(&world.recorder.tally),
            streams: world
                .publishers
                .iter()
                .map(|one| LabStream {
                    name: one.stream().to_owned(),
                    tally: Arc::clone(one.tally()),
                    drops: world
                        .stream(one.stream())
                        .is_some_and(|spec| spec.keeping.drops()),
                })
                .collect(),
            history: scenario.clone(),
            idle_since: Some(Instant::now()),
            planned,
            steps: Vec::new(),
        };
        desk.view.send_replace(view);
        Self {
            world,
            scenario,
            names: ReplayNames::default(),
            desk,
            idle_since: Instant::now(),
        }
    }

    /// Carries out what is asked for, until the end is.
    async fn work(mut self) -> Option<Source> {
        let mut is_broken = false;
        while let Some(order) = self.desk.orders.recv().await {
            match order {
                LabOrder::End => break,
                LabOrder::Step { text, answer } => {
                    let end = self.step(&text).await;
                    is_broken |= matches!(end, Ok(StepEnd::Broken { .. }));
                    // Whoever asked may have gone; it was done all the same.
                    let _told = answer.send(end);
                }
            }
        }
        // As the drill that does it again: there the load ran on until now as well.
        self.scenario.pause(self.idle_since.elapsed());
        self.write_down();
        if is_broken {
            heal_to_end(self.world).await;
        }
        self.scenario.source().ok()
    }

    async fn step(&mut self, text: &str) -> Result<StepEnd, Diagnostic> {
        let step = self.scenario.next(text)?;
        let number = self.desk.view.borrow().steps.len() + 1;
        self.desk.view.send_modify(|view| {
            view.steps.push((text.to_owned(), None));
            if view.planned.first().is_some_and(|next| next == text) {
                view.planned.remove(0);
            }
        });
        let named = self.names.named_node(text);
        let role = match &named {
            Some(node) if !self.names.knows(node) => self.role_of(node).await,
            Some(_) | None => None,
        };
        let paused_for = self.idle_since.elapsed();
        let end = steps::try_out(self.world, number, &step).await;
        // Whoever asks next wants to see what has come of it.
        let (cluster, streams) = (self.world.cluster(), &self.world.scenario.streams);
        let seen = lookout::look(cluster, streams).await;
        self.world.record(Event::Observed { seen });
        match &end {
            StepEnd::Done | StepEnd::Broken { .. } => {
                self.scenario.pause(paused_for);
                let chosen = self.hit_node(text).or(named);
                let replayed = self
                    .names
                    .translate(text, role.as_deref(), chosen.as_deref());
                self.name_as_replayed(&replayed, chosen.as_deref());
                if let StepEnd::Broken { reason } = &end {
                    self.scenario.remark(&format!("Broken: {reason}"));
                }
                self.scenario.push(&replayed);
                self.idle_since = Instant::now();
            }
            StepEnd::Impossible { reason } | StepEnd::Withdrawn { reason } => {
                self.scenario
                    .remark(&format!("Not carried out: {text}: {reason}"));
            }
        }
        self.desk.view.send_modify(|view| {
            if let Some((_, last)) = view.steps.last_mut() {
                *last = Some(end.clone());
            }
        });
        self.write_down();
        Ok(end)
    }

    /// What a node is to the first stream at this moment.
    async fn role_of(&self, node: &str) -> Option<String> {
        let stream = &self.world.scenario.streams.first()?.name;
        if self.world.cluster().nodes().len() == 1 {
            return None;
        }
        let members = self.world.cluster().stream_members(stream).await.ok()?;
        let role = if members.leader.as_deref() == Some(node) {
            "leader"
        } else if members.followers.iter().any(|name| name == node) {
            "follower"
        } else {
            "spare"
        };
        members.leader.as_ref()?;
        Some(format!("{role} of {stream}"))
    }

    /// The node that a step chose, by the name it gave it.
    fn hit_node(&self, text: &str) -> Option<String> {
        ReplayNames::called_in(text).and_then(|name| self.world.named_node(&name))
    }

    /// Has later steps find a node by the name it has in the file as well.
    fn name_as_replayed(&self, replayed: &str, node: Option<&str>) {
        if let (Some(node), Some(name)) = (node, ReplayNames::called_in(replayed)) {
            self.world.name_node(&name, node);
        }
    }

    /// Keeps what was done where it is found after a crash, too.
    fn write_down(&self) {
        if let Ok(source) = self.scenario.source()
            && let Err(error) = self.world.evidence.describe(&source)
        {
            self.world.note(error.to_string());
        }
        self.desk.view.send_modify(|view| {
            view.history.clone_from(&self.scenario);
            view.idle_since = Some(self.idle_since);
        });
    }
}
