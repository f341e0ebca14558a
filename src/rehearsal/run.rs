//! The rehearsal itself: its stages in their order, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use lifeboat_harness::{Runtime, ServerBinary};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::check::{CheckOutcome, add_those_not_run, verdict};
use super::cluster::{Site, check_room};
use super::error::RehearsalError;
use super::flow::{Present, check_flow};
use super::policy::Policy;
use super::record::{FORMAT, Rehearsal, StreamRehearsal};
use super::sample::Sample;
use super::saved::{SavedBackup, SavedStream, file_name};
use super::sentinel::check_use;
use super::stream::{self, Attempt};
use super::whole::{check_account, check_policy};
use crate::backup::{Overrides, Progress};
use crate::evidence::RunDirectory;
use crate::model::{Verdict, origins_first};

/// How to rehearse.
#[derive(Debug, Clone)]
pub struct RehearsalSettings {
    /// The server that runs.
    pub server: ServerBinary,
    /// Where its nodes run.
    pub runtime: Runtime,
    /// So many streams are restored side by side.
    pub jobs: usize,
    /// Which streams.
    pub sample: Sample,
    /// The number that a sample follows from.
    pub seed: u64,
    /// What is changed of every stream's configuration, as a restore would.
    pub overrides: Overrides,
    /// Whether consumers that are ahead of their stream are set back to its end.
    pub reset_consumers: bool,
    /// Whether every replica is compared, or the leader's alone.
    pub every_replica: bool,
    /// What the backup is measured by besides.
    pub policy: Policy,
    /// Where the run's directory is made.
    pub evidence_root: PathBuf,
    /// The run's directory, when it was made already.
    pub run_directory: Option<PathBuf>,
}

/// Told how far a rehearsal is, as it goes.
pub trait RehearsalWatcher: Send + Sync {
    /// Something begins.
    fn stage(&self, text: &str);
    /// So many streams are going to be restored.
    fn begin(&self, streams: usize);
    /// The watcher of one stream.
    fn stream(&self, name: &str) -> Arc<dyn Progress>;
    /// A stream was restored and compared, or was not.
    fn restored(&self, rehearsal: &StreamRehearsal);
}

/// Rehearses a backup. Whatever goes wrong with it is part of the verdict. Dropping the future ends the
/// servers and removes what they had.
///
/// # Errors
/// [`RehearsalError`] when it can't begin, or can't be written down.
pub async fn rehearse(
    backup: &SavedBackup,
    settings: &RehearsalSettings,
    watcher: &dyn RehearsalWatcher,
) -> Result<Rehearsal, RehearsalError> {
    let label = format!(
        "backup-{}-{}",
        file_name(&backup.path),
        settings.server.version
    );
    // Before the work: what can't be written down is known now.
    let run = match &settings.run_directory {
        Some(directory) => RunDirectory::of_another(directory.clone()),
        None => RunDirectory::create(&settings.evidence_root, &label)?,
    };
    let rehearsal = carry_out(backup, settings, watcher, run.path()).await?;
    rehearsal.write()?;
    run.keep();
    Ok(rehearsal)
}

