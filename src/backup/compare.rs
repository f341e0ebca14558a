//! Comparing a restored stream with its backup, message by message, on every replica: each of them
//! leads for a while, and what it holds is read as a snapshot and never written down.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use lifeboat_harness::wait::{Probe, pause_for, until};
use tokio::sync::mpsc;

use super::Progress;
use super::comparison::Comparison;
use super::error::{BackupError, Result};
use super::gone::Gone;
use super::plan::RestorePlan;
use super::receive::{Arriving, ended};
use super::source::StreamBackup;
use crate::archive::Sequences;
use crate::jetstream::{Connection, SnapshotOptions, StreamInfo};

/// How long followers may take to have everything.
const CURRENT_WITHIN: Duration = Duration::from_secs(300);
/// How long they must say so.
const CURRENT_FOR: Duration = Duration::from_secs(2);
/// How long a replica may take to lead.
const LEADS_WITHIN: Duration = Duration::from_secs(120);
/// The same leader is asked to step down so often, and no more: followers that were behind need the time.
const ASKED_EVERY: Duration = Duration::from_secs(20);
/// A stream alone is read so often until it could be read.
const MOST_TRIES: u32 = 5;
/// The same for all replicas together.
const MOST_PASSES: u32 = 15;
/// The pause before.
const BEFORE_COMPARING_AGAIN: Duration = Duration::from_millis(500);
/// So many chunks wait to be compared.
const CHUNKS_AHEAD: usize = 64;

/// What a comparison found.
#[derive(Debug, Clone, Default)]
pub(super) struct Compared {
    /// The servers whose replicas were compared; one without a name is alone.
    pub(super) replicas: Vec<String>,
    /// Messages that are gone, for a reason that is none of ours.
    pub(super) gone: Gone,
    /// Consumers that stand elsewhere than they should, in sentences.
    pub(super) consumers: Vec<String>,
    /// Consumers that servers have removed since, as nobody uses them.
    pub(super) removed_consumers: Vec<String>,
}

/// Compares a stream with the backup it was restored from; on every replica, or on its leader alone.
pub(super) async fn compare(
    connection: &Connection,
    backup: &StreamBackup,
    plan: &RestorePlan,
    every_replica: bool,
    progress: &dyn Progress,
) -> Result<Compared> {
    let stream = &plan.stream;
    let mut compared = Compared::default();
    let info = current(connection, stream).await?;
    let is_alone = info.leader().is_none();
    // A server alone has no name here.
    let mut waiting: BTreeSet<String> = [info.leader().unwrap_or_default().to_owned()].into();
    if every_replica {
        waiting.extend(info.followers().into_iter().map(str::to_owned));
    }
    let most_passes = if is_alone { MOST_TRIES } else { MOST_PASSES };
    let mut passes = 0;
    while let Some(next) = waiting.first().cloned() {
        passes += 1;
        if passes > most_passes {
            let reason = String::from("its leader changes all the time");
            return Err(BackupError::not_compared(stream, reason));
        }
        let leader = if is_alone {
            next
        } else {
            lead(connection, stream, &waiting, &next).await?
        };
        let gone = match compare_leader(connection, backup, plan, progress).await {
            Ok(gone) => gone,
            Err(error @ BackupError::Differs { .. }) => return Err(error),
            // A snapshot may be torn, as those of backups are.
            Err(error) if passes == most_passes => return Err(error),
            Err(error) => {
                progress.note(&format!("{stream}: {error}; comparing it again"));
                pause_for(BEFORE_COMPARING_AGAIN).await;
                continue;
            }
        };
        // With another leader in between, nobody knows whose messages these were.
        if is_alone || still_leads(connection, stream, &leader).await {
            waiting.remove(&leader);
            compared.gone = compared.gone.max(gone);
            compared.replicas.push(leader);
        }
    }
    Ok(compared)
}

/// What one look leaves for the next; nothing panics while it is locked.
fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn still_leads(connection: &Connection, stream: &str, leader: &str) -> bool {
    let after = connection.stream_info(stream).await;
    after.is_ok_and(|info| info.leader() == Some(leader))
}

