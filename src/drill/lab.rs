//! A lab: a drill whose steps people ask for, one after the other, for as long as they like. What was done
//! becomes a scenario that does it again, and is judged in the end as any other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use super::cast::{Cast, Introduction};
use super::choice::choose;
use super::load::Publisher;
use super::run::{DrillError, DrillSettings, heal_to_end, run};
use super::steps;
use super::watch::{Tally, Watcher};
use super::world::World;
use crate::judge::RunRecord;
use crate::ledger::{Event, StepEnd};
use crate::scenario::{
    Diagnostic, GrowingScenario, OperatorStep, Source, Step, TypedStep, is_role,
};

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// How many replicas hold it.
    pub replicas: usize,
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
    cast: Cast,
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
        let stream = |publisher: &Publisher| {
            let name = publisher.stream();
            let spec = world.stream(name);
            LabStream {
                name: name.to_owned(),
                tally: Arc::clone(publisher.tally()),
                drops: spec.is_some_and(|spec| spec.keeping.drops()),
                replicas: spec.map_or(1, |spec| spec.replicas),
            }
        };
        desk.view.send_replace(LabView {
            access: Some(access(world)),
            evidence: world.evidence.root().to_owned(),
            tally: Arc::clone(&world.recorder.tally),
            streams: world.publishers.iter().map(stream).collect(),
            history: scenario.clone(),
            idle_since: Some(Instant::now()),
            planned,
            steps: Vec::new(),
        });
        Self {
            world,
            scenario,
            cast: Cast::default(),
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
        let left = self.desk.view.borrow().planned.clone();
        if let Some(next) = left.first() {
            let reason = format!(
                "{} of the scenario's own steps were not carried out, the first of them: {next}",
                left.len()
            );
            self.world.record(Event::Aborted { reason });
        }
        if is_broken {
            heal_to_end(self.world).await;
        }
        self.scenario.source().ok()
    }

    async fn step(&mut self, text: &str) -> Result<StepEnd, Diagnostic> {
        self.scenario.next(text)?;
        let Some(typed) = TypedStep::read(text) else {
            return Ok(StepEnd::Done);
        };
        let paused_for = self.idle_since.elapsed();
        let number = self.desk.view.borrow().steps.len() + 1;
        self.desk.view.send_modify(|view| {
            view.steps.push((text.to_owned(), None));
            view.idle_since = None;
        });
        let seen = self.world.lookout.look(self.world).await;
        self.cast.look(&seen);
        let end = match self.exactly(&typed).await {
            Ok(exact) => {
                let step = self.scenario.next(&exact.text())?;
                let said = self.cast.introduce(&exact, &seen, &typed);
                let end = steps::try_out(self.world, number, &step).await;
                if matches!(end, StepEnd::Done | StepEnd::Broken { .. }) {
                    self.scenario.pause(paused_for);
                    self.add_to_history(&exact, said, &end);
                }
                end
            }
            // Whoever is named by a role can't always be found.
            Err(reason) => StepEnd::Withdrawn { reason },
        };
        if let StepEnd::Impossible { reason } | StepEnd::Withdrawn { reason } = &end {
            let text = format!("Not carried out: {}: {reason}", typed.text());
            self.scenario.remark(&text);
        }
        self.ended(text, &end).await;
        Ok(end)
    }

    /// Adds a step, and before it who the nodes are that it mentions.
    fn add_to_history(&mut self, exact: &TypedStep, said: Vec<Introduction>, end: &StepEnd) {
        for one in said {
            self.scenario.push(&one.step());
            self.world.name_node(&one.name, &one.node);
        }
        if let StepEnd::Broken { reason } = end {
            self.scenario.remark(&format!(
                "Broken, and a drill ends here when it is again: {reason}"
            ));
        }
        if let Some(name) = exact.adds() {
            self.cast.joined(name);
        }
        self.scenario.push(&self.cast.renamed(exact).text());
    }

    /// What is to be seen once a step has ended.
    async fn ended(&mut self, text: &str, end: &StepEnd) {
        // Whoever asks next wants to see what has come of it.
        self.world.lookout.look(self.world).await;
        self.idle_since = Instant::now();
        let access = access(self.world);
        let is_over = matches!(end, StepEnd::Done | StepEnd::Broken { .. });
        self.desk.view.send_modify(|view| {
            if let Some((_, last)) = view.steps.last_mut() {
                *last = Some(end.clone());
            }
            if is_over && view.planned.first().is_some_and(|next| next == text) {
                view.planned.remove(0);
            }
            view.access = Some(access);
        });
        self.write_down();
    }

    /// The same step with the nodes' own names, whatever they were called by.
    async fn exactly(&self, typed: &TypedStep) -> Result<TypedStep, String> {
        let mut nodes = BTreeMap::new();
        for name in typed.nodes() {
            if let Some(node) = self.node_called(&name).await? {
                nodes.insert(name, node);
            }
        }
        Ok(typed.renamed(&nodes))
    }

    async fn node_called(&self, name: &str) -> Result<Option<String>, String> {
        if !is_role(name) {
            return Ok(self.world.named_node(name));
        }
        let name = name.trim();
        let asking = format!(
            "name_node = {{ node = {}, as = \"whoever-it-is\" }}",
            toml::Value::from(name)
        );
        let step = self.scenario.next(&asking);
        let step = step.map_err(|fault| fault.message)?;
        let Step::Operator(OperatorStep::NameNode { node, .. }) = step else {
            return Ok(None);
        };
        let node = choose(self.world, &node).await;
        let node = node.map_err(|failure| failure.reason().to_owned())?;
        self.world.note(format!("the {name} is {node}"));
        Ok(Some(node))
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

fn access(world: &World<'_>) -> LabAccess {
    let cluster = world.cluster();
    let (user, system) = (cluster.credentials(), cluster.system_credentials());
    LabAccess {
        urls: cluster.client_urls(),
        user: (user.user.clone(), user.password.clone()),
        system: (system.user.clone(), system.password.clone()),
    }
}
