//! The backups of a directory: the newest sealed one of each stream, and what does not count.
//! Nothing is read but what describes them: whether a backup is sound, `verify` tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::finding::Kind;
use crate::archive::BackupLayout;
use crate::offline::{Look, Manifest, OfflineError, UNFINISHED};

/// A directory holds accounts, an account streams; one level more for those who sort by day.
const DEEPEST: usize = 4;

/// The backups that were found.
#[derive(Debug, Clone, Default)]
pub struct Backups {
    /// The newest sealed backup of each stream, by the stream's name.
    pub newest: BTreeMap<String, Backup>,
    /// Everything that looks like a backup and does not count.
    pub odd: Vec<Odd>,
}

/// A sealed backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its directory.
    pub path: PathBuf,
    /// When it was taken.
    pub taken_at: OffsetDateTime,
    /// Messages in it.
    pub messages: u64,
    /// The last sequence the stream had used.
    pub last_sequence: u64,
    /// What the stream had and it lacks, in sentences.
    pub lacks: Vec<String>,
}

/// A backup that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// Its directory.
    pub path: PathBuf,
    /// The stream, when that is known.
    pub stream: Option<String>,
    /// [`Kind::BackupUnsealed`], [`Kind::BackupUnfinished`], [`Kind::BackupUnusable`] or
    /// [`Kind::BackupReplaced`].
    pub kind: Kind,
    /// Why not.
    pub reason: String,
}

impl Backup {
    /// When it was taken, RFC 3339.
    pub fn taken_at_text(&self) -> String {
        self.taken_at.format(&Rfc3339).unwrap_or_default()
    }
}

/// Finds the backups in directories, each of which may be one stream's backup, an account's, or
/// hold several of them.
///
/// # Errors
/// When one of them can't be read.
pub fn find_backups(directories: &[PathBuf]) -> Result<Backups, OfflineError> {
    let mut backups = Backups::default();
    for directory in directories {
        if let Err(error) = fs::read_dir(directory) {
            return Err(OfflineError::Argument {
                what: directory.display().to_string(),
                reason: error.to_string(),
            });
        }
        backups.descend(directory, DEEPEST);
    }
    Ok(backups)
}

impl Backups {
    fn descend(&mut self, directory: &Path, deeper: usize) {
        let name = directory.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with(UNFINISHED) {
            let reason = "it is being made, or was interrupted";
            return self.does_not_count(directory, None, Kind::BackupUnfinished, reason);
        }
        let layout = BackupLayout::at(directory);
        if layout.manifest().exists() || layout.metadata().exists() || !layout.forms().is_empty() {
            return self.add(directory, &layout);
        }
        if deeper == 0 {
            return;
        }
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                let reason = error.to_string();
                return self.does_not_count(directory, None, Kind::BackupUnusable, &reason);
            }
        };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort_unstable();
        for path in paths.iter().filter(|path| path.is_dir()) {
            self.descend(path, deeper - 1);
        }
    }

    /// Takes note of one stream's backup.
    fn add(&mut self, path: &Path, layout: &BackupLayout) {
        let look = match Look::at(path) {
            Ok(look) => look,
            Err(error) => {
                let reason = error.to_string();
                return self.does_not_count(path, None, Kind::BackupUnusable, &reason);
            }
        };
        let stream = look.stream().map(str::to_owned);
        let Some(manifest) = &look.manifest else {
            let reason = "it is not sealed: nothing proves that it is all that the stream had";
            return self.does_not_count(path, stream, Kind::BackupUnsealed, reason);
        };
        let stream = Some(manifest.stream.clone());
        if !manifest.proves_completeness() {
            let reason = "it was converted from a backup that was not sealed";
            return self.does_not_count(path, stream, Kind::BackupUnsealed, reason);
        }
        if manifest.replaced {
            let reason = "it is what a restore replaced, as it was then";
            return self.does_not_count(path, stream, Kind::BackupReplaced, reason);
        }
        let damage = look.defects.iter().find(|defect| defect.is_damage());
        if let Some(reason) = damage
            .map(ToString::to_string)
            .or_else(|| not_as_sealed(layout, manifest))
        {
            return self.does_not_count(path, stream, Kind::BackupUnusable, &reason);
        }
        let Ok(taken_at) = OffsetDateTime::parse(&manifest.taken_at, &Rfc3339) else {
            let reason = "its manifest does not tell when it was taken";
            return self.does_not_count(path, stream, Kind::BackupUnusable, reason);
        };
        let mut lacks = manifest.lacks.clone();
        lacks.extend(look.missing_consumers());
        let backup = Backup {
            path: path.to_owned(),
            taken_at,
            messages: manifest.messages,
            last_sequence: manifest.last_sequence,
            lacks,
        };
        let newest = self.newest.entry(manifest.stream.clone());
        let newest = newest.or_insert_with(|| backup.clone());
        if backup.taken_at > newest.taken_at {
            *newest = backup;
        }
    }

    fn does_not_count(&mut self, path: &Path, stream: Option<String>, kind: Kind, reason: &str) {
        self.odd.push(Odd {
            path: path.to_owned(),
            stream,
            kind,
            reason: reason.to_owned(),
        });
    }
}

/// Why the archive can't be the one that was sealed, as far as its size tells.
fn not_as_sealed(layout: &BackupLayout, manifest: &Manifest) -> Option<String> {
    let archive = layout.archive(manifest.form);
    let name = manifest.form.file_name();
    match fs::metadata(&archive) {
        Err(error) => Some(format!("its archive {name}: {error}")),
        Ok(found) if found.len() != manifest.archive_bytes => Some(format!(
            "its archive {name} has {} bytes, and was sealed with {}",
            found.len(),
            manifest.archive_bytes
        )),
        Ok(_) => None,
    }
}
