//! The backup that is to be rehearsed: its streams, what they need of a cluster, who made it and when.
//! An archive is read here only where nothing beside it tells what it holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use semver::Version;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::RehearsalError;
use crate::archive::{Defects, Form, is_name};
use crate::backup::StreamBackup;
use crate::model::NameFilter;
use crate::offline::{AccountLook, Look, examine_account};

/// A backup of one stream, or of an account.
#[derive(Debug)]
pub struct SavedBackup {
    /// What was named.
    pub path: PathBuf,
    /// Whether it is of an account.
    pub of_account: bool,
    /// Its streams that were asked for, by name.
    pub streams: Vec<SavedStream>,
    /// What is wrong with it as a whole.
    pub(super) defects: Defects,
    /// Whether a record proves that these are all streams that were to be saved.
    pub(super) has_record: bool,
}

/// A stream of a backup.
#[derive(Debug, Clone)]
pub struct SavedStream {
    /// The stream; the name of its directory where nothing else tells.
    pub name: String,
    /// Its backup.
    pub path: PathBuf,
    /// Its configuration; empty where that can't be read.
    pub config: Map<String, Value>,
    /// Bytes of its archive's file.
    pub archive_bytes: u64,
    /// Bytes that its messages take in the stream, where that is told.
    pub bytes: u64,
    /// The last sequence that it had used, where that is told.
    pub last_sequence: Option<u64>,
    /// The form of its archive, where it can be read.
    pub form: Option<Form>,
    /// The server that it was taken from, where that is told.
    pub server: Option<Version>,
    /// When it was taken, where that is told.
    pub taken_at: Option<OffsetDateTime>,
    /// When its last message was stored: it was not taken before.
    pub last_message_at: Option<OffsetDateTime>,
    /// When its archive was written, as the file system has it.
    pub modified_at: Option<OffsetDateTime>,
}

impl SavedBackup {
    /// Looks at a backup.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub fn at(path: &Path, names: &NameFilter) -> Result<Self, RehearsalError> {
        let of_account = path.is_dir() && AccountLook::is_account(path);
        let (looks, defects, has_record) = if of_account {
            let look = AccountLook::at(path)?;
            let (looks, defects) = examine_account(&look)?;
            (looks, defects, look.record.is_some())
        } else {
            let look = Look::at(path)?;
            let name = look.stream().map_or_else(|| file_name(path), str::to_owned);
            (BTreeMap::from([(name, look)]), Defects::default(), false)
        };
        let defects = concerning(&defects, names);
        let streams: Vec<_> = looks
            .into_iter()
            .filter(|(name, _)| names.chooses(name))
            .map(|(name, look)| SavedStream::of(name, &look))
            .collect();
        if streams.is_empty() {
            return Err(RehearsalError::NothingToDo {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            of_account,
            streams,
            defects,
            has_record,
        })
    }

    /// The newest server that any of its streams was taken from, where that is told.
    pub fn server(&self) -> Option<&Version> {
        let servers = self.streams.iter().filter_map(|one| one.server.as_ref());
        servers.max()
    }

    /// Whether all of it is in the form that servers to 2.14 write.
    pub fn is_of_older_servers(&self) -> bool {
        self.streams.iter().all(|one| one.form == Some(Form::Tar))
    }

    /// When the oldest of its streams was taken, where that is told of all.
    pub fn taken_at(&self) -> Option<OffsetDateTime> {
        let taken: Option<Vec<_>> = self.streams.iter().map(|one| one.taken_at).collect();
        taken?.into_iter().min()
    }
}

/// What is wrong with the whole, without what is wrong with streams that were not asked for.
fn concerning(defects: &Defects, names: &NameFilter) -> Defects {
    let is_left_out = |name: &str| is_name(name) && !names.chooses(name);
    let mut concerning = Defects::default();
    for defect in defects.kept() {
        let named = defect.detail.strip_prefix("stream ");
        let named = named.and_then(|rest| rest.split(' ').next());
        if !is_left_out(&defect.place) && !named.is_some_and(is_left_out) {
            concerning.push(defect.clone());
        }
    }
    concerning
}

