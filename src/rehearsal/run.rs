//! The rehearsal itself: its stages in their order, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use lifeboat_harness::{Runtime, ServerBinary};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::check::{CheckName, CheckOutcome, add_those_not_run, verdict};
use super::cluster::{Site, check_room};
use super::error::RehearsalError;
use super::flow::{Restored, check_flow};
use super::policy::Policy;
use super::record::{FORMAT, Rehearsal, StreamRehearsal};
use super::sample::Sample;
use super::saved::{SavedBackup, SavedStream, file_name};
use super::sentinel::check_use;
use super::stream;
use super::whole::{check_account, check_policy};
use crate::backup::{Overrides, Progress};
use crate::evidence::create_run_directory;
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
    fn restored(&self, rehearsal: &StreamRehearsal, came_back: bool);
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
    let began = Instant::now();
    let began_at = now();
    let (streams, sample) = settings.sample.choose(&backup.streams, settings.seed);
    check_room(&streams, settings)?;
    watcher.stage(&format!("starting {}", settings.server));
    let site = Site::start(&streams, settings).await?;

    watcher.begin(streams.len());
    let recovering = Instant::now();
    let mut restored = restore_all(&site, &streams, settings, watcher).await;
    let recovery = recovering.elapsed();

    watcher.stage("publishing and consuming");
    use_all(&site, &streams, &mut restored).await;
    for one in &mut restored {
        add_those_not_run(&mut one.checks);
        one.verdict = verdict(&one.checks);
    }
    let is_whole = restored.iter().all(came_back);
    let mut checks = check_account(backup);
    checks.extend(check_policy(
        settings.policy,
        &streams,
        sample.is_some(),
        is_whole.then_some(recovery),
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
        began_at,
        sample,
        live: None,
        verdict: Verdict::Inconclusive,
        checks,
        streams: restored,
        recovery_seconds: recovery.as_secs_f64(),
        elapsed_seconds: 0.0,
        evidence: PathBuf::new(),
    };
    rehearsal.conclude();
    rehearsal.evidence = match &settings.run_directory {
        Some(directory) => directory.clone(),
        None => {
            let label = format!("backup-{}-{}", file_name(&backup.path), rehearsal.server);
            create_run_directory(&settings.evidence_root, &label)
                .map_err(|(path, source)| RehearsalError::Evidence { path, source })?
        }
    };
    if rehearsal.verdict != Verdict::Held {
        keep_logs(&site, &rehearsal.evidence, watcher).await;
    }
    drop(site);
    rehearsal.elapsed_seconds = began.elapsed().as_secs_f64();
    rehearsal.write()?;
    Ok(rehearsal)
}

/// Restores every stream, origins before what reads from them.
async fn restore_all(
    site: &Site,
    streams: &[SavedStream],
    settings: &RehearsalSettings,
    watcher: &dyn RehearsalWatcher,
) -> Vec<StreamRehearsal> {
    let groups = origins_first(streams.iter().collect(), |stream: &&SavedStream| {
        (stream.name.as_str(), &stream.config)
    });
    let mut restored = Vec::new();
    for group in groups {
        let work = group.into_iter().map(|saved| async move {
            let watched = watcher.stream(&saved.name);
            stream::restore(site, saved, settings, watched).await
        });
        let mut work = futures_util::stream::iter(work).buffer_unordered(settings.jobs.max(1));
        while let Some(one) = work.next().await {
            watcher.restored(&one, came_back(&one));
            restored.push(one);
        }
    }
    restored.sort_by(|a, b| a.stream.cmp(&b.stream));
    restored
}

/// Whether a stream was restored, and compared.
fn came_back(one: &StreamRehearsal) -> bool {
    let equal = one
        .checks
        .iter()
        .find(|check| check.name == CheckName::Equal);
    equal.is_some_and(|check| check.outcome == CheckOutcome::Held)
}

/// Uses every stream that came back: publishes to it, or to what it gets its messages from.
async fn use_all(site: &Site, streams: &[SavedStream], restored: &mut [StreamRehearsal]) {
    let back: Vec<Restored<'_>> = streams
        .iter()
        .filter_map(|saved| {
            let own = restored.iter().find(|one| one.stream == saved.name)?;
            came_back(own).then_some(Restored {
                name: &saved.name,
                config: &saved.config,
                last_sequence: own.last_sequence,
            })
        })
        .collect();
    let connection = &site.connection;
    for one in restored.iter_mut() {
        let Some(stream) = back.iter().find(|stream| stream.name == one.stream) else {
            continue;
        };
        let flow = check_flow(connection, *stream, &back).await;
        let own = check_use(connection, stream.name, stream.config).await;
        // A mirror has no use of its own; where both can be told, the worse one counts.
        one.checks.push(match flow {
            Some(flow) if own.outcome != CheckOutcome::Broken => flow,
            _ => own,
        });
    }
}

async fn keep_logs(site: &Site, evidence: &Path, watcher: &dyn RehearsalWatcher) {
    if let Err(error) = site.cluster.copy_evidence(&evidence.join("nodes")).await {
        watcher.stage(&format!("not all logs could be copied: {error}"));
    }
}

fn now() -> String {
    OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_default()
}
