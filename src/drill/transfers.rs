//! Backups and restores that run beside the steps of a drill.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::backups::{backed_up, options_of, restored};
use super::failure::{Failure, broken, by_engine, impossible};
use super::steps::Outcome;
use super::world::{NamedBackup, World};
use crate::backup::{
    BackupError, BackupOptions, BackupSummary, Progress, RestoreSummary, back_up_stream,
    restore_stream,
};
use crate::jetstream::{RestoreTuning, SnapshotOptions};
use crate::ledger::Event;
use crate::scenario::{RestoreChanges, TransferStep};

/// How long content may take to come, or to be sent: a cluster that does not begin is asked several
/// times, which takes more than a minute.
const CONTENT_WITHIN: Duration = Duration::from_secs(180);
/// Chunks of a slow transfer, one under way at a time: with a slow network it takes as long as a
/// drill needs.
const SLOW_CHUNK: usize = 16 << 10;

/// A backup or restore under way; it ends when this is dropped.
pub(super) struct Transfer {
    stream: String,
    work: JoinSet<Result<Done, BackupError>>,
}

/// What came of it.
enum Done {
    Taken(Box<BackupSummary>),
    Restored(Box<RestoreSummary>),
}

/// Tells when the first content comes, or goes, which is in one phase of a transfer.
struct Begun {
    phase: &'static str,
    is_in_phase: AtomicBool,
    content: watch::Sender<bool>,
}

impl Progress for Begun {
    fn phase(&self, name: &'static str, _total: Option<u64>) {
        self.is_in_phase
            .store(name == self.phase, Ordering::Relaxed);
    }

    fn done(&self, steps: u64) {
        if steps > 0 && self.is_in_phase.load(Ordering::Relaxed) {
            self.content.send_replace(true);
        }
    }
}

impl Begun {
    /// Whoever is told, and who looks whether content came in a phase.
    fn in_phase(phase: &'static str) -> (Self, watch::Receiver<bool>) {
        let (content, seen) = watch::channel(false);
        let begun = Self {
            phase,
            is_in_phase: AtomicBool::new(false),
            content,
        };
        (begun, seen)
    }
}

pub(super) async fn carry_out(world: &World<'_>, step: &TransferStep) -> Outcome {
    match step {
        TransferStep::BeginBackup { stream, name, slow } => {
            begin_backup(world, stream, name, *slow).await
        }
        TransferStep::BeginRestore {
            backup,
            changes,
            slow,
        } => begin_restore(world, backup, changes, *slow).await,
        TransferStep::EndBackup { name, within, .. } => end(world, name, *within).await,
        TransferStep::EndRestore { backup, within, .. } => end(world, backup, *within).await,
        TransferStep::Abandon { backup } => abandon(world, backup).await,
    }
}

async fn begin_backup(world: &World<'_>, stream: &str, name: &str, slow: bool) -> Outcome {
    let connection = world.connection().await.map_err(impossible)?;
    let (begun, seen) = Begun::in_phase("receiving");
    let mut options = BackupOptions::default();
    if slow {
        options.snapshot = SnapshotOptions {
            chunk_bytes: Some(SLOW_CHUNK),
            window_bytes: Some(SLOW_CHUNK),
            ..options.snapshot
        };
    }
    let (target, from) = (world.evidence.backup(name), stream.to_owned());
    let mut work = JoinSet::new();
    work.spawn(async move {
        let taking = back_up_stream(&connection, &from, &target, options, Arc::new(begun));
        taking.await.map(|taken| Done::Taken(Box::new(taken)))
    });
    under_way(seen, &mut work).await?;
    let stream = stream.to_owned();
    world.begin_transfer(name, Transfer { stream, work });
    Ok(())
}

async fn begin_restore(
    world: &World<'_>,
    backup: &str,
    changes: &RestoreChanges,
    slow: bool,
) -> Outcome {
    let NamedBackup { stream, path } = world.named_backup(backup)?;
    let connection = world.connection().await.map_err(impossible)?;
    let (begun, seen) = Begun::in_phase("sending");
    let mut options = options_of(changes);
    if slow {
        options.tuning = Some(RestoreTuning {
            chunk_bytes: SLOW_CHUNK,
            in_flight: 1,
        });
    }
    // From now on consumers may deliver what is restored.
    world.record(Event::Restoring {
        stream: stream.clone(),
        backup: backup.to_owned(),
    });
    let mut work = JoinSet::new();
    work.spawn(async move {
        let never = std::future::pending();
        let restoring = restore_stream(&connection, &path, &options, &begun, never);
        restoring
            .await
            .map(|summary| Done::Restored(Box::new(summary)))
    });
    under_way(seen, &mut work).await?;
    world.begin_transfer(backup, Transfer { stream, work });
    Ok(())
}

/// Waits for the first content. What is refused is told as where nothing runs beside; what is over
/// before any content came can't be disturbed.
async fn under_way(
    mut seen: watch::Receiver<bool>,
    work: &mut JoinSet<Result<Done, BackupError>>,
) -> Outcome {
    match timeout(CONTENT_WITHIN, seen.wait_for(|begun| *begun)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => {
            finished(work.join_next().await)?;
            Err(impossible("it was over before any content came"))
        }
        Err(_) => Err(impossible(format!("no content came in {CONTENT_WITHIN:?}"))),
    }
}

async fn end(world: &World<'_>, name: &str, within: Duration) -> Outcome {
    let Transfer { stream, mut work } = running(world, name)?;
    let ended = async {
        match finished(work.join_next().await)? {
            Done::Taken(taken) => {
                if taken.attempts > 1 {
                    world.note(format!("it was taken {} times", taken.attempts));
                }
                backed_up(world, &stream, name, &[], &taken)
            }
            Done::Restored(summary) => {
                restored(world, stream, name, &summary);
                Ok(())
            }
        }
    };
    match timeout(within, ended).await {
        Ok(outcome) => outcome,
        Err(_) => Err(broken(format!("it was not over after {within:?}"))),
    }
}

/// Whether it was still at work is told: one that was over could not be given up.
async fn abandon(world: &World<'_>, name: &str) -> Outcome {
    let mut work = running(world, name)?.work;
    match work.try_join_next() {
        None => {
            work.shutdown().await;
            Ok(())
        }
        joined => {
            finished(joined)?;
            Err(impossible("it was over already"))
        }
    }
}

fn running(world: &World<'_>, name: &str) -> Result<Transfer, Failure> {
    world
        .end_transfer(name)
        .ok_or_else(|| impossible(format!("nothing of backup `{name}` is under way")))
}

/// What a task gave, which must not panic unseen.
fn finished(joined: Option<Result<Result<Done, BackupError>, JoinError>>) -> Result<Done, Failure> {
    match joined {
        Some(Ok(done)) => done.map_err(by_engine),
        Some(Err(error)) => Err(impossible(error)),
        None => Err(impossible("it never ran")),
    }
}
