//! Restoring an account: every stream is planned before the first is touched, origins come before
//! their mirrors, and one that fails keeps only itself from being restored.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};

use super::account::AccountProgress;
use super::clean_up::unless;
use super::error::{BackupError, Result};
use super::plan::{Action, RestorePlan, plan_restore};
use super::replace::beside;
use super::restore::{RestoreOptions, RestoreSummary, restore_as_planned};
use super::source::StreamBackup;
use crate::jetstream::Connection;
use crate::model::{NameFilter, origins_first};
use crate::offline::AccountLook;

/// How to restore an account.
#[derive(Debug, Clone)]
pub struct AccountRestoreOptions {
    /// Which streams.
    pub names: NameFilter,
    /// So many streams side by side.
    pub jobs: usize,
    /// How every stream is restored.
    pub stream: RestoreOptions,
}

/// What a restore of an account would do.
#[derive(Debug)]
pub struct AccountPlan {
    directory: PathBuf,
    /// The streams, origins before their mirrors; those of one group side by side.
    groups: Vec<Vec<(PathBuf, RestorePlan)>>,
    /// What the backup lacks as a whole.
    pub lacks: Vec<String>,
    /// What is worth knowing of the backup as a whole.
    pub remarks: Vec<String>,
}

/// What became of the streams of an account.
#[derive(Debug, Default)]
pub struct AccountRestoreSummary {
    /// Those that were restored or left alone, by name.
    pub restored: BTreeMap<String, RestoreSummary>,
    /// Those that could not be restored, by name.
    pub failed: BTreeMap<String, BackupError>,
    /// What the backup lacks as a whole.
    pub lacks: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl AccountPlan {
    /// The streams' plans, in the order in which they are carried out.
    pub fn streams(&self) -> impl Iterator<Item = &RestorePlan> {
        self.groups.iter().flatten().map(|(_, plan)| plan)
    }

    /// Whether anything stands against any of the streams.
    ///
    /// # Errors
    /// [`BackupError::StreamsExist`] when names are taken, and nothing was said about that;
    /// otherwise with everything that does.
    pub fn check(&self) -> Result<()> {
        let taken = self.streams().filter(|plan| plan.action == Action::Taken);
        let taken: Vec<&str> = taken.map(|plan| plan.stream.as_str()).collect();
        if !taken.is_empty() {
            return Err(BackupError::StreamsExist {
                streams: taken.join(", "),
            });
        }
        let reasons: Vec<String> = self
            .streams()
            .filter(|plan| !plan.obstacles.is_empty())
            .map(|plan| format!("{}: {}", plan.stream, plan.obstacles.join("; ")))
            .collect();
        if reasons.is_empty() {
            return Ok(());
        }
        Err(BackupError::AccountRefused {
            reasons: reasons.join("; "),
        })
    }
}

/// Finds out what a restore of an account's backup would do. Every archive is read to its end.
///
/// # Errors
/// When a stream's backup is damaged, or a server does not answer.
pub async fn plan_account(
    connection: &Connection,
    directory: &Path,
    options: &AccountRestoreOptions,
) -> Result<AccountPlan> {
    let look = AccountLook::at(directory)?;
    // What is not in its record was put there by somebody else.
    let is_recorded = |name: &str| match &look.record {
        Some(record) => record.saved().any(|saved| saved == name),
        None => true,
    };
    let asked = look.streams.iter();
    let asked = asked.filter(|name| options.names.chooses(name) && is_recorded(name));
    let names: Vec<&String> = asked.collect();
    if names.is_empty() {
        return Err(BackupError::NothingToDo {
            reason: format!("no stream that is asked for is in {}", directory.display()),
        });
    }
    let mut plan = AccountPlan {
        directory: directory.to_owned(),
        groups: Vec::new(),
        lacks: Vec::new(),
        remarks: Vec::new(),
    };
    match &look.record {
        _ if look.is_unfinished => plan.lacks.push(String::from(
            "this backup was interrupted: streams may be missing",
        )),
        Some(record) => plan.lacks.extend(record.missing_streams()),
        None => plan.remarks.push(String::from(
            "there is no record of ours: that these are all streams of the account can't be proven",
        )),
    }
    let mut plans = Vec::new();
    for name in names {
        let path = directory.join(name);
        let backup = StreamBackup::open(&path).await?;
        if backup.stream() != name {
            return Err(BackupError::NotABackup {
                path,
                reason: format!("it holds stream {}", backup.stream()),
            });
        }
        let one = plan_restore(connection, &backup, &options.stream).await?;
        plans.push((path, one));
    }
    plan.groups = origins_first(plans, |(_, one): &(PathBuf, RestorePlan)| {
        (one.stream.as_str(), &one.config)
    });
    Ok(plan)
}

/// Restores an account as planned. When `stop` is ready, streams that are under way are deleted
/// again, and those that were restored stay.
///
/// # Errors
/// [`BackupError::Interrupted`] when it was stopped. A stream that fails is in the summary.
pub async fn restore_account(
    connection: &Connection,
    plan: AccountPlan,
    options: &AccountRestoreOptions,
    progress: &dyn AccountProgress,
    stop: impl Future<Output = ()>,
) -> Result<AccountRestoreSummary> {
    let old = match &options.stream.keep_old {
        Some(directory) => directory.clone(),
        None => beside(&plan.directory, &file_name(&plan.directory)),
    };
    let was_there = old.exists();
    let restored = carry_out(connection, plan, (options, &old), progress, stop).await;
    if !was_there {
        // It stays when a stream was saved to it: only what is empty can be removed like this.
        let _removed = fs::remove_dir(&old);
    }
    restored
}

/// Restores every stream as planned; those that are replaced are saved below `old`.
async fn carry_out(
    connection: &Connection,
    plan: AccountPlan,
    (options, old): (&AccountRestoreOptions, &Path),
    progress: &dyn AccountProgress,
    stop: impl Future<Output = ()>,
) -> Result<AccountRestoreSummary> {
    let began = Instant::now();
    let stop = stop.shared();
    let mut summary = AccountRestoreSummary {
        lacks: plan.lacks,
        ..AccountRestoreSummary::default()
    };
    progress.begin(plan.groups.iter().map(Vec::len).sum());
    for group in plan.groups {
        let work = group.into_iter().map(|(path, one)| {
            let stop = stop.clone();
            async move {
                let name = one.stream.clone();
                let keeping = (options, old);
                let done = one_stream(connection, &path, one, keeping, progress, stop).await;
                (name, done)
            }
        });
        let mut work = futures_util::stream::iter(work).buffer_unordered(options.jobs.max(1));
        while let Some((name, done)) = work.next().await {
            match done {
                Ok(restored) => {
                    progress.restored(&restored);
                    summary.restored.insert(name, restored);
                }
                Err(BackupError::Interrupted) => {}
                Err(error) => {
                    progress.failed(&name, &error);
                    summary.failed.insert(name, error);
                }
            }
        }
        if stop.peek().is_some() {
            return Err(BackupError::Interrupted);
        }
    }
    summary.elapsed = began.elapsed();
    Ok(summary)
}

async fn one_stream(
    connection: &Connection,
    path: &Path,
    plan: RestorePlan,
    (options, old): (&AccountRestoreOptions, &Path),
    progress: &dyn AccountProgress,
    stop: impl Future<Output = ()>,
) -> Result<RestoreSummary> {
    let began = Instant::now();
    let stop = stop.shared();
    if stop.clone().now_or_never().is_some() {
        return Err(BackupError::Interrupted);
    }
    let watched = progress.stream(&plan.stream);
    watched.phase("reading", None);
    // Opened again: a plan keeps no archive's survey in memory.
    let backup = unless(stop.clone(), StreamBackup::open(path)).await?;
    // Each stream that is replaced is saved to a directory of its own.
    let mut own = options.stream.clone();
    own.keep_old = Some(old.join(&plan.stream));
    let done = restore_as_planned(connection, &backup, plan, &own, &*watched, stop).await?;
    Ok(RestoreSummary {
        elapsed: began.elapsed(),
        ..done
    })
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
