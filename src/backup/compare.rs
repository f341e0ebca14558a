//! Comparing a restored stream with its backup, message by message, on every replica: each of them
//! leads for a while, and what it holds is read as a snapshot and never written down.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::mpsc::{self as threads, Receiver};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use lifeboat_harness::wait::{Probe, until};
use tokio::sync::mpsc;

use super::Progress;
use super::error::{BackupError, Result};
use super::gone::Gone;
use super::plan::RestorePlan;
use super::receive::{Arriving, ended};
use super::source::StreamBackup;
use crate::archive::{self, Archive, Level, Message, Sequences, Survey};
use crate::jetstream::{Connection, RequestError, SnapshotOptions, StreamInfo};
use crate::offline::message_digest;

/// How long followers may take to have everything.
const CURRENT_WITHIN: Duration = Duration::from_secs(300);
/// How long they must say so.
const CURRENT_FOR: Duration = Duration::from_secs(2);
/// How long a replica may take to lead.
const LEADS_WITHIN: Duration = Duration::from_secs(120);
/// The same leader is asked to step down so often, and no more: followers that were behind need the time.
const ASKED_EVERY: Duration = Duration::from_secs(20);
/// So many chunks wait to be compared.
const CHUNKS_AHEAD: usize = 64;
/// Digests are handed over in batches.
const BATCH: usize = 512;
/// So many batches are read ahead.
const BATCHES_AHEAD: usize = 16;

/// A message's sequence, and a digest of everything that belongs to it.
type Sum = (u64, [u64; 4]);

/// What a comparison found.
#[derive(Debug, Clone, Default)]
pub(super) struct Compared {
    /// The servers whose replicas were compared; one without a name is alone.
    pub(super) replicas: Vec<String>,
    /// Messages that are gone, for a reason that is none of ours.
    pub(super) gone: Gone,
    /// Consumers that stand elsewhere than they should, in sentences.
    pub(super) consumers: Vec<String>,
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
    let Some(leader) = info.leader().map(str::to_owned) else {
        compared.gone = compare_leader(connection, backup, plan, progress).await?;
        compared.replicas.push(String::new());
        return Ok(compared);
    };
    let mut waiting: BTreeSet<String> = [leader].into();
    if every_replica {
        waiting.extend(info.followers().into_iter().map(str::to_owned));
    }
    while let Some(next) = waiting.first().cloned() {
        let leader = lead(connection, stream, &waiting, &next).await?;
        let gone = compare_leader(connection, backup, plan, progress).await?;
        let after = connection.stream_info(stream).await;
        // With another leader in between, nobody knows whose messages these were.
        if after.is_ok_and(|info| info.leader() == Some(leader.as_str())) {
            waiting.remove(&leader);
            compared.gone = compared.gone.max(gone);
            compared.replicas.push(leader);
        }
    }
    Ok(compared)
}

/// Waits until every follower has everything, by the leader's account, and goes on to say so: just
/// after a restore it says so too early. A leader that steps down then leaves followers behind that
/// wait for it ("catchup stalled"), and each of them gives up only after 15 s.
async fn current(connection: &Connection, stream: &str) -> Result<StreamInfo> {
    let since = Cell::new(None::<Instant>);
    until(CURRENT_WITHIN, || async {
        let not_yet = |reason: String| {
            since.set(None);
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
            _ => match since.get() {
                Some(since) if since.elapsed() >= CURRENT_FOR => Probe::Ready(info),
                Some(_) => Probe::Pending(String::from("all are current")),
                None => {
                    since.set(Some(Instant::now()));
                    Probe::Pending(String::from("all are current"))
                }
            },
        }
    })
    .await
    .map_err(|timed_out| not_compared(stream, timed_out.to_string()))
}

/// Lets one of those lead that have not been compared yet. Older servers take no wishes: there the
/// next leader is whoever it is.
async fn lead(
    connection: &Connection,
    stream: &str,
    waiting: &BTreeSet<String>,
    wanted: &str,
) -> Result<String> {
    let asked = RefCell::new(None::<(Instant, String)>);
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
        if asked.borrow().as_ref().is_some_and(is_asked) {
            return Probe::Pending(leads);
        }
        *asked.borrow_mut() = Some((Instant::now(), leader.to_owned()));
        match connection.step_down(stream, wanted).await {
            Ok(()) => Probe::Pending(leads),
            Err(error) => Probe::Pending(format!("{leads}: {error}")),
        }
    })
    .await
    .map_err(|timed_out| not_compared(stream, format!("{wanted} does not lead: {timed_out}")))
}

