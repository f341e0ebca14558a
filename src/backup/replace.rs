//! Replacing a stream: the old one is saved to disk and verified before it is deleted, and put back
//! when the new one can't be restored.

use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;
use time::macros::format_description;

use super::Progress;
use super::error::{BackupError, Result};
use super::outgoing::Outgoing;
use super::plan::{RestorePlan, plan_restore};
use super::restore::{IfExists, RestoreOptions, Work};
use super::source::StreamBackup;
use super::take::back_up_stream;
use super::tries::BackupOptions;
use crate::jetstream::Connection;
use crate::offline::{AccountLook, Staging, mark_replaced};

/// A stream that was saved, to be deleted.
pub(super) struct Replaced {
    /// Where it is saved.
    pub(super) directory: PathBuf,
}

impl Replaced {
    /// Saves the old stream, whole.
    pub(super) async fn save(
        connection: &Connection,
        backup: &StreamBackup,
        plan: &RestorePlan,
        options: &RestoreOptions,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let stream = &plan.stream;
        let directory = match &options.keep_old {
            Some(directory) => directory.clone(),
            None => beside(&backup.look.path, stream),
        };
        Staging::check_free(&directory)?;
        progress.note(&format!(
            "saving the stream {stream} that is there to {}",
            directory.display()
        ));
        let how = BackupOptions::default();
        let taken = back_up_stream(connection, stream, &directory, how, Arc::new(())).await?;
        let unsaved: Vec<_> = taken.unsaved_consumers().into_iter().collect();
        if !unsaved.is_empty() {
            fs::remove_dir_all(&directory).map_err(BackupError::io("removing", &directory))?;
            return Err(BackupError::Refused {
                stream: stream.clone(),
                reasons: format!(
                    "the stream that is there can't be saved whole, and is not replaced: nobody leads \
                     its consumers {}",
                    unsaved.join(", ")
                ),
            });
        }
        // Before it is deleted: whatever happens then, no audit counts on a stream that was not to stay.
        mark_replaced(&directory, true)?;
        Ok(Self { directory })
    }

    /// Puts the old stream back after a failure, which is returned.
    pub(super) async fn put_back(
        self,
        connection: &Connection,
        failure: BackupError,
        options: &RestoreOptions,
        progress: &dyn Progress,
    ) -> BackupError {
        let is_there = matches!(
            failure,
            BackupError::NotCompared { .. } | BackupError::StillMarked { .. }
        );
        if is_there {
            return BackupError::NotReplaced {
                failure: Box::new(failure),
                directory: self.directory,
                returned: String::from("is not put back"),
            };
        }
        progress.note(&format!("{failure}; putting the old stream back"));
        let returned = match self.restore(connection, options, progress).await {
            Ok(()) => match mark_replaced(&self.directory, false) {
                Ok(()) => String::from("is back"),
                Err(error) => format!("is back, and what is saved of it stays marked: {error}"),
            },
            Err(error) => format!("could not be put back: {error}"),
        };
        BackupError::NotReplaced {
            failure: Box::new(failure),
            directory: self.directory,
            returned,
        }
    }

    async fn restore(
        &self,
        connection: &Connection,
        options: &RestoreOptions,
        progress: &dyn Progress,
    ) -> Result<()> {
        let options = RestoreOptions {
            if_exists: IfExists::Refuse,
            tuning: options.tuning,
            every_replica: options.every_replica,
            ..RestoreOptions::default()
        };
        let backup = StreamBackup::open(&self.directory).await?;
        let plan = plan_restore(connection, &backup, &options).await?;
        plan.check()?;
        let outgoing = Outgoing::prepare(&backup, &plan).await?;
        let work = Work {
            connection,
            backup: &backup,
            plan: &plan,
            options: &options,
            progress,
        };
        work.put(outgoing, pending()).await.map(|_| ())
    }
}

/// Whether a directory is an account's backup of ours.
fn is_recorded(directory: &Path) -> bool {
    AccountLook::at(directory).is_ok_and(|look| look.record.is_some())
}

/// A place beside the backup that tells what is in it; not inside the backup of an account, whose
/// streams would be one more.
pub(super) fn beside(backup: &Path, stream: &str) -> PathBuf {
    let format = format_description!("[year][month][day]-[hour][minute][second]");
    let now = OffsetDateTime::now_utc().format(format).unwrap_or_default();
    let name = format!("{stream}-replaced-{now}");
    match backup.parent() {
        Some(account) if is_recorded(account) => account.with_file_name(name),
        Some(_) | None => backup.with_file_name(name),
    }
}
