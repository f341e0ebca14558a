//! Taking a backup: received under a temporary name, read back, sealed, and only then given its name.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{BackupError, Result};
use super::{Progress, source};
use crate::archive::{BackupLayout, MANIFEST_FILE, Survey};
use crate::jetstream::{Connection, Snapshot, SnapshotOptions};
use crate::offline::{Digesting, Manifest, Staging};

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
    Staging::check_free(target)?;
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
    let survey = source::survey(&received.path).await?;
    check_complete(stream, &snapshot, &survey)?;

    let archive = layout.archive(survey.form);
    fs::rename(&received.path, &archive).map_err(BackupError::io("naming", &archive))?;
    let metadata_sha256 = staging.write_metadata(&snapshot.config, &snapshot.state)?;
    let is_missing = |name: &String| !options.no_consumers && !has_consumer(&survey, name);
    let manifest = Manifest {
        metadata_sha256,
        missing_consumers: consumers.into_iter().filter(is_missing).collect(),
        server: connection.server_version(),
        taken_at: OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .unwrap_or_default(),
        ..Manifest::of(stream, &survey, received.bytes, received.sha256)
    };
    staging.write_json(MANIFEST_FILE, &manifest)?;
    staging.seal(None)?;
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
    let file = File::create_new(&path).map_err(BackupError::io("creating", &path))?;
    let mut output = Digesting::new(file);
    while let Some(chunk) = snapshot
        .next_chunk()
        .await
        .map_err(BackupError::request(format!("receiving {stream}")))?
    {
        output
            .write_all(&chunk)
            .map_err(BackupError::io("writing", &path))?;
        progress.done(output.bytes());
    }
    let (file, sha256, bytes) = output.finish();
    file.sync_all().map_err(BackupError::io("syncing", &path))?;
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

fn has_consumer(survey: &Survey, name: &str) -> bool {
    survey.consumers.iter().any(|saved| saved.name == name)
}
