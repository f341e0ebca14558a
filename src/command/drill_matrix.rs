//! `drill matrix`: drills on several server versions, and one table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;
use lifeboat_harness::{ContainerEngine, Runtime, ServerBinary, ServerRequest, parse_version};
use semver::Version;

use super::drill_run::exit_of;
use super::{Failure, Outcome};
use crate::cli::DrillMatrix;
use crate::drill::{Cost, DrillSettings, Room, run_drill};
use crate::exit::Exit;
use crate::judge::RunRecord;
use crate::matrix::{Partition, Planned, Results, ResultsError, Table, plan};
use crate::report::{matrix_markdown, matrix_text, runs_as_junit};
use crate::scenario::{Catalog, Source};
use crate::ui::{self, DrillProgress};

/// The table, for tools.
const TABLE: &str = "matrix.json";
/// The table, for people.
const MARKDOWN: &str = "matrix.md";
/// The runs, for CI systems.
const JUNIT: &str = "junit.xml";
/// Where the evidence of the runs is.
const RUNS: &str = "runs";

pub(super) async fn run(options: DrillMatrix) -> Outcome {
    // Everything that can be wrong with what was typed is found before anything starts.
    let sources = choose(&options.scenarios)?;
    let versions = versions(&options.server)?;
    let partition: Partition = options
        .partition
        .parse()
        .map_err(|text: String| Failure::new(Exit::Usage, text))?;
    let earlier = options.against.as_deref().map(read_table).transpose()?;
    let runtime: Runtime = options.runtime.parse()?;
    if runtime == Runtime::Container {
        let engine = ContainerEngine::find().await?;
        ui::say(&format!("container engine {}", engine.version));
    }
    let servers = find_servers(&versions, options.offline).await?;
    let planned = plan(&sources, &versions, options.repeat, partition);
    let mut results = Results::open(&options.out, options.resume)?;
    results.retain(|done| planned.iter().any(|one| one.key() == *done));
    let done = results.done();
    let missing: Vec<_> = planned
        .iter()
        .filter(|one| !done.contains(&one.key()))
        .collect();
    ui::say(&format!(
        "{} runs of {} drills on {} versions, part {partition}, {} of them done already",
        planned.len(),
        sources.len(),
        versions.len(),
        done.len()
    ));
    let matrix = Matrix {
        servers,
        runtime,
        evidence: options.out.join(RUNS),
        room: Room::for_drills(options.jobs.map(usize::from)),
        progress: DrillProgress::new(ui::can_draw(options.no_progress)),
    };
    let mut running = futures_util::stream::iter(missing.iter())
        .map(|one| matrix.run_one(one))
        // The room decides how many there are at once.
        .buffer_unordered(missing.len().max(1));
    let mut runs = 0;
    while let Some(finished) = running.next().await {
        let (one, record) = finished?;
        results.add(one.key(), &one.source.scenario.about, record)?;
        runs += 1;
        ui::say(&format!("{runs} of {} runs", missing.len()));
    }
    drop(running);
    conclude(&results, earlier.as_ref(), Some(&options.out), options.json)
}

/// What the runs of a matrix have in common.
struct Matrix {
    servers: BTreeMap<Version, ServerBinary>,
    runtime: Runtime,
    evidence: PathBuf,
    room: Room,
    progress: DrillProgress,
}

impl Matrix {
    async fn run_one<'a>(&self, one: &'a Planned) -> Result<(&'a Planned, RunRecord), Failure> {
        let scenario = &one.source.scenario;
        let _place = self.room.enter(Cost::of(scenario)).await;
        let server = self.servers.get(&one.server).cloned().ok_or_else(|| {
            let text = format!("nobody looked for nats-server {}", one.server);
            Failure::new(Exit::Unexpected, text)
        })?;
        let settings = DrillSettings {
            server,
            runtime: self.runtime,
            evidence_root: self.evidence.clone(),
            seed: None,
        };
        let name = format!("{} {}", scenario.name, one.server);
        let watcher = Arc::new(self.progress.drill(&name, &scenario.about));
        let record = run_drill(&one.source, &settings, Arc::clone(&watcher) as _).await?;
        watcher.finished(&record);
        Ok((one, record))
    }
}

/// Writes the table wherever it is wanted, and says how to exit.
pub(super) fn conclude(
    results: &Results,
    earlier: Option<&Table>,
    out: Option<&Path>,
    as_json: bool,
) -> Outcome {
    let table = Table::of(results.runs());
    let runs: Vec<RunRecord> = results.runs().map(|(_, run)| run.clone()).collect();
    if let Some(out) = out {
        fs::create_dir_all(out)?;
        let junit = runs_as_junit(&runs).map_err(|error| Failure::new(Exit::Unexpected, error))?;
        let json = serde_json::to_string_pretty(&table)?;
        let markdown = matrix_markdown(&table, earlier);
        for (name, text) in [(TABLE, json), (MARKDOWN, markdown), (JUNIT, junit)] {
            fs::write(out.join(name), text)?;
        }
    }
    let text = if as_json {
        serde_json::to_string_pretty(&table)?
    } else {
        matrix_text(&table, earlier)
    };
    ui::print(&text)?;
    Ok(exit_of(&runs))
}

fn choose(names: &[String]) -> Result<Vec<Source>, Failure> {
    let catalog = Catalog::built_in()?;
    if names.is_empty() {
        return Ok(catalog.all().to_vec());
    }
    let chosen = names.iter().map(|name| catalog.find(name));
    Ok(chosen.collect::<Result<_, _>>()?)
}

/// Versions as typed, oldest first, each once.
fn versions(texts: &[String]) -> Result<Vec<Version>, Failure> {
    let parsed = texts.iter().map(|text| parse_version(text.trim()));
    let mut versions = parsed.collect::<Result<Vec<_>, _>>()?;
    versions.sort();
    versions.dedup();
    Ok(versions)
}

/// Finds every server before the first drill begins.
async fn find_servers(
    versions: &[Version],
    offline: bool,
) -> Result<BTreeMap<Version, ServerBinary>, Failure> {
    let mut servers = BTreeMap::new();
    for version in versions {
        let mut request = ServerRequest::from_env()?;
        // One binary can't be several versions.
        request.path = None;
        request.offline |= offline;
        request.version = Some(version.clone());
        servers.insert(version.clone(), super::servers::locate(request).await?);
    }
    Ok(servers)
}

/// An earlier table: the file, or the directory that has it.
pub(super) fn read_table(path: &Path) -> Result<Table, Failure> {
    let file = if path.is_dir() {
        path.join(TABLE)
    } else {
        path.to_owned()
    };
    let wrong = |error: String| {
        let text = format!("{}: this is no matrix: {error}", file.display());
        Failure::new(Exit::Usage, text)
    };
    let text = fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

impl From<ResultsError> for Failure {
    fn from(error: ResultsError) -> Self {
        let exit = match &error {
            ResultsError::Io { .. } => Exit::Unexpected,
            ResultsError::NoRun { .. } => Exit::Usage,
            ResultsError::NotEmpty { .. } => Exit::Refused,
        };
        Self::new(exit, error)
    }
}
