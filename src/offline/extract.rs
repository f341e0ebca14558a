//! Putting a stream into the data directory of a stopped standalone server.
//!
//! A server finds it there when it starts. One that belongs to a cluster deletes it instead: its
//! meta layer does not know the stream ("Detected orphaned stream", nats-server#5382).

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::convert::{ConvertOptions, Original};
use super::error::{OfflineError, Result};
use super::look::Look;
use super::staging::{Staging, sync};
use super::store_use;
use crate::archive::{Form, OnRead, Severity, copy_files, write_directory};

/// How to extract.
#[derive(Debug, Clone)]
pub struct ExtractOptions {
    /// The account whose stream it becomes; `$G` is the one of servers without accounts.
    pub account: String,
    /// The stream's configuration, where the backup does not tell it.
    pub config: Option<serde_json::Map<String, serde_json::Value>>,
    /// Keep the stream in files, where it was kept in memory.
    pub to_file: bool,
    /// The caller says that no server uses the directory, where that can't be seen.
    pub stopped: bool,
}

/// A stream that was extracted.
#[derive(Debug, Clone)]
pub struct Extracted {
    /// The stream.
    pub stream: String,
    /// Where it is.
    pub directory: PathBuf,
    /// Its messages.
    pub messages: u64,
    /// Its consumers.
    pub consumers: usize,
    /// What the backup lacks.
    pub lacks: Vec<String>,
}

/// Puts the stream of a backup into a data directory, which is what `store_dir` names in the
/// configuration of a server. It must not have a stream of that name.
///
/// # Errors
/// [`OfflineError::Refused`] when a server uses the directory, or it belongs to a cluster. After any
/// error the directory is as it was.
pub fn extract(
    look: &Look,
    data: &Path,
    options: &ExtractOptions,
    on_read: Option<OnRead>,
) -> Result<Extracted> {
    let store = check_store(data, &options.account)?;
    store_use::check_unused(data, options.stopped)?;
    let conversion = ConvertOptions {
        form: Form::Tar,
        rename: None,
        config: options.config.clone(),
        to_file: options.to_file,
    };
    let original = Original::read(look, &conversion, on_read)?;
    let stream = original.meta.name.clone();
    let streams = store.join(&options.account).join("streams");
    let target = streams.join(&stream);
    if fs::symlink_metadata(&target).is_ok() {
        return Err(OfflineError::TargetExists { path: target });
    }
    let mut made = MadeDirectories::default();
    // Made in the data directory itself, where no server looks, and on the same file system.
    let staging = Staging::begin_in(data, &target)?;
    match original.survey.form {
        Form::Tar => copy_files(&original.archive, staging.path())?,
        Form::Message => write_directory(original.stream(), staging.path())?,
    }
    give_to_owner_of(data, staging.path())?;
    made.make(&streams, data)?;
    // Once more, as late as possible: a server may have been started meanwhile.
    store_use::check_unused(data, options.stopped)?;
    staging.seal()?;
    made.keep();
    let lacks = original.survey.defects.kept().iter();
    let lacks = lacks.filter(|defect| defect.severity == Severity::Lack);
    Ok(Extracted {
        stream,
        directory: target,
        messages: original.survey.live.len(),
        consumers: original.survey.consumers.len(),
        lacks: lacks.map(ToString::to_string).collect(),
    })
}

/// Checks that the directory is a standalone server's, and tells where its accounts are.
fn check_store(data: &Path, account: &str) -> Result<PathBuf> {
    let refused = |reason: String| OfflineError::Refused {
        path: data.to_owned(),
        reason,
    };
    let kind = fs::metadata(data).map_err(OfflineError::io("opening", data))?;
    if !kind.is_dir() {
        return Err(refused(String::from("it is no directory")));
    }
    let bad = account.is_empty() || account.starts_with('.') || account.contains(['/', '\\', '\0']);
    if bad {
        return Err(OfflineError::Argument {
            what: format!("--account {account}"),
            reason: String::from("that is no account's name"),
        });
    }
    let store = data.join("jetstream");
    if !store.is_dir() && has_streams(data) {
        return Err(refused(String::from(
            "it seems to be the `jetstream` directory inside a data directory; name the one above \
             it, which is what store_dir is in the server's configuration",
        )));
    }
    for accounts in [&store, data] {
        if let Some(meta) = meta_layer(accounts) {
            return Err(refused(format!(
                "it belongs to a node of a cluster ({}). A cluster deletes streams that its meta \
                 layer does not know, and it does not know this one: restore it through a running \
                 server instead",
                meta.display()
            )));
        }
    }
    Ok(store)
}

/// Whether an account in the directory has streams.
fn has_streams(accounts: &Path) -> bool {
    subdirectories(accounts).any(|account| account.join("streams").is_dir())
}

/// The directory of the meta group, which only a node of a cluster has.
fn meta_layer(accounts: &Path) -> Option<PathBuf> {
    subdirectories(accounts)
        .map(|account| account.join("_js_").join("_meta_"))
        .find(|meta| meta.is_dir())
}

fn subdirectories(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}

/// Gives everything below a directory to whom another belongs to: the server may not run as root.
fn give_to_owner_of(data: &Path, directory: &Path) -> Result<()> {
    let owner = fs::metadata(data).map_err(OfflineError::io("opening", data))?;
    let own = fs::metadata(directory).map_err(OfflineError::io("opening", directory))?;
    if (owner.uid(), owner.gid()) != (own.uid(), own.gid()) {
        give(directory, owner.uid(), owner.gid())?;
    }
    sync_tree(directory)
}

fn give(path: &Path, user: u32, group: u32) -> Result<()> {
    std::os::unix::fs::chown(path, Some(user), Some(group))
        .map_err(OfflineError::io("changing the owner of", path))?;
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(OfflineError::io("reading", path))? {
            give(
                &entry.map_err(OfflineError::io("reading", path))?.path(),
                user,
                group,
            )?;
        }
    }
    Ok(())
}

/// Writes the entries of all directories to disk.
fn sync_tree(directory: &Path) -> Result<()> {
    subdirectories(directory).try_for_each(|below| sync_tree(&below))?;
    sync(directory)
}

/// Directories that were made on the way, and go again when what they were made for fails.
#[derive(Default)]
struct MadeDirectories(Vec<PathBuf>);

impl MadeDirectories {
    fn make(&mut self, directory: &Path, data: &Path) -> Result<()> {
        let owner = fs::metadata(data).map_err(OfflineError::io("opening", data))?;
        let missing = directory.ancestors().take_while(|path| !path.is_dir());
        let missing: Vec<_> = missing.map(Path::to_owned).collect();
        for path in missing.into_iter().rev() {
            let mut builder = fs::DirBuilder::new();
            builder
                .mode(0o750)
                .create(&path)
                .map_err(OfflineError::io("creating", &path))?;
            self.0.push(path.clone());
            let own = fs::metadata(&path).map_err(OfflineError::io("opening", &path))?;
            if own.uid() != owner.uid() {
                std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid()))
                    .map_err(OfflineError::io("changing the owner of", &path))?;
            }
        }
        Ok(())
    }

    fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for MadeDirectories {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // Only what is still empty is ours to remove.
            let _removed = fs::remove_dir(path);
        }
    }
}
