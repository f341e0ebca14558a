//! Restoring a stream: sent, then read back and compared, and only then called restored.

use std::fs::File;
use std::future::Future;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use lifeboat_harness::wait::{Probe, pause_for, until};
use semver::Version;
use serde_json::Value;
use tokio::sync::mpsc;

use super::error::{BackupError, Result};
use super::source::StreamBackup;
use super::{Progress, remove_stream};
use crate::archive::{self, Form};
use crate::jetstream::{
    Connection, RequestError, RestoreTransfer, RestoreTuning, StreamInfo, read_messages,
};
use crate::model::Fingerprint;

/// JetStream's error number for a name in use.
const NAME_IN_USE: u32 = 10130;
/// How long what a failed restore began may take to be gone.
const REMOVED_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to learn whether a stream exists.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// How long a name that was freed must stay free.
const STAYS_GONE_FOR: Duration = Duration::from_secs(1);
/// How long restored consumers may take to be seen; some 3 s were measured in clusters.
const CONSUMERS_WITHIN: Duration = Duration::from_secs(30);

/// The first version that restores message archives.
const MESSAGE_ARCHIVES_SINCE: Version = Version::new(2, 15, 0);
/// So many messages are read from the backup before they are compared.
const FINGERPRINTS_AHEAD: usize = 256;

/// What to change while restoring.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Another number of replicas.
    pub replicas: Option<usize>,
}

/// A restore that succeeded.
#[derive(Debug, Clone)]
pub struct RestoreSummary {
    /// The stream.
    pub stream: String,
    /// Messages restored and compared.
    pub messages: u64,
    /// The last sequence.
    pub last_sequence: u64,
    /// Consumers restored.
    pub consumers: usize,
    /// Whether the backup's completeness was proven by a manifest.
    pub sealed: bool,
    /// What the backup lacks, and so does the stream.
    pub lacks: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Restores the stream of a backup.
///
/// It counts as restored when every message of the archive was read back from the stream's
/// leader with the same sequence, subject, headers, payload and time, and every consumer is
/// there. When it fails after it began, or `stop` is ready, what it began is deleted again.
/// Dropping the future instead leaves that to the caller: servers from 2.15 on keep a partial
/// stream that looks like any other.
///
/// # Errors
/// [`BackupError::StreamExists`] when the name is taken, without touching anything;
/// [`BackupError::Interrupted`] when it was stopped.
pub async fn restore_stream(
    connection: &Connection,
    directory: &Path,
    options: RestoreOptions,
    progress: &dyn Progress,
    stop: impl Future<Output = ()>,
) -> Result<RestoreSummary> {
    let began = Instant::now();
    let backup = StreamBackup::open(directory).await?;
    let stream = backup.stream().to_owned();
    if backup.survey.form == Form::Message
        && let Some(version) = connection.server_version()
        && version < MESSAGE_ARCHIVES_SINCE
    {
        return Err(BackupError::TooOld { version });
    }
    find_name_free(connection, &stream).await?;
    // Its answer is awaited, whatever happens: without it nobody knows whose the name is.
    let mut transfer = match begin(connection, &backup, options).await {
        Ok(transfer) => transfer,
        Err(Failure::Before(error)) => return Err(error),
        Err(Failure::Within(error)) => return Err(clean_up(connection, stream, error).await),
    };
    let outcome = tokio::select! {
        outcome = send_and_compare(connection, &backup, &mut transfer, progress) => outcome,
        () = stop => Err(Failure::Within(BackupError::Interrupted)),
    };
    match outcome {
        Ok(()) => {}
        Err(Failure::Before(error)) => return Err(error),
        Err(Failure::Within(error)) => {
            // When this fails the server hears nothing more from us either.
            let _aborted = transfer.abort().await;
            return Err(clean_up(connection, stream, error).await);
        }
    }
    Ok(RestoreSummary {
        stream,
        messages: backup.survey.live.len(),
        last_sequence: backup.survey.last_sequence,
        consumers: backup.survey.consumers.len(),
        sealed: backup.sealed,
        lacks: backup.lacks.clone(),
        elapsed: began.elapsed(),
    })
}

/// Makes sure that there is no such stream. Only a server's word will do: a stream whose nodes
/// are down gives no answer, and must not be deleted for it later.
async fn find_name_free(connection: &Connection, stream: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        match connection.stream_info(stream).await {
            Ok(_) => {
                let stream = stream.to_owned();
                return Err(BackupError::StreamExists { stream });
            }
            Err(error) if error.is_stream_not_found() => return Ok(()),
            // A request may be lost. It took its time: this is no busy loop.
            Err(RequestError::TimedOut { .. }) if began.elapsed() < ANSWERED_WITHIN => {}
            Err(error) => {
                let doing = format!("looking whether {stream} exists");
                return Err(BackupError::request(doing)(error));
            }
        }
    }
}