fn not_compared(stream: &str, reason: String) -> BackupError {
    BackupError::NotCompared {
        stream: stream.to_owned(),
        source: RequestError::Unreadable {
            subject: String::from("comparing"),
            reason,
        },
    }
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

/// What a comparison of a leader's snapshot with an archive found.
struct Outcome {
    /// Messages of the archive that are not in the snapshot, or not alive in it.
    missing: Sequences,
    /// The first that is another one.
    different: Option<u64>,
}

/// A snapshot against an archive.
struct Comparison {
    expected: Receiver<archive::Result<Vec<Sum>>>,
    live: Sequences,
    batch: std::vec::IntoIter<Sum>,
    /// The next that is expected.
    next: Option<Sum>,
    failure: Option<archive::ArchiveError>,
    missing: Vec<u64>,
    different: Option<u64>,
}

impl Comparison {
    fn of(archive: &Archive, live: Sequences) -> Self {
        let (send, expected) = threads::sync_channel(BATCHES_AHEAD);
        let (archive, wanted) = (archive.clone(), live.clone());
        std::thread::spawn(move || {
            let mut batch = Vec::with_capacity(BATCH);
            let read = archive.messages(Some(&wanted), &mut |message| {
                batch.push((message.sequence, message_digest(message)));
                if batch.len() == BATCH && send.send(Ok(std::mem::take(&mut batch))).is_err() {
                    // Nobody compares any further.
                    return Ok(std::ops::ControlFlow::Break(()));
                }
                Ok(std::ops::ControlFlow::Continue(()))
            });
            let _unheard = send.send(read.map(|()| batch));
        });
        Self {
            expected,
            live,
            batch: Vec::new().into_iter(),
            next: None,
            failure: None,
            missing: Vec::new(),
            different: None,
        }
    }

    /// Compares everything that arrives.
    fn run(mut self, input: Arriving) -> Result<Outcome> {
        self.advance();
        let mut see = |message: &Message<'_>| self.see(message);
        let found = Archive::survey_arriving(input, Level::Content, None, &mut see)?;
        while let Some((sequence, _)) = self.next {
            self.missing.push(sequence);
            self.advance();
        }
        if let Some(error) = self.failure {
            return Err(error.into());
        }
        found.check()?;
        let mut missing: Sequences = self.missing.into_iter().collect();
        missing.extend(&Self::dead(&self.live, &found));
        Ok(Outcome {
            missing,
            different: self.different,
        })
    }

    /// Messages that are in the snapshot, and not alive in it.
    fn dead(live: &Sequences, found: &Survey) -> Sequences {
        match (live.first(), live.last()) {
            (Some(first), Some(last)) if found.is_exact => {
                let mut dead = Sequences::between_without(first, last, &[&found.live]);
                dead.keep_only(live);
                dead
            }
            _ => Sequences::default(),
        }
    }

    fn advance(&mut self) {
        loop {
            if let Some(next) = self.batch.next() {
                self.next = Some(next);
                return;
            }
            match self.expected.recv() {
                Ok(Ok(batch)) => self.batch = batch.into_iter(),
                Ok(Err(error)) => {
                    self.failure = Some(error);
                    self.next = None;
                    return;
                }
                Err(_) => {
                    self.next = None;
                    return;
                }
            }
        }
    }

    fn see(&mut self, message: &Message<'_>) {
        if !self.live.contains(message.sequence) {
            // Deleted, or published since.
            return;
        }
        while let Some((sequence, digest)) = self.next {
            if sequence > message.sequence {
                return;
            }
            if sequence == message.sequence {
                if digest != message_digest(message) {
                    self.different.get_or_insert(sequence);
                }
                self.advance();
                return;
            }
            self.missing.push(sequence);
            self.advance();
        }
    }
}
