//! Putting a stream into the data directory of a stopped standalone server.
//!
//! A server finds it there when it starts. One that belongs to a cluster deletes it instead: its
//! meta layer does not know the stream ("Detected orphaned stream", nats-server#5382).

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::convert::{ConvertOptions, compare};
use super::digest::MessageDigest;
use super::error::{OfflineError, Result};
use super::look::Look;
use super::original::Original;
use super::staging::{Staging, sync};
use super::verify::examine;
use super::{store_check, store_use};
use crate::archive::{Archive, Form, Level, OnRead, copy_blocks, write_directory};

/// How to extract.
#[derive(Debug, Clone)]
pub struct ExtractOptions {
    /// The account whose stream it becomes; `$G` is the one of servers without accounts.
    pub account: String,
    /// The account need not have anything in the directory yet, though others have.
    pub new_account: bool,
    /// The stream's configuration, where the backup does not tell it.
    pub config: Option<serde_json::Map<String, serde_json::Value>>,
    /// Keep the stream in files, where it was kept in memory.
    pub to_file: bool,
    /// The caller says that no server uses the directory, where that can't be told.
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
/// configuration of a server. It must not have a stream of that name, or with such subjects.
///
/// # Errors
/// [`OfflineError::Refused`] when a server uses the directory, or it belongs to a cluster. After any
/// error the directory is as it was.
pub fn extract(
    look: &Look,
    data: &Path,
    options: &ExtractOptions,
    on_read: Option<&OnRead>,
) -> Result<Extracted> {
    let store = store_check::check_store(data, &options.account, options.new_account)?;
    store_use::check_unused(data, options.stopped)?;
    let conversion = ConvertOptions {
        form: Form::Tar,
        rename: None,
        config: options.config.clone(),
        to_file: options.to_file,
        take_in_consumers: true,
    };
    let examined = examine(look, Level::Content, on_read)?;
    examined.check(look)?;
    let mut lacks = examined.lacks();
    let survey = examined.survey.ok_or_else(|| look.not_a_backup())?;
    let mut original = Original::of(look, survey, &conversion, on_read)?;
    // A store has no place beside it.
    for saved in &look.saved_consumers {
        original.take_in(saved, &mut lacks);
    }
    original.stand_alone();
    let stream = original.meta.name.clone();
    let streams = store.join(&options.account).join("streams");
    let target = streams.join(&stream);
    Staging::check_free(&target)?;
    store_check::check_subjects(&streams, &original.meta)?;
    let mut made = MadeDirectories::default();
    // Made in the data directory itself, where no server looks, and on the same file system.
    let staging = Staging::begin_in(data, &target)?;
    write(&original, staging.path(), on_read)?;
    give_to_owner_of(data, staging.path())?;
    made.make(&streams, data)?;
    // Once more, as late as possible: a server may have been started meanwhile.
    store_use::check_unused(data, options.stopped)?;
    staging.seal(on_read)?;
    made.keep();
    Ok(Extracted {
        stream,
        directory: target,
        messages: original.survey.live.len(),
        consumers: original.survey.consumers.len(),
        lacks,
    })
}

/// Writes the stream's files, and compares what can be read of them with the backup.
fn write(original: &Original, directory: &Path, on_read: Option<&OnRead>) -> Result<()> {
    let stream = original.stream();
    let survey = &original.survey;
    let has_its_name = survey
        .meta
        .as_ref()
        .is_some_and(|meta| meta.name == original.meta.name);
    let mut digest = MessageDigest::new();
    // An index that does not belong to the blocks would be read otherwise in a store.
    if survey.form == Form::Tar && survey.is_exact && has_its_name {
        copy_blocks(stream, directory)?;
        let archive = &original.archive;
        archive.messages(Some(&survey.live), &mut |message| {
            digest.add(message);
            Ok(ControlFlow::Continue(()))
        })?;
    } else {
        write_directory(stream, directory, &mut |message| digest.add(message))?;
    }
    let written = Archive::open(directory)?.telling(on_read);
    compare(original, digest.finish(), &written)
}

/// Gives everything below a directory to whom another belongs to: the server may not run as root.
fn give_to_owner_of(data: &Path, directory: &Path) -> Result<()> {
    let owner = fs::metadata(data).map_err(OfflineError::io("opening", data))?;
    give_all(directory, &owner)?;
    sync_tree(directory)
}

fn give_all(path: &Path, owner: &fs::Metadata) -> Result<()> {
    give(path, owner)?;
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(OfflineError::io("reading", path))? {
            let entry = entry.map_err(OfflineError::io("reading", path))?;
            give_all(&entry.path(), owner)?;
        }
    }
    Ok(())
}

/// Gives a path to an owner, unless it is that one's already.
fn give(path: &Path, owner: &fs::Metadata) -> Result<()> {
    let own = fs::metadata(path).map_err(OfflineError::io("opening", path))?;
    if (own.uid(), own.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))
        .map_err(OfflineError::io("changing the owner of", path))
}

/// Writes the entries of all directories to disk.
fn sync_tree(directory: &Path) -> Result<()> {
    store_check::subdirectories(directory).try_for_each(|below| sync_tree(&below))?;
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
        let existing = directory.ancestors().find(|path| path.is_dir());
        for path in missing.into_iter().rev() {
            let mut builder = fs::DirBuilder::new();
            builder
                .mode(0o750)
                .create(&path)
                .map_err(OfflineError::io("creating", &path))?;
            self.0.push(path.clone());
            give(&path, &owner)?;
        }
        // So that they are there after a loss of power as well.
        self.0
            .iter()
            .map(PathBuf::as_path)
            .chain(existing)
            .try_for_each(sync)
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