/// Why a restore failed, and whether there is anything of ours to delete.
enum Failure {
    /// Nothing began: whatever has the name now is somebody else's.
    Before(BackupError),
    /// It began, or may have.
    Within(BackupError),
}

impl From<BackupError> for Failure {
    /// A name in use is somebody else's, also when that is told only at the end: of two
    /// restores at once a server may accept both, and let one of them win. And what could only
    /// not be compared is whole for all we know, and may hold new messages already.
    fn from(error: BackupError) -> Self {
        let is_not_ours = matches!(
            error,
            BackupError::StreamExists { .. } | BackupError::NotCompared { .. }
        );
        if is_not_ours {
            Self::Before(error)
        } else {
            Self::Within(error)
        }
    }
}

async fn send_and_compare(
    connection: &Connection,
    backup: &StreamBackup,
    transfer: &mut RestoreTransfer,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let restored = send(connection, backup, transfer, progress).await?;
    compare_state(backup, &restored)?;
    compare_messages(connection, backup, progress).await?;
    find_consumers(connection, backup).await?;
    Ok(())
}

/// Deletes what a failed restore began. What had arrived when it was aborted may become a
/// stream a moment later, so the name must stay free.
async fn clean_up(connection: &Connection, stream: String, failure: BackupError) -> BackupError {
    let began = Instant::now();
    loop {
        if let Err(removal) = remove_stream(connection, &stream, REMOVED_WITHIN).await {
            return BackupError::LeftBehind {
                stream,
                failure: Box::new(failure),
                removal: Box::new(removal),
            };
        }
        pause_for(STAYS_GONE_FOR).await;
        let names = connection.stream_names().await.unwrap_or_default();
        let is_gone = !names.contains(&stream);
        if is_gone || began.elapsed() > REMOVED_WITHIN {
            return failure;
        }
    }
}

/// Asks to restore, which takes the name.
async fn begin(
    connection: &Connection,
    backup: &StreamBackup,
    options: RestoreOptions,
) -> Result<RestoreTransfer, Failure> {
    let stream = backup.stream();
    let mut config = backup.config.clone();
    if let Some(replicas) = options.replicas {
        config["num_replicas"] = Value::from(replicas);
    }
    let tuning = RestoreTuning::for_connection(connection);
    connection
        .restore(stream, &config, &backup.state, tuning)
        .await
        .map_err(|error| {
            // Without an answer it may have begun.
            let is_refused = matches!(
                error,
                RequestError::Refused { .. } | RequestError::NoResponders { .. }
            );
            let error = refused(stream, "asking to restore", error);
            if is_refused {
                Failure::Before(error)
            } else {
                Failure::Within(error)
            }
        })
}

/// Sends the archive, several chunks under way at once.
async fn send(
    connection: &Connection,
    backup: &StreamBackup,
    transfer: &mut RestoreTransfer,
    progress: &dyn Progress,
) -> Result<StreamInfo> {
    let stream = backup.stream();
    let chunk_bytes = RestoreTuning::for_connection(connection).chunk_bytes;
    let archive = backup.archive_path.clone();
    let mut file = File::open(&archive).map_err(BackupError::io("reading", &archive))?;
    let total = file.metadata().map(|meta| meta.len()).ok();
    progress.phase("sending", total);
    let sending = |error| refused(stream, "sending", error);
    let mut sent = 0;
    loop {
        let mut chunk = Vec::with_capacity(chunk_bytes);
        file.by_ref()
            .take(chunk_bytes as u64)
            .read_to_end(&mut chunk)
            .map_err(BackupError::io("reading", &archive))?;
        if chunk.is_empty() {
            break;
        }
        sent += chunk.len() as u64;
        transfer.send(Bytes::from(chunk)).await.map_err(sending)?;
        progress.done(sent);
    }
    transfer.finish().await.map_err(sending)
}

