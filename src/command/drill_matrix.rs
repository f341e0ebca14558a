//! `drill matrix`: drills on several server versions, and one table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use futures_util::StreamExt as _;
use lifeboat_harness::{Runtime, ServerBinary, choose_version};
use semver::Version;

use super::drilling::{
    Runner, choose, exit_of, find_binary, find_engine, is_runnable, name_of_run,
};
use super::reports::{ReportFiles, Texts};
use super::tables::{TABLE, TrackRecord, read_table};
use super::{Failure, Outcome};
use crate::cli::{DrillMatrix, ServerChoice};
use crate::exit::Exit;
use crate::judge::RunRecord;
use crate::matrix::{Done, Partition, Planned, Results, ResultsError, Table, plan};
use crate::model::count;
use crate::report::{matrix_markdown, matrix_text, runs_as_junit, runs_as_metrics, runs_markdown};
use crate::scenario::Source;
use crate::ui;

/// The table, for people.
const MARKDOWN: &str = "matrix.md";
/// The runs, for CI systems.
const JUNIT: &str = "junit.xml";
/// Where the evidence of the runs is.
const RUNS: &str = "runs";

pub(super) async fn run(options: DrillMatrix) -> Outcome {
    // Everything that can be wrong with what was typed is found before anything starts.
    let sources = choose(&options.scenarios, |_| true)?;
    let versions = versions(&options.server)?;
    let partition: Partition = options
        .partition
        .parse()
        .map_err(|text: String| Failure::new(Exit::Usage, text))?;
    let earlier = options.against.as_deref().map(read_table).transpose()?;
    let record = options.record.as_deref().map(TrackRecord::open);
    let record = record.transpose()?;
    let metrics = ReportFiles::metrics(options.metrics.as_deref())?;
    let runtime: Runtime = options.runtime.parse()?;
    find_engine(runtime).await?;
    let servers = find_servers(&versions, options.offline).await?;
    let runnable = runnable(&sources, runtime);
    // What can't be shown here leaves its cells empty. Parts are the same on every machine.
    let mut planned = plan(&sources, &versions, options.repeat, partition);
    planned.retain(|one| runnable.contains(one.source.scenario.name.as_str()));
    let key = |one: Planned| {
        let key = one.key(sha256(&servers, &one), &options.runtime);
        let on_record = record.as_ref().map_or(0, |record| record.runs_of(&key));
        (usize::from(one.round) > on_record).then_some((one, key))
    };
    let planned: Vec<_> = planned.into_iter().filter_map(key).collect();
    let mut results = Results::open(&options.out, options.resume)?;
    results.retain(|done| planned.iter().any(|(_, key)| key == done));
    results.expect_what_is_known(&sources);
    let done = results.done();
    let missing = planned.iter().filter(|(_, key)| !done.contains(key));
    let missing: Vec<_> = missing.collect();
    ui::say(&format!(
        "{} of {} on {}, part {partition}, {} of them done already",
        count(planned.len() as u64, "run"),
        count(sources.len() as u64, "drill"),
        count(versions.len() as u64, "version"),
        done.len()
    ));
    let evidence = options.out.join(RUNS);
    let live = ui::can_draw(options.no_progress);
    let runner = Runner::new(runtime, evidence, options.jobs, live).offline(options.offline);
    let mut running = futures_util::stream::iter(missing.iter())
        .map(|(one, key)| run_one(&runner, &servers, (one, key), options.repeat))
        // The room decides how many there are at once.
        .buffer_unordered(missing.len().max(1));
    let mut runs = 0;
    while let Some(finished) = running.next().await {
        let (one, key, record) = finished?;
        results.add(key.clone(), &one.source.scenario.about, record)?;
        runs += 1;
        ui::say(&format!("{runs} of {} runs", missing.len()));
    }
    drop(running);
    if let Some(record) = &record {
        record.add(&results)?;
    }
    if planned.is_empty() && (partition != Partition::default() || record.is_some()) {
        return nothing_to_run(&options.out, earlier.as_ref(), metrics);
    }
    let told = Told {
        earlier: earlier.as_ref(),
        out: Some(&options.out),
        metrics,
        as_json: options.json,
    };
    conclude(&results, told)
}

