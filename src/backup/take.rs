//! Taking a backup of one stream: received and verified under a temporary name, taken again when the
//! server got it wrong, sealed, and only then given its name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat_harness::wait::pause_for;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Progress;
use super::before::{Before, Difference, compare_consumers};
use super::complete;
use super::error::{BackupError, Result};
use super::read_out::read_out;
use super::receive::{Received, receive};
use super::tries::{BackupOptions, Consumers, Tries};
use crate::archive::{ArchiveError, BackupLayout, CONSUMERS_FILE, MANIFEST_FILE, is_name};
use crate::jetstream::{Connection, SnapshotOptions, StreamState};
use crate::model::ConsumerPosition;
use crate::offline::{Manifest, Method, SavedConsumer, Staging};

/// A backup that was taken.
#[derive(Debug, Clone)]
pub struct BackupSummary {
    /// Where it is.
    pub directory: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// Consumers that were saved beside the archive.
    pub saved_consumers: Vec<SavedConsumer>,
    /// How often a snapshot was taken, the last one included.
    pub attempts: u32,
    /// Bytes of the archive after decompression.
    pub decoded_bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl BackupSummary {
    /// Where a restore of it puts each consumer.
    pub fn consumers(&self) -> Vec<ConsumerPosition> {
        let mut consumers = self.manifest.consumers.clone();
        for saved in &self.saved_consumers {
            saved.take_position(&mut consumers, self.manifest.last_sequence);
        }
        consumers
    }

    /// What the stream had and the archive does not have.
    pub fn lacks(&self) -> Vec<String> {
        SavedConsumer::explain_missing(&self.manifest.missing_consumers, &self.saved_consumers)
    }

    /// The consumers of which nothing was saved: nobody led them.
    pub fn unsaved_consumers(&self) -> BTreeSet<&str> {
        let is_saved = |name: &str| self.saved_consumers.iter().any(|one| one.name == name);
        let missing = self.manifest.missing_consumers.iter().map(String::as_str);
        missing.filter(|name| !is_saved(name)).collect()
    }

    /// What is worth knowing, although nothing is lost by it.
    pub fn remarks(&self) -> Vec<String> {
        let missing = &self.manifest.missing_consumers;
        let saved = self.saved_consumers.iter();
        let mut remarks: Vec<String> = saved
            .filter(|one| !missing.contains(&one.name))
            .map(SavedConsumer::explanation)
            .collect();
        if self.manifest.removed_meanwhile > 0 {
            remarks.push(format!(
                "{} messages were removed from the stream while the backup was made, and are not in it",
                self.manifest.removed_meanwhile
            ));
        }
        if self.manifest.method == Method::Messages {
            remarks.push(String::from(
                "its server makes no snapshots of streams in memory: it was read message by message",
            ));
        }
        remarks
    }
}

/// Backs one stream up into a new directory.
///
/// The directory appears under its name only when it is whole: decoded and checked to the last
/// record while it was received, compared with what the stream holds, and written to disk. A
/// snapshot that fails, or lost messages, is taken again.
///
/// # Errors
/// [`BackupError::TargetExists`] before anything is asked; otherwise whatever went wrong, with
/// nothing left behind.
pub async fn back_up_stream(
    connection: &Connection,
    stream: &str,
    target: &Path,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<BackupSummary> {
    let began = Instant::now();
    // Before anything is asked, so that a mistake costs nothing.
    check_name(stream)?;
    Staging::check_free(target)?;
    let mut tries = Tries::begin(options);
    loop {
        tries.attempts += 1;
        let staging = Staging::begin(target)?;
        match attempt(connection, stream, staging, &mut tries, &progress).await {
            Ok(taken) => {
                return Ok(BackupSummary {
                    directory: target.to_owned(),
                    manifest: taken.manifest,
                    saved_consumers: taken.saved_consumers,
                    decoded_bytes: taken.decoded_bytes,
                    attempts: tries.attempts,
                    elapsed: began.elapsed(),
                });
            }
            Err(BackupError::NoSuchStream { stream, .. }) if tries.was_seen => {
                return Err(BackupError::DeletedMeanwhile { stream });
            }
            Err(error) if !error.may_pass() => return Err(error),
            Err(error) => {
                let pause = tries.after(error, connection, stream, &*progress)?;
                pause_for(pause).await;
            }
        }
    }
}

/// Whether a stream can have that name.
pub(super) fn check_name(stream: &str) -> Result<()> {
    if is_name(stream) {
        return Ok(());
    }
    Err(BackupError::NothingToDo {
        reason: format!("{stream}: that is no stream's name"),
    })
}

/// Takes a backup once, and gives it its name.
async fn attempt(
    connection: &Connection,
    stream: &str,
    staging: Staging,
    tries: &mut Tries,
    progress: &Arc<dyn Progress>,
) -> Result<Sealed> {
    // In a cluster nobody answers when a stream that does not exist, or has no leader, is to be
    // saved: that is told before.
    let before = Before::look(connection, stream).await?;
    tries.was_seen = true;
    let mut options = tries.options.snapshot;
    options.no_consumers |= tries.consumers == Consumers::BesideIt;
    progress.phase("receiving", Some(before.info.state.bytes));
    let taken = save(connection, stream, &before, &staging, options, progress).await?;
    progress.phase("checking", None);
    let Taken {
        received,
        config,
        state,
        figures,
        method,
    } = taken;
    if let Some(defect) = received.survey.defects.first_damage_of_content() {
        return Err(BackupError::Torn {
            stream: stream.to_owned(),
            defect: ArchiveError::Damaged(defect.clone()),
        });
    }
    let removed_meanwhile = complete::check(connection, stream, &figures, &received.survey).await?;
    let difference = if tries.options.snapshot.no_consumers {
        Difference::default()
    } else {
        let names = connection
            .consumer_names(stream)
            .await
            .map_err(BackupError::request("looking for the consumers"))?;
        compare_consumers(&before.consumers, &names, &received.survey)
    };

    let archive = BackupLayout::at(staging.path()).archive(received.survey.form);
    fs::rename(&received.path, &archive).map_err(BackupError::io("naming", &archive))?;
    let metadata_sha256 = staging.write_metadata(&config, &state)?;
    let saved_consumers_sha256 = match &difference.saved[..] {
        [] => None,
        saved => Some(staging.write_json(CONSUMERS_FILE, &saved)?),
    };
    let manifest = Manifest {
        metadata_sha256,
        missing_consumers: difference.missing,
        saved_consumers_sha256,
        removed_meanwhile,
        stream_created: before.info.created.clone(),
        without_consumers: tries.options.snapshot.no_consumers,
        method,
        server: connection.server_version(),
        taken_at: OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .unwrap_or_default(),
        ..Manifest::of(stream, &received.survey, received.bytes, received.sha256)
    };
    staging.write_json(MANIFEST_FILE, &manifest)?;
    staging.seal(None)?;
    Ok(Sealed {
        manifest,
        saved_consumers: difference.saved,
        decoded_bytes: received.survey.figures.bytes,
    })
}

/// A backup that has its name.
struct Sealed {
    manifest: Manifest,
    saved_consumers: Vec<SavedConsumer>,
    decoded_bytes: u64,
}

/// An archive as it was taken, and what the server said with it.
struct Taken {
    received: Received,
    config: Value,
    state: Value,
    figures: StreamState,
    method: Method,
}

/// Takes the server's snapshot, or reads the stream out where it makes none.
async fn save(
    connection: &Connection,
    stream: &str,
    before: &Before,
    staging: &Staging,
    options: SnapshotOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Taken> {
    let directory = staging.path();
    match connection.snapshot(stream, options).await {
        Ok(mut snapshot) => {
            let received = receive(
                &mut snapshot,
                stream,
                directory,
                options.chunk(connection),
                progress,
            )
            .await?;
            let figures = snapshot
                .figures()
                .map_err(BackupError::request("reading the stream's state"))?;
            Ok(Taken {
                received,
                config: snapshot.config,
                state: snapshot.state,
                figures,
                method: Method::Snapshot,
            })
        }
        Err(error) if before.is_in_memory() && error.is_of_a_snapshot() => {
            let with_consumers = !options.no_consumers;
            let received = read_out(
                connection,
                stream,
                before,
                with_consumers,
                directory,
                progress,
            )
            .await?;
            Ok(Taken {
                received,
                config: before.config.clone(),
                state: before.state.clone(),
                figures: before.info.state,
                method: Method::Messages,
            })
        }
        Err(error) => {
            let doing = format!("asking for a snapshot of {stream}");
            Err(BackupError::request(doing)(error))
        }
    }
}
