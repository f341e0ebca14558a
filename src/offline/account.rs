//! The backup of an account: a directory for each of its streams, as the `nats` CLI has it, and a
//! record of ours in the first of them that says what the account had and what was saved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{OfflineError, Result};
use super::staging::{UNFINISHED, replace_json};
use crate::archive::{ACCOUNT_FILE, ArchiveError, BackupLayout, is_name};

/// The version of the record's format that we write.
const FORMAT: u32 = 1;

/// What an account had, and what of it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Version of this format.
    pub format: u32,
    /// Streams and consumers that the account had by its own count when the backup began.
    pub had: Counts,
    /// The same when the last stream was saved.
    pub has: Counts,
    /// The patterns of names that were asked for; all when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// The patterns of names that were not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// What became of every stream that it had then or meanwhile, by name.
    pub streams: BTreeMap<String, StreamRecord>,
    /// What does not add up, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexplained: Vec<String>,
    /// When the backup began, RFC 3339.
    pub began_at: String,
    /// When its last stream was saved, RFC 3339. Streams are saved one after the other: there is no
    /// moment that all of them show.
    pub ended_at: String,
    /// Version of the server we were connected to.
    pub server: Option<semver::Version>,
    /// Version of Lifeboat.
    pub lifeboat: String,
}

/// An account's own count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Its streams.
    pub streams: u64,
    /// Their consumers.
    pub consumers: u64,
}

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum StreamRecord {
    /// It was saved.
    Saved {
        /// The SHA-256 of its archive.
        archive_sha256: String,
        /// Consumers that it had.
        consumers: u64,
        /// When, RFC 3339.
        taken_at: String,
        /// What it had and the archive does not have.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lacks: Vec<String>,
    },
    /// It was not asked for.
    Excluded,
    /// It could not be saved.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was deleted before it was reached.
    Deleted,
    /// It was made after the backup had begun, and is not in it.
    Made,
}

impl AccountRecord {
    /// A record of nothing yet.
    pub(crate) fn begin(had: Counts, began_at: String) -> Self {
        Self {
            format: FORMAT,
            had,
            has: had,
            include: Vec::new(),
            exclude: Vec::new(),
            streams: BTreeMap::new(),
            unexplained: Vec::new(),
            ended_at: began_at.clone(),
            began_at,
            server: None,
            lifeboat: String::from(env!("CARGO_PKG_VERSION")),
        }
    }

    /// Everything that the account had and the backup lacks, in sentences.
    pub fn lacks(&self) -> Vec<String> {
        let mut lacks = self.missing_streams();
        for (name, record) in &self.streams {
            if let StreamRecord::Saved { lacks: own, .. } = record {
                lacks.extend(own.iter().map(|lack| format!("stream {name}: {lack}")));
            }
        }
        lacks
    }

    /// The streams that could not be saved, and what does not add up, in sentences.
    pub(crate) fn missing_streams(&self) -> Vec<String> {
        let failed = self
            .streams
            .iter()
            .filter_map(|(name, record)| match record {
                StreamRecord::Failed { reason } => {
                    Some(format!("stream {name} is not saved: {reason}"))
                }
                StreamRecord::Saved { .. }
                | StreamRecord::Excluded
                | StreamRecord::Deleted
                | StreamRecord::Made => None,
            });
        failed.chain(self.unexplained.iter().cloned()).collect()
    }

    /// The names of the streams that were saved.
    pub fn saved(&self) -> impl Iterator<Item = &str> {
        let streams = self.streams.iter();
        streams.filter_map(|(name, record)| {
            matches!(record, StreamRecord::Saved { .. }).then_some(name.as_str())
        })
    }

    /// Writes it into the directory of an account's backup, instead of an earlier one.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let place = match self.saved().next() {
            Some(first) => directory.join(first),
            None => directory.to_owned(),
        };
        replace_json(&place.join(ACCOUNT_FILE), self)?;
        for (path, _) in find_records(directory)? {
            if path.parent() != Some(&*place) {
                fs::remove_file(&path).map_err(OfflineError::io("removing", &path))?;
            }
        }
        Ok(())
    }
}

/// A directory of backups that was looked at.
#[derive(Debug, Clone)]
pub struct AccountLook {
    /// The directory.
    pub path: PathBuf,
    /// The streams that have a directory in it, by name.
    pub streams: Vec<String>,
    /// Our record; none when another tool made it, or it was interrupted.
    pub record: Option<AccountRecord>,
    /// Whether it was interrupted while it was made.
    pub is_unfinished: bool,
    /// What is in it and does not belong there.
    pub strays: Vec<String>,
}

impl AccountLook {
    /// Whether a directory holds backups, and is none itself.
    pub fn is_account(path: &Path) -> bool {
        let layout = BackupLayout::at(path);
        let is_backup = layout.metadata().exists()
            || layout.manifest().exists()
            || !layout.forms().is_empty()
            || path.join("meta.inf").exists();
        if is_backup {
            return false;
        }
        let is_one = |name: &String| BackupLayout::at(path.join(name)).metadata().is_file();
        path.join(ACCOUNT_FILE).exists()
            || directories(path).is_ok_and(|(names, _)| names.iter().any(is_one))
    }

    /// What the record says of a stream.
    pub(super) fn recorded(&self, stream: &str) -> Option<&StreamRecord> {
        self.record.as_ref()?.streams.get(stream)
    }

    /// Looks at the directory of an account's backup.
    ///
    /// # Errors
    /// When it can't be read, or a record in it can't.
    pub fn at(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(OfflineError::NotThere {
                path: path.to_owned(),
            });
        }
        if BackupLayout::at(path).metadata().is_file() {
            return Err(OfflineError::Argument {
                what: path.display().to_string(),
                reason: String::from("it is the backup of one stream, not of an account"),
            });
        }
        let (streams, mut strays) = directories(path)?;
        strays.retain(|name| name != ACCOUNT_FILE);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut records = find_records(path)?;
        // Of two, one was about to be removed.
        records.sort_by(|(_, a), (_, b)| a.ended_at.cmp(&b.ended_at));
        Ok(Self {
            path: path.to_owned(),
            streams,
            record: records.pop().map(|(_, record)| record),
            is_unfinished: name.starts_with(UNFINISHED),
            strays,
        })
    }
}

/// The names of directories that streams can have, and of everything else.
fn directories(path: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let failed = || OfflineError::io("reading", path);
    let (mut streams, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && is_name(&name) {
            streams.push(name);
        } else {
            others.push(name);
        }
    }
    streams.sort_unstable();
    others.sort_unstable();
    Ok((streams, others))
}

/// The records in a directory and in those of its streams.
fn find_records(directory: &Path) -> Result<Vec<(PathBuf, AccountRecord)>> {
    let (streams, _) = directories(directory)?;
    let places = streams.iter().map(|name| directory.join(name));
    let mut records = Vec::new();
    for place in places.chain([directory.to_owned()]) {
        let path = place.join(ACCOUNT_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(OfflineError::io("reading", &path)(error)),
        };
        let record: AccountRecord =
            serde_json::from_slice(&text).map_err(|error| OfflineError::NotABackup {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        if record.format > FORMAT {
            return Err(ArchiveError::Unsupported {
                what: path.display().to_string(),
                detail: format!(
                    "it is of format {}, this version reads up to {FORMAT}",
                    record.format
                ),
            }
            .into());
        }
        records.push((path, record));
    }
    Ok(records)
}
