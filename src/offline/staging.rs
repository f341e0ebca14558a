//! A directory that appears under its name only when it is whole: made beside it under a hidden
//! name, written to disk, and then renamed. The rename is the only commit point.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::TempDir;

use super::digest::sha256;
use super::error::{OfflineError, Result};
use crate::archive::{METADATA_FILE, OnRead};

/// What the name of an unfinished directory begins with.
pub(crate) const UNFINISHED: &str = ".lifeboat-partial-";

/// `backup.json`.
#[derive(Serialize)]
struct Metadata<'a, C, S> {
    config: &'a C,
    state: &'a S,
}

/// A directory in the making. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Staging {
    directory: TempDir,
    target: PathBuf,
    parent: PathBuf,
}

impl Staging {
    /// Whether a directory can be made there.
    pub(crate) fn check_free(target: &Path) -> Result<()> {
        // A broken link is in the way as well, and a rename would replace it.
        if fs::symlink_metadata(target).is_ok() {
            let path = target.to_owned();
            return Err(OfflineError::TargetExists { path });
        }
        Ok(())
    }

    /// Begins a directory that will be at `target`.
    pub(crate) fn begin(target: &Path) -> Result<Self> {
        Self::check_free(target)?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(OfflineError::io("creating", parent))?;
        Self::begin_in(parent, target)
    }

    /// The same, made in another directory of the same file system.
    pub(super) fn begin_in(parent: &Path, target: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(parent)
            .map_err(OfflineError::io("creating a directory in", parent))?;
        Ok(Self {
            directory,
            target: target.to_owned(),
            parent: parent.to_owned(),
        })
    }

    /// Where it is until it is sealed.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of JSON to disk and returns its SHA-256.
    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<String> {
        write_json(&self.path().join(name), value)
    }

    /// Writes `backup.json`: the stream's configuration and state, as the `nats` CLI reads them.
    pub(crate) fn write_metadata(
        &self,
        config: &impl Serialize,
        state: &impl Serialize,
    ) -> Result<String> {
        self.write_json(METADATA_FILE, &Metadata { config, state })
    }

    /// Gives the directory its name, in an order that survives a loss of power: content first,
    /// then the directory's own entries, then the name. What is in it must be synced already. Who
    /// listens to the reading may end it a last time before that.
    pub(crate) fn seal(self, on_read: Option<&OnRead>) -> Result<()> {
        if let Some(tell) = on_read {
            tell(0).map_err(OfflineError::io("making", &self.target))?;
        }
        sync(self.path())?;
        let target_parent = self
            .target
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        let target_parent = target_parent.unwrap_or(&self.parent).to_owned();
        rename_new(self.path(), &self.target)?;
        // Renamed away: there is nothing left for it to remove.
        let _gone = self.directory.keep();
        sync(&target_parent)
    }
}

/// Writes a file of JSON, which must not be there, to disk and returns its SHA-256.
fn write_json(path: &Path, value: &impl Serialize) -> Result<String> {
    let failed = || OfflineError::io("writing", path);
    let text = serde_json::to_vec_pretty(value).map_err(|error| failed()(error.into()))?;
    File::create_new(path)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .map_err(failed())?;
    Ok(sha256(&text))
}

/// Writes a file of JSON in place of another, of which one or the other is there at any moment.
pub(super) fn replace_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| OfflineError::io("writing", path)(error.into()))?;
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(readable())
        .tempfile_in(directory)
        .map_err(OfflineError::io("creating a file in", directory))?;
    file.write_all(&text)
        .and_then(|()| file.as_file().sync_all())
        .map_err(OfflineError::io("writing", path))?;
    file.persist(path)
        .map_err(|error| OfflineError::io("naming", path)(error.error))?;
    sync(directory)
}

/// As other files are, less what the user's mask takes away.
fn readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o666)
}

/// Where an unfinished directory that will be at `target` waits to be continued.
pub(crate) fn unfinished(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!("{UNFINISHED}{name}"))
}

/// Gives an unfinished directory its name, which must be free.
pub(crate) fn finish(unfinished: &Path, target: &Path) -> Result<()> {
    sync(unfinished)?;
    rename_new(unfinished, target)?;
    let parent = target.parent().filter(|path| !path.as_os_str().is_empty());
    sync(parent.unwrap_or(Path::new(".")))
}

/// Removes the unfinished directories of others in a directory that only we work on.
pub(crate) fn sweep(directory: &Path) -> Result<()> {
    let failed = || OfflineError::io("reading", directory);
    for entry in fs::read_dir(directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && entry.path().is_dir() {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(OfflineError::io("removing", &path))?;
        }
    }
    Ok(())
}

/// Renames a directory to a name that must not be taken, not even by an empty directory.
fn rename_new(from: &Path, to: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {
                let path = to.to_owned();
                return Err(OfflineError::TargetExists { path });
            }
            // File systems that do not know the flag.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            Err(error) => return Err(OfflineError::io("naming", to)(error.into())),
        }
    }
    fs::rename(from, to).map_err(OfflineError::io("naming", to))
}

/// Writes a directory's own entries to disk.
pub(super) fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(OfflineError::io("syncing", path))
}