/// Waits until every follower has everything, by the leader's account, and goes on to say so: just
/// after a restore it says so too early. A leader that steps down then leaves followers behind that
/// wait for it ("catchup stalled"), and each of them gives up only after 15 s.
async fn current(connection: &Connection, stream: &str) -> Result<StreamInfo> {
    let since = Mutex::new(None::<Instant>);
    until(CURRENT_WITHIN, || async {
        let not_yet = |reason: String| {
            *locked(&since) = None;
            Probe::Pending(reason)
        };
        let info = match connection.stream_info(stream).await {
            Ok(info) => info,
            Err(error) => return not_yet(error.to_string()),
        };
        let Some(group) = &info.cluster else {
            return Probe::Ready(info);
        };
        let behind = group
            .replicas
            .iter()
            .find(|one| !one.current || one.lag > 0);
        match (info.leader(), behind) {
            (None, _) => not_yet(String::from("it has no leader")),
            (_, Some(one)) => not_yet(format!("{one:?}")),
            _ if group.replicas.is_empty() => Probe::Ready(info),
            _ => match *locked(&since) {
                Some(since) if since.elapsed() >= CURRENT_FOR => Probe::Ready(info),
                ref mut since => {
                    since.get_or_insert_with(Instant::now);
                    Probe::Pending(String::from("all are current"))
                }
            },
        }
    })
    .await
    .map_err(|timed_out| BackupError::not_compared(stream, timed_out.to_string()))
}

/// Lets one of those lead that have not been compared yet. Older servers take no wishes: there the
/// next leader is whoever it is.
async fn lead(
    connection: &Connection,
    stream: &str,
    waiting: &BTreeSet<String>,
    wanted: &str,
) -> Result<String> {
    let asked = Mutex::new(None::<(Instant, String)>);
    until(LEADS_WITHIN, || async {
        let info = match connection.stream_info(stream).await {
            Ok(info) => info,
            Err(error) => return Probe::Pending(error.to_string()),
        };
        let Some(leader) = info.leader() else {
            return Probe::Pending(String::from("it has no leader"));
        };
        if waiting.contains(leader) {
            return Probe::Ready(leader.to_owned());
        }
        let leads = format!("{leader} leads");
        let is_asked =
            |(when, whom): &(Instant, String)| whom == leader && when.elapsed() < ASKED_EVERY;
        if locked(&asked).as_ref().is_some_and(is_asked) {
            return Probe::Pending(leads);
        }
        *locked(&asked) = Some((Instant::now(), leader.to_owned()));
        match connection.step_down(stream, wanted).await {
            Ok(()) => Probe::Pending(leads),
            Err(error) => Probe::Pending(format!("{leads}: {error}")),
        }
    })
    .await
    .map_err(|timed_out| {
        let reason = format!("{wanted} does not lead: {timed_out}");
        BackupError::not_compared(stream, reason)
    })
}

/// Compares what the leader holds.
async fn compare_leader(
    connection: &Connection,
    backup: &StreamBackup,
    plan: &RestorePlan,
    progress: &dyn Progress,
) -> Result<Gone> {
    let stream = &plan.stream;
    let failed = |source| BackupError::NotCompared {
        stream: stream.clone(),
        source,
    };
    progress.phase("comparing", Some(plan.bytes));
    let options = SnapshotOptions {
        no_consumers: true,
        ..SnapshotOptions::default()
    };
    let mut snapshot = connection.snapshot(stream, options).await.map_err(failed)?;
    let (send, chunks) = mpsc::channel(CHUNKS_AHEAD);
    let (archive, live) = (backup.archive.clone(), backup.survey.live.clone());
    let comparing = tokio::task::spawn_blocking(move || {
        Comparison::of(&archive, live).run(Arriving::new(chunks))
    });
    let mut received = Ok(());
    let mut bytes = 0;
    loop {
        match snapshot.next_chunk().await {
            Ok(Some(chunk)) => {
                bytes += chunk.len() as u64;
                progress.done(bytes);
                if send.send(chunk).await.is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                received = Err(error);
                break;
            }
        }
    }
    drop(send);
    let outcome = ended(comparing).await?;
    received.map_err(failed)?;
    let outcome = outcome?;
    if let Some(sequence) = outcome.different {
        return Err(BackupError::Differs {
            stream: stream.clone(),
            difference: difference(connection, backup, stream, sequence).await,
        });
    }
    Gone::explain(connection, backup, plan, outcome.missing).await
}

/// The first difference in words.
async fn difference(
    connection: &Connection,
    backup: &StreamBackup,
    stream: &str,
    sequence: u64,
) -> String {
    let mut expected = None;
    let only: Sequences = [sequence].into_iter().collect();
    let read = backup.archive.messages(Some(&only), &mut |message| {
        expected = Some(message.to_stored().fingerprint());
        Ok(std::ops::ControlFlow::Break(()))
    });
    let mut found = std::pin::pin!(crate::jetstream::read_messages(
        connection,
        stream,
        [sequence]
    ));
    let found = found
        .next()
        .await
        .map(|found| found.map(|one| one.fingerprint()));
    format!("it has {found:?} where the backup has {expected:?} ({read:?})")
}