async fn carry_out(
    backup: &SavedBackup,
    settings: &RehearsalSettings,
    watcher: &dyn RehearsalWatcher,
    evidence: &Path,
) -> Result<Rehearsal, RehearsalError> {
    let (began, began_at) = (Instant::now(), OffsetDateTime::now_utc());
    let (mut streams, sample) = settings.sample.choose(&backup.streams, settings.seed);
    for stream in &mut streams {
        stream.read_config_if_missing().await;
    }
    check_room(&streams, settings)?;
    watcher.stage(&format!("starting {}", settings.server));
    let site = Site::start(&streams, settings).await?;

    watcher.begin(streams.len());
    let recovering = Instant::now();
    let mut attempts = restore_all(&site, &streams, settings, watcher).await;
    let recovered = recovering.elapsed();

    watcher.stage("publishing and consuming");
    use_all(&site, &mut attempts).await;
    let mut restored = Vec::new();
    for attempt in attempts {
        let mut one = attempt.rehearsal;
        add_those_not_run(&mut one.checks);
        one.verdict = verdict(&one.checks);
        restored.push(one);
    }
    let came_back = restored.iter().all(|one| one.came_back);
    let recovery = came_back.then_some(recovered);
    let mut checks = check_account(backup);
    checks.extend(check_policy(
        settings.policy,
        &of_all(&backup.streams, &streams),
        (began_at, sample.is_some()),
        recovery,
    ));
    let mut rehearsal = Rehearsal {
        format: FORMAT,
        backup: backup
            .path
            .canonicalize()
            .unwrap_or_else(|_| backup.path.clone()),
        of_account: backup.of_account,
        taken_at: backup
            .taken_at()
            .and_then(|time| time.format(&Rfc3339).ok()),
        made_by: backup.server().map(ToString::to_string),
        server: settings.server.version.to_string(),
        server_sha256: settings.server.sha256.clone(),
        runtime: settings.runtime.to_string(),
        nodes: site.cluster.nodes().len(),
        began_at: began_at.format(&Rfc3339).unwrap_or_default(),
        sample,
        live: None,
        verdict: Verdict::Inconclusive,
        checks,
        streams: restored,
        recovery_seconds: recovery.map(|recovery| recovery.as_secs_f64()),
        elapsed_seconds: 0.0,
        evidence: evidence.to_owned(),
    };
    rehearsal.conclude();
    if rehearsal.verdict != Verdict::Held {
        keep_logs(&site, evidence, watcher).await;
    }
    drop(site);
    rehearsal.elapsed_seconds = began.elapsed().as_secs_f64();
    Ok(rehearsal)
}

/// Every stream of the backup, with what was read of those that were chosen.
fn of_all(all: &[SavedStream], chosen: &[SavedStream]) -> Vec<SavedStream> {
    let read = |one: &SavedStream| chosen.iter().find(|chosen| chosen.path == one.path);
    all.iter()
        .map(|one| read(one).unwrap_or(one).clone())
        .collect()
}

/// Restores every stream, origins before what reads from them.
async fn restore_all(
    site: &Site,
    streams: &[SavedStream],
    settings: &RehearsalSettings,
    watcher: &dyn RehearsalWatcher,
) -> Vec<Attempt> {
    let groups = origins_first(streams.iter().collect(), |stream: &&SavedStream| {
        (stream.name.as_str(), &stream.config)
    });
    let mut attempts = Vec::new();
    for group in groups {
        let work = group.into_iter().map(|saved| async move {
            let watched = watcher.stream(&saved.name);
            stream::restore(site, saved, settings, watched).await
        });
        let mut work = futures_util::stream::iter(work).buffer_unordered(settings.jobs.max(1));
        while let Some(attempt) = work.next().await {
            watcher.restored(&attempt.rehearsal);
            attempts.push(attempt);
        }
    }
    attempts.sort_by(|a, b| a.rehearsal.stream.cmp(&b.rehearsal.stream));
    attempts
}

/// Uses every stream that came back: publishes to it, or to what it gets its messages from.
async fn use_all(site: &Site, attempts: &mut [Attempt]) {
    let back: Vec<Present> = attempts
        .iter()
        .filter(|attempt| attempt.rehearsal.came_back)
        .filter_map(|attempt| {
            Some(Present {
                name: attempt.rehearsal.stream.clone(),
                config: attempt.config.clone()?,
                last_sequence: attempt.rehearsal.last_sequence,
            })
        })
        .collect();
    let connection = &site.connection;
    for attempt in attempts {
        let name = &attempt.rehearsal.stream;
        let Some(stream) = back.iter().find(|stream| stream.name == *name) else {
            continue;
        };
        let flow = check_flow(connection, stream, &back).await;
        let own = check_use(connection, name, &stream.config).await;
        // A mirror has no use of its own; where both can be told, the worse one counts.
        let told = match flow {
            Some(flow) if own.outcome == CheckOutcome::NotApplicable => flow,
            Some(flow)
                if flow.outcome == CheckOutcome::Broken && own.outcome != CheckOutcome::Broken =>
            {
                flow
            }
            Some(_) | None => own,
        };
        attempt.rehearsal.checks.push(told);
    }
}

async fn keep_logs(site: &Site, evidence: &Path, watcher: &dyn RehearsalWatcher) {
    if let Err(error) = site.cluster.copy_evidence(&evidence.join("nodes")).await {
        watcher.stage(&format!("not all logs could be copied: {error}"));
    }
}
