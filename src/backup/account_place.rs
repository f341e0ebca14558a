//! Where an account's backup is made: one process at a time, under a name that tells that it is not
//! finished.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use glob::Pattern;

use super::account::AccountOptions;
use super::error::{BackupError, Result};
use crate::offline::{
    AccountLook, AccountRecord, OfflineError, Staging, finish, sweep, unfinished,
};

/// Where the backup is made: under a hidden name of its own, or in a finished one that is
/// completed. Locked, so that two processes do not work on the same.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) earlier: Option<AccountRecord>,
    is_new: bool,
    _lock: File,
}

impl Place {
    pub(super) fn open(target: &Path, resume: bool) -> Result<Self> {
        let hidden = unfinished(target);
        let (is_made, is_begun) = (
            fs::symlink_metadata(target).is_ok(),
            fs::symlink_metadata(&hidden).is_ok(),
        );
        if is_made && !resume {
            Staging::check_free(target)?;
        }
        if is_begun && !resume {
            // Whoever works on it now must not be told to resume it.
            let _lock = lock(&hidden)?;
            return Err(BackupError::Unfinished { path: hidden });
        }
        if is_made {
            let look = AccountLook::at(target)?;
            let earlier = look.record.ok_or_else(|| OfflineError::NotABackup {
                path: target.to_owned(),
                reason: String::from(
                    "there is no account's backup of ours that could be continued",
                ),
            })?;
            let lock = lock(target)?;
            sweep(target)?;
            return Ok(Self {
                path: target.to_owned(),
                earlier: Some(earlier),
                is_new: false,
                _lock: lock,
            });
        }
        fs::create_dir_all(&hidden).map_err(BackupError::io("creating", &hidden))?;
        let lock = lock(&hidden)?;
        sweep(&hidden)?;
        Ok(Self {
            path: hidden,
            earlier: None,
            is_new: true,
            _lock: lock,
        })
    }

    /// What was asked for when it was begun, where nothing is said now.
    pub(super) fn remember(&self, options: &AccountOptions) -> Result<AccountOptions> {
        let mut options = options.clone();
        let begun = AccountLook::at(&self.path)
            .ok()
            .and_then(|look| look.record);
        if let Some(begun) = begun.filter(|_| !options.names.is_choosy()) {
            let read = |texts: &[String]| -> Result<Vec<Pattern>> {
                let patterns = texts.iter().map(|text| Pattern::new(text));
                let patterns: Result<Vec<_>, _> = patterns.collect();
                patterns.map_err(|error| BackupError::NotABackup {
                    path: self.path.clone(),
                    reason: error.to_string(),
                })
            };
            options.names.include = read(&begun.include)?;
            options.names.exclude = read(&begun.exclude)?;
        }
        Ok(options)
    }

    /// Writes down what is begun, where it is not finished.
    pub(super) fn note(&self, record: &AccountRecord) -> Result<()> {
        if self.is_new {
            record.write(&self.path)?;
        }
        Ok(())
    }

    /// Gives it its name.
    pub(super) fn finish(&mut self, target: &Path) -> Result<()> {
        if self.is_new {
            finish(&self.path, target)?;
            self.is_new = false;
        }
        Ok(())
    }
}

impl Drop for Place {
    /// One in which no stream is saved is of no use to anybody.
    fn drop(&mut self) {
        let look = AccountLook::at(&self.path);
        if self.is_new && look.is_ok_and(|look| look.streams.is_empty()) {
            let _removed = fs::remove_dir_all(&self.path);
        }
    }
}

fn lock(path: &Path) -> Result<File> {
    let directory = File::open(path).map_err(BackupError::io("opening", path))?;
    match directory.try_lock() {
        Ok(()) => Ok(directory),
        Err(fs::TryLockError::WouldBlock) => Err(BackupError::InUse {
            path: path.to_owned(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(BackupError::io("locking", path)(error)),
    }
}
