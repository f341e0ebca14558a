//! The drill itself: its stages in their order, and nothing else.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Runtime, ServerBinary};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::clients::{ClientSet, Clients};
use super::clusters::{Clusters, OtherServers};
use super::evidence::Evidence;
use super::load::{Publisher, Recorder, RunningLoad};
use super::watch::{Tally, Watcher};
use super::world::World;
use super::{replicas, served, steps};
use crate::jetstream::Connection;
use crate::judge::{Judgement, Rules, RunRecord, StreamRules, judge};
use crate::ledger::{Event, Ledger, LedgerError, StepEnd, read_ledger};
use crate::model::count;
use crate::scenario::{Diagnostic, Scenario, Source, StreamSpec};

/// How long a fresh cluster may take to make a stream.
const MADE_WITHIN: Duration = Duration::from_secs(30);

/// How to run drills.
#[derive(Debug, Clone)]
pub struct DrillSettings {
    /// The server that runs.
    pub server: ServerBinary,
    /// Where its nodes run.
    pub runtime: Runtime,
    /// Where the directories of runs are made.
    pub evidence_root: PathBuf,
    /// The seed of every random choice; a new one for every run when nothing is said.
    pub seed: Option<u64>,
    /// Never download a server that a drill upgrades to.
    pub offline: bool,
}

/// A run that could not even be written down. Everything else is a verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrillError {
    /// The directory of the run.
    #[error("can't write evidence to {}: {source}", path.display())]
    Evidence {
        /// The path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A scenario that is none.
    #[error(transparent)]
    Scenario(#[from] Diagnostic),
}

impl DrillError {
    pub(super) fn evidence(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Evidence { path, source }
    }
}

/// Runs one scenario and judges it. Whatever goes wrong with the servers is part of the
/// verdict; dropping the future ends the servers and leaves the evidence.
///
/// # Errors
/// [`DrillError`] when the run can't be written down.
pub async fn run_drill(
    source: &Source,
    settings: &DrillSettings,
    watcher: Arc<dyn Watcher>,
) -> Result<RunRecord, DrillError> {
    let carry_out = async |world: &World<'_>| {
        carry_out(world).await;
        None
    };
    run(source, settings, watcher, carry_out).await
}

/// Runs a scenario whose steps are carried out by `script`, and judges it: by what the scenario has
/// become, where that says so.
pub(super) async fn run<S>(
    source: &Source,
    settings: &DrillSettings,
    watcher: Arc<dyn Watcher>,
    script: S,
) -> Result<RunRecord, DrillError>
where
    S: AsyncFnOnce(&World<'_>) -> Option<Source>,
{
    let began = Instant::now();
    let server = &settings.server;
    let seed = settings.seed.unwrap_or_else(|| fastrand::u64(..));
    let (evidence, ledger) =
        Evidence::create(&settings.evidence_root, source, &server.version.to_string())?;
    let ledger = Arc::new(ledger);
    let began_at = OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_default();
    ledger.record(Event::Began {
        scenario: source.scenario.name.clone(),
        server: server.version.to_string(),
        server_sha256: server.sha256.clone(),
        runtime: settings.runtime.to_string(),
        seed,
        at: began_at.clone(),
    });
    let mut grown = None;
    let stage = Stage {
        scenario: &source.scenario,
        settings,
        seed,
        evidence: &evidence,
        ledger: &ledger,
        watcher: Arc::clone(&watcher),
    };
    if let Err(reason) = stage.rehearse(script, &mut grown).await {
        ledger.record(Event::Aborted { reason });
    }
    ledger.flush()?;
    let source = grown.as_ref().unwrap_or(source);
    let scenario = &source.scenario;
    watcher.stage("judging what the ledger has");
    let judgement = judge_ledger(rules(scenario), evidence.ledger()).await?;
    let record = RunRecord {
        scenario: scenario.name.clone(),
        promise: scenario.promise.clone(),
        drill_digest: source.drill_digest(),
        began_at,
        server: server.version.to_string(),
        server_sha256: server.sha256.clone(),
        runtime: settings.runtime.to_string(),
        seed,
        judgement,
        expected: scenario.expect.verdict_for(&server.version),
        elapsed_seconds: began.elapsed().as_secs_f64(),
        evidence: evidence.root().to_owned(),
    };
    evidence.conclude(&record)?;
    Ok(record)
}

/// Judges a ledger away from the tasks of other drills, whose times it would spoil.
async fn judge_ledger(rules: Rules, ledger: PathBuf) -> Result<Judgement, DrillError> {
    let judging = tokio::task::spawn_blocking(move || {
        let events = read_ledger(&ledger)?;
        Ok(judge(&rules, &events))
    });
    match judging.await {
        Ok(judged) => judged,
        Err(error) => Err(DrillError::evidence(Path::new("the ledger"))(
            io::Error::other(error),
        )),
    }
}

/// What the judges are told of a scenario.
pub fn rules(scenario: &Scenario) -> Rules {
    let expect = &scenario.expect;
    let streams = scenario.streams.iter();
    Rules {
        lost: expect.lost,
        recovery_time: expect.recovery_time,
        write_outage: expect.write_outage,
        min_acknowledged: expect.min_acknowledged,
        streams: streams
            .map(|stream| {
                let rules = StreamRules {
                    replicas: stream.replicas,
                    consumers: stream.consumers.clone(),
                    keeping: stream.keeping.clone(),
                    feed: stream.feed.clone(),
                };
                (stream.name.clone(), rules)
            })
            .collect(),
    }
}

/// What a drill is run with.
struct Stage<'a> {
    scenario: &'a Scenario,
    settings: &'a DrillSettings,
    seed: u64,
    evidence: &'a Evidence,
    ledger: &'a Arc<Ledger>,
    watcher: Arc<dyn Watcher>,
}

