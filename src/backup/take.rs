//! Taking a backup: received under a temporary name, read back, sealed, and only then given its name.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{BackupError, Result};
use super::{Progress, source};
use crate::archive::{BackupLayout, Consumer, MANIFEST_FILE, METADATA_FILE, Survey};
use crate::jetstream::{Connection, Snapshot, SnapshotOptions};
use crate::offline::{FORMAT, Manifest, Staging, hex};

/// How to take a backup.
#[derive(Debug, Clone, Copy, Default)]
pub struct BackupOptions {
    /// Leave the consumers out.
    pub no_consumers: bool,
}

/// A backup that was taken.
#[derive(Debug, Clone)]
pub struct BackupSummary {
    /// Where it is.
    pub directory: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// How long it took.
    pub elapsed: Duration,
}

/// `backup.json`, as the `nats` CLI reads and writes it.
#[derive(Serialize)]
struct Metadata<'a> {
    config: &'a Value,
    state: &'a Value,
}

/// An archive as it was received.
struct Received {
    path: PathBuf,
    bytes: u64,
    sha256: String,
}

/// Backs one stream up into a new directory.
///
/// The directory appears under its name only when it is whole: received, read back from disk
/// and checked to the last record, compared with the stream's own count, and written to disk.
///
/// # Errors
/// [`BackupError::TargetExists`] before anything is asked; otherwise whatever went wrong, with
/// nothing left behind.
pub async fn back_up_stream(
    connection: &Connection,
    stream: &str,
    target: &Path,
    options: BackupOptions,
    progress: &dyn Progress,
) -> Result<BackupSummary> {
    let began = Instant::now();
    // Before anything is asked, so that a mistake costs nothing.
    if target.exists() {
        return Err(BackupError::TargetExists {
            path: target.to_owned(),
        });
    }
    // Asked first: in a cluster nobody answers when a stream that does not exist is to be
    // backed up, and what the archive lacks afterwards can be told only by knowing it before.
    let consumers = connection
        .consumer_names(stream)
        .await
        .map_err(BackupError::request("looking for the stream"))?;
    let staging = Staging::begin(target)?;
    let layout = BackupLayout::at(staging.path());

    let mut snapshot = connection
        .snapshot(
            stream,
            SnapshotOptions {
                no_consumers: options.no_consumers,
            },
        )
        .await
        .map_err(BackupError::request(format!(
            "asking for a snapshot of {stream}"
        )))?;
    progress.phase("receiving", None);
    let received = receive(&mut snapshot, stream, staging.path(), progress).await?;
    progress.phase("checking", None);
    let (_, survey) = source::survey(&received.path).await?;
    survey.check()?;
    check_complete(stream, &snapshot, &survey)?;

    let archive = layout.archive(survey.form);
    fs::rename(&received.path, &archive).map_err(BackupError::io("naming", &archive))?;
    let metadata = Metadata {
        config: &snapshot.config,
        state: &snapshot.state,
    };
    let metadata_sha256 = staging.write_json(METADATA_FILE, &metadata)?;
    let mut manifest = describe(stream, connection, &survey, received);
    manifest.metadata_sha256 = metadata_sha256;
    manifest.missing_consumers = consumers;
    manifest
        .missing_consumers
        .retain(|name| !options.no_consumers && !has_consumer(&survey, name));
    staging.write_json(MANIFEST_FILE, &manifest)?;
    staging.seal()?;
    Ok(BackupSummary {
        directory: target.to_owned(),
        manifest,
        elapsed: began.elapsed(),
    })
}

/// Writes the chunks down as they come.
async fn receive(
    snapshot: &mut Snapshot,
    stream: &str,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Received> {
    let path = directory.join("received.s2");
    let mut file = File::create_new(&path).map_err(BackupError::io("creating", &path))?;
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    while let Some(chunk) = snapshot
        .next_chunk()
        .await
        .map_err(BackupError::request(format!("receiving {stream}")))?
    {
        file.write_all(&chunk)
            .map_err(BackupError::io("writing", &path))?;
        hasher.update(&chunk);
        bytes += chunk.len() as u64;
        progress.done(bytes);
    }
    file.sync_all().map_err(BackupError::io("syncing", &path))?;
    let sha256 = hex(&hasher.finalize());
    Ok(Received {
        path,
        bytes,
        sha256,
    })
}

/// Compares the archive with the stream's count when the snapshot began. Messages published
/// since then may be in a tar as well, and count for nothing here.
fn check_complete(stream: &str, snapshot: &Snapshot, survey: &Survey) -> Result<()> {
    let state = snapshot
        .figures()
        .map_err(BackupError::request("reading the stream's state"))?;
    let found = survey.live.count_to(state.last_seq);
    if found < state.messages {
        return Err(BackupError::Incomplete {
            stream: stream.to_owned(),
            expected: state.messages,
            found,
        });
    }
    Ok(())
}

fn describe(
    stream: &str,
    connection: &Connection,
    survey: &Survey,
    received: Received,
) -> Manifest {
    Manifest {
        format: FORMAT,
        stream: stream.to_owned(),
        form: survey.form,
        archive_bytes: received.bytes,
        archive_sha256: received.sha256,
        messages: survey.live.len(),
        first_sequence: survey.first_sequence(),
        last_sequence: survey.last_sequence,
        consumers: survey.consumers.iter().map(Consumer::position).collect(),
        missing_consumers: Vec::new(),
        metadata_sha256: String::new(),
        converted_from: None,
        lacks: Vec::new(),
        server: connection.server_version(),
        taken_at: OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .unwrap_or_default(),
        lifeboat: String::from(env!("CARGO_PKG_VERSION")),
    }
}

fn has_consumer(survey: &Survey, name: &str) -> bool {
    survey.consumers.iter().any(|saved| saved.name == name)
}