impl SavedStream {
    fn of(name: String, look: &Look) -> Self {
        let state = look.state();
        let manifest = look.manifest.as_ref();
        let config = look.config().cloned().unwrap_or_default();
        let files = Files::at(&look.archive_path);
        // A conversion knows when it was made, not when its original was.
        let taken = manifest.filter(|manifest| manifest.proves_completeness());
        let archive = look.archive.as_ref();
        Self {
            server: manifest.and_then(|manifest| manifest.server.clone()),
            taken_at: taken.and_then(|manifest| parse(&manifest.taken_at)),
            last_message_at: state.as_ref().and_then(|state| parse(&state.last_ts)),
            modified_at: files.modified.map(OffsetDateTime::from),
            archive_bytes: files.bytes,
            bytes: state.as_ref().map_or(0, |state| state.bytes),
            last_sequence: manifest.map(|manifest| manifest.last_sequence),
            form: archive.and_then(|archive| archive.form().ok()),
            path: look.path.clone(),
            config,
            name,
        }
    }

    /// Reads name, configuration and age from the archive, where nothing beside it tells: a stream's own directory, or
    /// an archive alone. What can't be read is told later, when it is restored.
    pub(super) async fn read_config_if_missing(&mut self) {
        if !self.config.is_empty() {
            return;
        }
        if let Ok(backup) = StreamBackup::open(&self.path).await
            && let Ok(config) = backup.config()
        {
            self.config = config.clone();
            backup.stream().clone_into(&mut self.name);
            self.bytes = self.bytes.max(backup.bytes());
            let last = backup.survey.sums.and_then(|sums| sums.last_time_ns);
            let last = last.map(|last| OffsetDateTime::from_unix_timestamp_nanos(last.into()));
            self.last_message_at = last.and_then(Result::ok).or(self.last_message_at);
        }
    }

    /// The cluster that its configuration places it in.
    pub(super) fn placed_in(&self) -> Option<&str> {
        let cluster = self.config.get("placement")?.get("cluster")?.as_str()?;
        Some(cluster).filter(|cluster| !cluster.is_empty())
    }

    /// The tags of the servers that its configuration wants.
    pub(super) fn tags(&self) -> Vec<String> {
        let tags = self
            .config
            .get("placement")
            .and_then(|placement| placement.get("tags"));
        let tags = tags.and_then(Value::as_array).into_iter().flatten();
        // One with a mark in front is a tag that servers must not have.
        let tags = tags.filter_map(Value::as_str);
        let wanted = tags.filter(|tag| !tag.starts_with('!'));
        wanted.map(str::to_owned).collect()
    }
}

#[cfg(test)]
impl SavedStream {
    /// One of which nothing is known but its name.
    pub(super) fn unknown(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: PathBuf::new(),
            config: Map::new(),
            archive_bytes: 0,
            bytes: 0,
            last_sequence: None,
            form: None,
            server: None,
            taken_at: None,
            last_message_at: None,
            modified_at: None,
        }
    }
}

/// The files of an archive together: it may be a stream's directory.
#[derive(Default)]
struct Files {
    bytes: u64,
    /// When the last of them was written.
    modified: Option<SystemTime>,
}

impl Files {
    fn at(path: &Path) -> Self {
        let mut files = Self::default();
        files.add(path);
        files
    }

    fn add(&mut self, path: &Path) {
        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        if metadata.is_file() {
            self.bytes += metadata.len();
            self.modified = self.modified.max(metadata.modified().ok());
            return;
        }
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            self.add(&entry.path());
        }
    }
}

/// A time of our own or of a server; what servers say of an empty stream is none.
fn parse(text: &str) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    (time.year() > 1970).then_some(time)
}

/// What a path is called, also `.`.
pub(super) fn file_name(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = absolute.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
