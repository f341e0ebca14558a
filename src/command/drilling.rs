//! What the commands that run drills have in common: which drills, on which server, side by side as the
//! machine carries them, and how that ends.

use std::path::PathBuf;
use std::sync::Arc;

use lifeboat_harness::{
    BinaryError, ContainerEngine, Runtime, ServerBinary, ServerRequest, choose_version,
    identify_image, parse_version,
};
use semver::Version;

use super::Failure;
use crate::cli::{Place, ServerChoice};
use crate::drill::{Cost, DrillSettings, Room, check_runnable, run_drill};
use crate::exit::Exit;
use crate::judge::RunRecord;
use crate::model::Verdict;
use crate::scenario::{Catalog, Scenario, Source};
use crate::ui::{self, DrillProgress};

/// Runs drills, each as soon as there is room for it.
pub(super) struct Runner {
    runtime: Runtime,
    evidence: PathBuf,
    seed: Option<u64>,
    offline: bool,
    room: Room,
    progress: DrillProgress,
}

impl Runner {
    pub(super) fn new(runtime: Runtime, evidence: PathBuf, jobs: Option<u8>, live: bool) -> Self {
        Self {
            runtime,
            evidence,
            seed: None,
            offline: false,
            room: Room::for_drills(jobs.map(usize::from)),
            progress: DrillProgress::new(live),
        }
    }

    /// Has every random choice follow from a number.
    pub(super) fn with_seed(self, seed: Option<u64>) -> Self {
        Self { seed, ..self }
    }

    /// Whether servers that a drill upgrades to must be there already.
    pub(super) fn offline(self, offline: bool) -> Self {
        Self { offline, ..self }
    }

    /// Runs one drill; it is shown under that name.
    pub(super) async fn run(
        &self,
        source: &Source,
        server: &ServerBinary,
        name: &str,
    ) -> Result<RunRecord, Failure> {
        let _place = self.room.enter(Cost::of(&source.scenario)).await;
        let settings = DrillSettings {
            server: server.clone(),
            runtime: self.runtime,
            evidence_root: self.evidence.clone(),
            seed: self.seed,
            offline: self.offline,
        };
        let watcher = Arc::new(self.progress.drill(name, &source.scenario.about));
        let record = run_drill(source, &settings, Arc::clone(&watcher) as _).await?;
        watcher.finished(&record);
        Ok(record)
    }
}

/// The drills that were named, each once: by name, group, promise, pattern or file; when none was, those of
/// the catalogue that are wanted.
pub(super) fn choose(
    names: &[String],
    wanted: impl Fn(&Source) -> bool,
) -> Result<Vec<Source>, Failure> {
    let catalog = Catalog::built_in()?;
    if names.is_empty() {
        let all = catalog.all().iter();
        return Ok(all.filter(|source| wanted(source)).cloned().collect());
    }
    let mut chosen: Vec<Source> = Vec::new();
    for name in names {
        for source in catalog.select(name)? {
            let is_new = chosen
                .iter()
                .all(|other| (&other.path, &other.text) != (&source.path, &source.text));
            if is_new {
                chosen.push(source);
            }
        }
    }
    Ok(chosen)
}

/// What a run is called while it is under way: repeated, with its number.
pub(super) fn name_of_run(name: &str, round: usize, rounds: usize) -> String {
    if rounds > 1 {
        format!("{name} #{round}")
    } else {
        name.to_owned()
    }
}

/// Whether a drill makes sense on a server; where it does not, that is said.
pub(super) fn applies(scenario: &Scenario, server: &Version) -> bool {
    let applies = scenario.applies_to(server);
    if let Some(servers) = scenario.servers.as_ref().filter(|_| !applies) {
        let name = &scenario.name;
        ui::say(&format!(
            "{name}: skipped, it is about nats-server {servers}, not {server}"
        ));
    }
    applies
}

/// Whether a drill can be run there; where it can't, that is said.
pub(super) fn is_runnable(scenario: &Scenario, runtime: Runtime) -> bool {
    let runnable = check_runnable(scenario, runtime);
    if let Err(reason) = &runnable {
        ui::say(&format!("{}: not run: {reason}", scenario.name));
    }
    runnable.is_ok()
}

/// Finds the server once for all drills, and where it is to run.
pub(super) async fn find_server(
    choice: &ServerChoice,
    place: &Place,
) -> Result<(ServerBinary, Runtime), Failure> {
    let runtime: Runtime = place.runtime.parse()?;
    find_engine(runtime).await?;
    if runtime == Runtime::Container {
        if let Some(image) = &place.image {
            let server = identify_image(image).await?;
            check_version(choice, &server)?;
            return Ok((server, runtime));
        }
    } else if place.image.is_some() {
        let text = "an image is run by containers only: add --runtime container";
        return Err(Failure::new(Exit::Usage, text));
    }
    Ok((find_binary(choice).await?, runtime))
}

/// Finds the container engine where one is needed: without it no drill can run, which is better known
/// before the first.
pub(super) async fn find_engine(runtime: Runtime) -> Result<(), Failure> {
    if runtime == Runtime::Container {
        let engine = ContainerEngine::find().await?;
        ui::say(&format!("container engine {}", engine.version));
    }
    Ok(())
}

/// An image runs what it runs; a version that was asked for has to be that.
fn check_version(choice: &ServerChoice, server: &ServerBinary) -> Result<(), Failure> {
    let Some(text) = &choice.server_version else {
        return Ok(());
    };
    let wanted = whole_version(text)?;
    if wanted == server.version {
        return Ok(());
    }
    Err(Failure::from(BinaryError::WrongVersion {
        path: server.path.clone(),
        found: server.version.clone(),
        wanted,
    }))
}

/// The version that a binary or an image has to be: of a series it may be any.
fn whole_version(text: &str) -> Result<Version, Failure> {
    parse_version(text).map_err(|error| {
        let text = format!("{error}; with a binary or an image the whole version is named");
        Failure::new(Exit::Usage, text)
    })
}

/// Finds the server binary, and says so when it has to be downloaded.
pub(super) async fn find_binary(choice: &ServerChoice) -> Result<ServerBinary, Failure> {
    let mut request = ServerRequest::from_env()?;
    request.path.clone_from(&choice.server);
    request.offline |= choice.offline;
    request.version = match &choice.server_version {
        Some(text) if choice.server.is_some() => Some(whole_version(text)?),
        Some(text) => Some(choose_version(text)?),
        None => None,
    };
    super::servers::locate(request).await
}

/// 0 when every verdict is the expected one; else the worst that is not. Nothing that ran tells
/// nothing.
pub(super) fn exit_of(runs: &[RunRecord]) -> Exit {
    if runs.is_empty() {
        ui::say("nothing was run");
        return Exit::Inconclusive;
    }
    let mut unexpected = runs.iter().filter(|run| !run.is_as_expected()).peekable();
    if unexpected.peek().is_none() {
        Exit::Done
    } else if unexpected.any(|run| run.verdict() != Verdict::Inconclusive) {
        Exit::Broken
    } else {
        Exit::Inconclusive
    }
}
