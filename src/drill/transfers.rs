//! Backups and restores that run beside the steps of a drill.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::backups::{backed_up, options_of, restored};
use super::failure::{broken, by_engine, impossible};
use super::steps::Outcome;
use super::world::World;
use crate::backup::{
    BackupOptions, BackupSummary, Progress, RestoreSummary, back_up_stream, restore_stream,
};
use crate::jetstream::{RestoreTuning, SnapshotOptions};
use crate::ledger::Event;
use crate::scenario::{RestoreChanges, TransferStep};

/// How long content may take to come, or to be sent.
const BEGUN_WITHIN: Duration = Duration::from_secs(60);
/// Chunks of a slow transfer, one under way at a time: with a slow network it takes as long as a
/// drill needs.
const SLOW_CHUNK: usize = 16 << 10;

type Result<T> = std::result::Result<T, crate::backup::BackupError>;

/// A backup or restore under way; it ends when this is dropped.
pub(super) enum Transfer {
    Backup {
        stream: String,
        work: JoinSet<Result<BackupSummary>>,
    },
    Restore {
        stream: String,
        work: JoinSet<Result<RestoreSummary>>,
    },
}

/// Tells when the first content comes, or goes.
struct Begun {
    content: watch::Sender<bool>,
    phase: &'static str,
    current: watch::Sender<&'static str>,
}

impl Progress for Begun {
    fn phase(&self, name: &'static str, _total: Option<u64>) {
        self.current.send_replace(name);
    }

    fn done(&self, steps: u64) {
        if steps > 0 && *self.current.borrow() == self.phase {
            self.content.send_replace(true);
        }
    }
}

impl Begun {
    /// Whoever is told, and who looks whether content came in a phase.
    fn in_phase(phase: &'static str) -> (Self, watch::Receiver<bool>) {
        let (content, seen) = watch::channel(false);
        let begun = Self {
            content,
            phase,
            current: watch::Sender::new(""),
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
        back_up_stream(&connection, &from, &target, options, Arc::new(begun)).await
    });
    under_way(seen, &mut work).await?;
    let stream = stream.to_owned();
    world.begin_transfer(name, Transfer::Backup { stream, work });
    Ok(())
}

async fn begin_restore(
    world: &World<'_>,
    backup: &str,
    changes: &RestoreChanges,
    slow: bool,
) -> Outcome {
    let Some(stream) = world.backed_up_stream(backup) else {
        return Err(impossible(format!("there is no backup `{backup}`")));
    };
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
    let source = world.evidence.backup(backup);
    let mut work = JoinSet::new();
    work.spawn(async move {
        let never = std::future::pending();
        restore_stream(&connection, &source, &options, &begun, never).await
    });
    under_way(seen, &mut work).await?;
    world.begin_transfer(backup, Transfer::Restore { stream, work });
    Ok(())
}

/// Waits for the first content. What is refused is told as where nothing runs beside; what is over
/// before any content came can't be disturbed.
async fn under_way<T: 'static>(
    mut seen: watch::Receiver<bool>,
    work: &mut JoinSet<Result<T>>,
) -> Outcome {
    match timeout(BEGUN_WITHIN, seen.wait_for(|begun| *begun)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => {
            finished(work.join_next().await)?.map_err(by_engine)?;
            Err(impossible("it was over before any content came"))
        }
        Err(_) => Err(impossible(format!("no content came in {BEGUN_WITHIN:?}"))),
    }
}

async fn end(world: &World<'_>, name: &str, within: Duration) -> Outcome {
    let transfer = running(world, name)?;
    let ended = async {
        match transfer {
            Transfer::Backup { stream, mut work } => {
                let taken = finished(work.join_next().await)?.map_err(by_engine)?;
                if taken.attempts > 1 {
                    world.note(format!("it was taken {} times", taken.attempts));
                }
                backed_up(world, &stream, name, taken)
            }
            Transfer::Restore { stream, mut work } => {
                let summary = finished(work.join_next().await)?.map_err(by_engine)?;
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
    match running(world, name)? {
        Transfer::Backup { work, .. } => vanish(work).await,
        Transfer::Restore { work, .. } => vanish(work).await,
    }
}

async fn vanish<T: 'static>(mut work: JoinSet<Result<T>>) -> Outcome {
    match work.try_join_next() {
        None => {
            work.shutdown().await;
            Ok(())
        }
        Some(joined) => {
            finished(Some(joined))?.map_err(by_engine)?;
            Err(impossible("it was over already"))
        }
    }
}

fn running(
    world: &World<'_>,
    name: &str,
) -> std::result::Result<Transfer, super::failure::Failure> {
    world
        .end_transfer(name)
        .ok_or_else(|| impossible(format!("nothing of backup `{name}` is under way")))
}

/// What a task gave, which must not panic unseen.
fn finished<T>(
    joined: Option<std::result::Result<T, tokio::task::JoinError>>,
) -> std::result::Result<T, super::failure::Failure> {
    match joined {
        Some(Ok(done)) => Ok(done),
        Some(Err(error)) => Err(impossible(error)),
        None => Err(impossible("it never ran")),
    }
}