impl Stage<'_> {
    /// Everything that needs a cluster: prepare, load, steps, drain, settle, stop, read.
    async fn rehearse<S>(self, script: S, grown: &mut Option<Source>) -> Result<(), String>
    where
        S: AsyncFnOnce(&World<'_>) -> Option<Source>,
    {
        let Self {
            scenario,
            settings,
            seed,
            evidence,
            ledger,
            watcher,
        } = self;
        // Before anything starts: a server that can't be had is known now, not half-way.
        let servers = OtherServers::find(scenario, settings.offline).await?;
        let nodes: usize = scenario.clusters().map(|cluster| cluster.nodes).sum();
        watcher.stage(&format!("starting {}", count(nodes as u64, "node")));
        let clusters = Clusters::start(scenario, settings, servers, evidence).await?;
        let set = ClientSet::open(clusters.first()).await?;
        for stream in &scenario.streams {
            make_stream(&set.asking, stream).await?;
        }
        let recorder = Recorder {
            clients: Clients::new(set),
            ledger: Arc::clone(ledger),
            tally: Arc::new(Tally::default()),
            watcher: Arc::clone(&watcher),
            seed,
        };
        recorder.record(Event::Ready);
        let publishers: Vec<_> = scenario
            .streams
            .iter()
            .filter(|stream| stream.feed.is_published())
            .map(|stream| Publisher::new(recorder.clone(), stream, scenario.load))
            .collect();
        let mut load = RunningLoad::start(&recorder, &scenario.streams, &publishers, scenario.load);
        let world = World::new(scenario, &clusters, evidence, recorder, publishers);
        let looking = world.lookout.keep_looking(&world);
        let under_load = async {
            *grown = script(&world).await;
            world.drop_transfers();
            watcher.stage("ending the load, letting consumers finish");
            load.end_publishing(ledger).await;
            replicas::drain(&world).await;
            load.end_consuming().await;
            watcher.stage("letting replicas become equal");
            let holders = replicas::settle(&world).await;
            // A server that died by itself was no part of the scenario.
            if let Err(reason) = ended_by_themselves(&world).await {
                ledger.record(Event::Aborted { reason });
            }
            holders
        };
        let mut holders = tokio::select! {
            holders = under_load => holders,
            never = looking => never,
        };
        for (stream, nodes) in &holders {
            if served::is_on_no_disk(&world, stream) {
                served::read(&world, stream, nodes).await;
            }
        }
        holders.retain(|(stream, _)| !served::is_on_no_disk(&world, stream));
        watcher.stage("stopping the servers");
        let stopped = clusters.stop_all().await.map_err(|error| error.to_string());
        let copied = clusters.copy_evidence(&evidence.nodes()).await;
        if let Err(error) = copied {
            world.note(format!("not all logs could be copied: {error}"));
        }
        stopped?;
        watcher.stage("reading every replica from its disk");
        replicas::read(&world, holders).await;
        Ok(())
    }
}

/// Looks for servers that ended by themselves; the first of them is the error.
async fn ended_by_themselves(world: &World<'_>) -> Result<(), String> {
    let ended = world.cluster().ended_by_themselves().await;
    let ended = ended.map_err(|error| error.to_string())?;
    for error in &ended {
        let _is_panic = world.record_panic(error);
    }
    ended.first().map_or(Ok(()), |error| Err(error.to_string()))
}

/// Carries the steps out, one after the other, until one fails.
async fn carry_out(world: &World<'_>) {
    for (index, step) in world.scenario.steps.iter().enumerate() {
        // After a step that failed the next ones would judge something else.
        if steps::carry_out(world, index + 1, step).await != StepEnd::Done {
            heal_to_end(world).await;
            break;
        }
    }
}

/// Heals the network after a step has failed: the one that heals it may never have come, and what each
/// replica holds is looked at all the same.
pub(super) async fn heal_to_end(world: &World<'_>) {
    let cluster = world.cluster();
    if cluster.reachable().len() < cluster.running().len() {
        world.note(String::from("the network is healed, to end the drill"));
    }
    cluster.heal().await;
}

/// Makes a stream and its consumers; tried again while a fresh cluster still settles.
async fn make_stream(connection: &Connection, stream: &StreamSpec) -> Result<(), String> {
    let made = until(MADE_WITHIN, || async {
        match try_to_make(connection, stream).await {
            Ok(()) => Probe::Ready(()),
            Err(error) => Probe::Pending(error.to_string()),
        }
    });
    made.await
        .map_err(|timed_out| format!("stream {} could not be made: {timed_out}", stream.name))
}

async fn try_to_make(connection: &Connection, stream: &StreamSpec) -> crate::jetstream::Result<()> {
    connection
        .create_stream(&stream.name, &stream.config)
        .await?;
    for consumer in stream.consumers.iter().chain(&stream.idle_consumers) {
        connection
            .create_consumer(
                &stream.name,
                &consumer_config(consumer, stream.consumer_replicas),
            )
            .await?;
    }
    Ok(())
}

/// A delivery that was lost with its node comes again after `ack_wait`. That is twice the time
/// after which an acknowledgement counts as unknown, so a redelivery is never under way while
/// its acknowledgement may still be confirmed.
fn consumer_config(name: &str, replicas: Option<usize>) -> Value {
    let mut config = json!({
        "durable_name": name,
        "ack_policy": "explicit",
        "ack_wait": 10_000_000_000_u64,
        "max_ack_pending": 10_000,
    });
    if let Some(replicas) = replicas {
        config["num_replicas"] = json!(replicas);
    }
    config
}
