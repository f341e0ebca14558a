//! Where an account's backup is made: one process at a time, under a name that tells that it is not
//! finished.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

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

    /// Gives it its name.
    pub(super) fn finish(&self, target: &Path) -> Result<()> {
        if self.is_new {
            finish(&self.path, target)?;
        }
        Ok(())
    }

    /// Removes it, when there is nothing in it.
    pub(super) fn give_up(&self) {
        if self.is_new {
            // One that is not empty stays, for it can be continued.
            let _kept = fs::remove_dir(&self.path);
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