/// Tells a name that is taken from everything else the server may say.
fn refused(stream: &str, doing: &str, error: RequestError) -> BackupError {
    if error.err_code() == Some(NAME_IN_USE) {
        BackupError::StreamExists {
            stream: stream.to_owned(),
        }
    } else {
        BackupError::request(format!("{doing} {stream}"))(error)
    }
}

/// What the server says it has, at the moment it has it. Its last sequence may be the archive's
/// or that of the archive's index, which older servers ignore; and somebody may have published
/// already, which adds as many messages as sequences.
fn compare_state(backup: &StreamBackup, restored: &StreamInfo) -> Result<()> {
    let survey = &backup.survey;
    let messages = survey.live.len();
    let (first, last) = (survey.last_sequence, survey.indexed_sequence);
    let found = &restored.state;
    if let Some(newer) = found.messages.checked_sub(messages)
        && (first.saturating_add(newer)..=last.saturating_add(newer)).contains(&found.last_seq)
    {
        return Ok(());
    }
    Err(BackupError::Differs {
        stream: backup.stream().to_owned(),
        difference: format!(
            "it holds {} messages up to sequence {}, the backup {messages} up to {first}",
            found.messages, found.last_seq
        ),
    })
}

/// Reads every message back and compares it with the archive's.
async fn compare_messages(
    connection: &Connection,
    backup: &StreamBackup,
    progress: &dyn Progress,
) -> Result<()> {
    let (live, stream) = (&backup.survey.live, backup.stream());
    progress.phase("comparing", Some(live.len()));
    let mut expected = fingerprints(backup);
    let mut stored = std::pin::pin!(read_messages(connection, stream, live.iter()));
    let mut compared = 0;
    while let Some(expected) = expected.recv().await {
        let expected = expected?;
        let Some(found) = stored.next().await else {
            break;
        };
        let found = found
            .map_err(|source| BackupError::NotCompared {
                stream: stream.to_owned(),
                source,
            })?
            .fingerprint();
        if found != expected {
            return Err(BackupError::Differs {
                stream: stream.to_owned(),
                difference: format!("it has {found:?} where the backup has {expected:?}"),
            });
        }
        compared += 1;
        progress.done(compared);
    }
    if compared == live.len() {
        return Ok(());
    }
    Err(BackupError::Differs {
        stream: stream.to_owned(),
        difference: format!("{compared} of {} messages could be compared", live.len()),
    })
}

/// The fingerprints of a backup's messages, read on a thread of its own, a few ahead.
fn fingerprints(backup: &StreamBackup) -> mpsc::Receiver<archive::Result<Fingerprint>> {
    let (send, receive) = mpsc::channel(FINGERPRINTS_AHEAD);
    let (archive, live) = (backup.archive.clone(), backup.survey.live.clone());
    tokio::task::spawn_blocking(move || {
        let read = archive.messages(Some(&live), &mut |message| {
            let fingerprint = message.to_stored().fingerprint();
            Ok(match send.blocking_send(Ok(fingerprint)) {
                Ok(()) => ControlFlow::Continue(()),
                // Nobody compares any further.
                Err(_) => ControlFlow::Break(()),
            })
        });
        if let Err(error) = read {
            let _unheard = send.blocking_send(Err(error));
        }
    });
    receive
}

/// Waits until every consumer of the archive is there: clusters assign them a moment later.
async fn find_consumers(connection: &Connection, backup: &StreamBackup) -> Result<()> {
    let stream = backup.stream();
    for expected in &backup.survey.consumers {
        let consumer = connection.consumer(stream, &expected.name);
        until(CONSUMERS_WITHIN, || async {
            match consumer.position().await {
                Ok(_) => Probe::Ready(()),
                Err(error) => Probe::Pending(error.to_string()),
            }
        })
        .await
        .map_err(|timed_out| BackupError::Differs {
            stream: stream.to_owned(),
            difference: format!("consumer {} is missing: {timed_out}", expected.name),
        })?;
    }
    Ok(())
}
