//! Whether a directory is the data directory of a standalone server, and has room for a stream.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::{OfflineError, Result};
use super::filter::SubjectPattern;
use crate::archive::StreamMeta;

fn refused(path: &Path, reason: impl Into<String>) -> OfflineError {
    OfflineError::Refused {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// Checks that the directory is a standalone server's, and tells where its accounts are.
pub(super) fn check_store(data: &Path, account: &str, new_account: bool) -> Result<PathBuf> {
    let kind = fs::metadata(data).map_err(|error| refused(data, error.to_string()))?;
    if !kind.is_dir() {
        return Err(refused(data, "it is no directory"));
    }
    let is_bad =
        account.is_empty() || account.starts_with('.') || account.contains(['/', '\\', '\0']);
    if is_bad {
        return Err(OfflineError::Argument {
            what: format!("--account {account}"),
            reason: String::from("that is no account's name"),
        });
    }
    let whole = fs::canonicalize(data).map_err(OfflineError::io("opening", data))?;
    check_above(data, &whole)?;
    let store = data.join("jetstream");
    for accounts in [&store, data] {
        if let Some(meta) = meta_layer(accounts) {
            let reason = format!(
                "it belongs to a node of a cluster ({}). A cluster deletes streams that its meta \
                 layer does not know, and it does not know this one: restore it through a running \
                 server instead",
                meta.display()
            );
            return Err(refused(data, reason));
        }
    }
    if !store.is_dir() {
        if has_streams(data) {
            let reason = "it seems to be the `jetstream` directory inside a data directory; name the \
                          one above it, which is what store_dir is in the server's configuration";
            return Err(refused(data, reason));
        }
        let entries = fs::read_dir(data).map_err(OfflineError::io("reading", data))?;
        let names = entries.flatten().map(|entry| entry.file_name());
        // What a file system of its own has, and what is hidden, is nobody's data.
        let mut names = names.filter(|name| {
            let name = name.to_string_lossy();
            name != "lost+found" && !name.starts_with('.')
        });
        if names.next().is_some() {
            let reason = "it is neither empty nor a data directory: there is no `jetstream` in it";
            return Err(refused(data, reason));
        }
    }
    check_account(data, &store, account, new_account)?;
    Ok(store)
}

/// Nothing above the directory may be a store or a backup already.
fn check_above(data: &Path, whole: &Path) -> Result<()> {
    let inside = whole.ancestors().find(|path| {
        path.join("meta.inf").is_file() || path.join("backup.json").is_file() || {
            let inner = path.join("jetstream");
            whole.starts_with(&inner) && whole != inner && has_streams(&inner)
        }
    });
    match inside {
        Some(path) => {
            let reason = format!("it lies inside a store or a backup ({})", path.display());
            Err(refused(data, reason))
        }
        None => Ok(()),
    }
}

/// A stream of an account that the server does not have would never be seen.
fn check_account(data: &Path, store: &Path, account: &str, new_account: bool) -> Result<()> {
    let names = subdirectories(store).filter(|path| path.join("streams").is_dir());
    let names: Vec<_> = names
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    if new_account || names.is_empty() || names.iter().any(|name| name == account) {
        return Ok(());
    }
    let reason = format!(
        "account {account} has no streams in it, others have: {}; name one of them (--account), or \
         say that it is new (--new-account)",
        names.join(", ")
    );
    Err(refused(data, reason))
}

/// A server that finds two streams with the same subjects starts without one of them.
pub(super) fn check_subjects(streams: &Path, meta: &StreamMeta) -> Result<()> {
    let own = subjects(&meta.config);
    for other in subdirectories(streams) {
        let text = fs::read(other.join("meta.inf")).unwrap_or_default();
        // One that can't be read is encrypted, or of no use to a server either.
        let Ok(config) = serde_json::from_slice::<Map<String, Value>>(&text) else {
            continue;
        };
        for theirs in subjects(&config) {
            if let Some(same) = own.iter().find(|subject| subject.overlaps(&theirs)) {
                let name = other
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let reason = format!(
                    "its stream {name} takes `{theirs}`, which overlaps with `{same}` of {}: a server \
                     would start without one of them",
                    meta.name
                );
                return Err(refused(streams, reason));
            }
        }
    }
    Ok(())
}

/// The subjects that a stream takes; its own name when it says none. A mirror takes none.
fn subjects(config: &Map<String, Value>) -> Vec<SubjectPattern> {
    let listed = config.get("subjects").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    let mut subjects: Vec<SubjectPattern> = listed.filter_map(|text| text.parse().ok()).collect();
    let has_origin = config.contains_key("mirror") || config.contains_key("sources");
    if subjects.is_empty() && !has_origin {
        let name = config.get("name").and_then(Value::as_str);
        subjects.extend(name.and_then(|name| name.parse().ok()));
    }
    subjects
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

/// The directories in a directory.
pub(super) fn subdirectories(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}