/// The names of the drills that can be shown in this place.
fn runnable(sources: &[Source], runtime: Runtime) -> BTreeSet<&str> {
    let runnable = sources.iter();
    let runnable = runnable.filter(|source| is_runnable(&source.scenario, runtime));
    let names = runnable.map(|source| source.scenario.name.as_str());
    names.collect()
}

/// The digest of the binary that a run is of.
fn sha256<'a>(servers: &'a BTreeMap<Version, ServerBinary>, one: &Planned) -> &'a str {
    let server = servers.get(&one.server);
    server.map_or("", |server| server.sha256.as_str())
}

async fn run_one<'a>(
    runner: &Runner,
    servers: &BTreeMap<Version, ServerBinary>,
    (one, key): (&'a Planned, &'a Done),
    rounds: u16,
) -> Result<(&'a Planned, &'a Done, RunRecord), Failure> {
    let server = servers.get(&one.server).ok_or_else(|| {
        let text = format!("nobody looked for nats-server {}", one.server);
        Failure::new(Exit::Unexpected, text)
    })?;
    let name = format!("{} {}", one.source.scenario.name, one.server);
    let name = name_of_run(&name, one.round.into(), rounds.into());
    Ok((one, key, runner.run(&one.source, server, &name).await?))
}

/// How a table is told.
pub(super) struct Told<'a> {
    /// What changes are marked against.
    pub(super) earlier: Option<&'a Table>,
    /// The directory of its files.
    pub(super) out: Option<&'a Path>,
    pub(super) metrics: ReportFiles,
    pub(super) as_json: bool,
}

/// Writes the files of a matrix's directory.
fn write_files(
    out: &Path,
    table: &Table,
    runs: &[RunRecord],
    earlier: Option<&Table>,
) -> Result<(), Failure> {
    fs::create_dir_all(out)?;
    let junit = runs_as_junit(runs).map_err(|error| Failure::new(Exit::Unexpected, error))?;
    let json = serde_json::to_string_pretty(table)?;
    let markdown = matrix_markdown(table, earlier);
    for (name, text) in [(TABLE, json), (MARKDOWN, markdown), (JUNIT, junit)] {
        fs::write(out.join(name), text)?;
    }
    Ok(())
}

/// Writes the table wherever it is wanted, and says how to exit.
pub(super) fn conclude(results: &Results, told: Told<'_>) -> Outcome {
    let table = Table::of(results.runs());
    let runs: Vec<RunRecord> = results.runs().map(|(_, run)| run.clone()).collect();
    if let Some(out) = told.out {
        write_files(out, &table, &runs, told.earlier)?;
    }
    let text = if told.as_json {
        serde_json::to_string_pretty(&table)?
    } else {
        matrix_text(&table, told.earlier)
    };
    ui::print(&text)?;
    told.metrics.write(|| Texts {
        junit: runs_as_junit(&runs),
        markdown: runs_markdown(&runs),
        metrics: runs_as_metrics(&runs),
    })?;
    Ok(exit_of(&runs))
}

/// Whoever collects results and metrics finds files as well.
fn nothing_to_run(out: &Path, earlier: Option<&Table>, metrics: ReportFiles) -> Outcome {
    ui::say("there is nothing to run here");
    write_files(out, &Table::default(), &[], earlier)?;
    metrics.write(|| Texts {
        junit: runs_as_junit(&[]),
        markdown: runs_markdown(&[]),
        metrics: runs_as_metrics(&[]),
    })?;
    Ok(Exit::Done)
}

/// Versions as typed, oldest first, each once.
fn versions(texts: &[String]) -> Result<Vec<Version>, Failure> {
    let parsed = texts.iter().map(|text| choose_version(text.trim()));
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
        let choice = ServerChoice {
            // One binary can't be several versions.
            server: None,
            server_version: Some(version.to_string()),
            offline,
        };
        servers.insert(version.clone(), find_binary(&choice).await?);
    }
    Ok(servers)
}

impl From<ResultsError> for Failure {
    fn from(error: ResultsError) -> Self {
        let exit = match &error {
            ResultsError::Io { source, .. } if source.kind() == ErrorKind::NotFound => Exit::Usage,
            ResultsError::Io { .. } => Exit::Unexpected,
            ResultsError::NoRun { .. } => Exit::Usage,
            ResultsError::NotEmpty { .. } => Exit::Refused,
        };
        Self::new(exit, error)
    }
}
