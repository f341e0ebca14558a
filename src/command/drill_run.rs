//! `drill run`: the main job.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use lifeboat_harness::{
    BinaryError, ContainerEngine, Runtime, ServerBinary, ServerRequest, identify_image,
    parse_version,
};

use semver::Version;

use super::{Failure, Outcome};
use crate::cli::{DrillRun, Place, ServerChoice};
use crate::drill::{DrillSettings, run_drill};
use crate::exit::Exit;
use crate::judge::RunRecord;
use crate::model::Verdict;
use crate::report::{runs_as_json, runs_as_junit, summary};
use crate::scenario::{Catalog, Scenario, Source};
use crate::ui::{self, DrillProgress};

pub(super) async fn run(options: DrillRun) -> Outcome {
    // Everything that can be wrong with what was typed is found before anything starts.
    let mut sources = choose(&options.scenarios)?;
    let (server, runtime) = find_server(&options.server, &options.place).await?;
    ui::say(&format!("{server}: {}", server.path.display()));
    sources.retain(|source| applies(&source.scenario, &server.version));
    let settings = DrillSettings {
        server,
        runtime,
        evidence_root: options.evidence.clone(),
        seed: options.seed,
    };
    // A report that can't be written is told of before hours of drills, not after.
    let junit = options.junit.as_deref().map(create_report).transpose()?;
    let progress = DrillProgress::new(ui::can_draw(options.no_progress));
    let rounds = usize::from(options.repeat);
    let all = std::iter::repeat_n(&sources, rounds).flatten();
    let runs: Vec<RunRecord> = futures_util::stream::iter(all)
        .map(|source| run_one(source, &settings, &progress))
        .buffered(jobs(options.jobs))
        .try_collect()
        .await?;
    let text = if options.json {
        serde_json::to_string_pretty(&runs_as_json(&runs))?
    } else {
        summary(&runs)
    };
    ui::print(&text)?;
    if let Some(mut file) = junit {
        let report = runs_as_junit(&runs).map_err(|error| Failure::new(Exit::Unexpected, error))?;
        file.write_all(report.as_bytes())?;
    }
    Ok(exit_of(&runs))
}

/// Whether a drill makes sense on a server; where it does not, that is said.
fn applies(scenario: &Scenario, server: &Version) -> bool {
    let applies = scenario.applies_to(server);
    if let Some(servers) = scenario.servers.as_ref().filter(|_| !applies) {
        let name = &scenario.name;
        ui::say(&format!(
            "{name}: skipped, it is about nats-server {servers}, not {server}"
        ));
    }
    applies
}

async fn run_one(
    source: &Source,
    settings: &DrillSettings,
    progress: &DrillProgress,
) -> Result<RunRecord, Failure> {
    let watcher = Arc::new(progress.drill(&source.scenario.name, &source.scenario.about));
    let record = run_drill(source, settings, Arc::clone(&watcher) as _).await?;
    watcher.finished(&record);
    Ok(record)
}

fn choose(names: &[String]) -> Result<Vec<Source>, Failure> {
    let catalog = Catalog::built_in()?;
    if names.is_empty() {
        return Ok(catalog.core().cloned().collect());
    }
    let chosen = names.iter().map(|name| catalog.find(name));
    Ok(chosen.collect::<Result<_, _>>()?)
}

/// Finds the server once for all drills, and where it is to run.
async fn find_server(
    choice: &ServerChoice,
    place: &Place,
) -> Result<(ServerBinary, Runtime), Failure> {
    let runtime: Runtime = place.runtime.parse()?;
    if runtime == Runtime::Container {
        // Without an engine no drill can run, which is better known now.
        let engine = ContainerEngine::find().await?;
        ui::say(&format!("container engine {}", engine.version));
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

/// An image runs what it runs; a version that was asked for has to be that.
fn check_version(choice: &ServerChoice, server: &ServerBinary) -> Result<(), Failure> {
    let Some(text) = &choice.server_version else {
        return Ok(());
    };
    let wanted = parse_version(text)?;
    if wanted == server.version {
        return Ok(());
    }
    Err(Failure::from(BinaryError::WrongVersion {
        path: server.path.clone(),
        found: server.version.clone(),
        wanted,
    }))
}

/// Finds the server binary, and says so when it has to be downloaded.
async fn find_binary(choice: &ServerChoice) -> Result<ServerBinary, Failure> {
    let mut request = ServerRequest::from_env()?;
    request.path.clone_from(&choice.server);
    request.offline |= choice.offline;
    request.version = match &choice.server_version {
        Some(text) => Some(parse_version(text)?),
        None => None,
    };
    super::servers::locate(request).await
}

/// Two cores carry one cluster without its elections starving.
fn jobs(wanted: Option<u8>) -> usize {
    wanted.map_or_else(
        || {
            let cores = std::thread::available_parallelism().map_or(2, usize::from);
            (cores / 2).max(1)
        },
        usize::from,
    )
}

fn create_report(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| {
        let text = format!("can't write {}: {error}", path.display());
        Failure::new(Exit::Usage, text)
    })
}

/// 0 when every verdict is the expected one; else the worst that is not.
fn exit_of(runs: &[RunRecord]) -> Exit {
    let mut unexpected = runs.iter().filter(|run| !run.is_as_expected()).peekable();
    if unexpected.peek().is_none() {
        Exit::Done
    } else if unexpected.any(|run| run.verdict() != Verdict::Inconclusive) {
        Exit::Broken
    } else {
        Exit::Inconclusive
    }
}
