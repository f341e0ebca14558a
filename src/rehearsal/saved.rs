//! The backup that is to be rehearsed: its streams, what they need of a cluster, who made it and when.
//! Nothing of an archive is read here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use semver::Version;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::RehearsalError;
use crate::archive::{Defects, Form};
use crate::model::NameFilter;
use crate::offline::{AccountLook, Look, examine_account};

/// The key under which servers from 2.11 on keep their version in a stream's metadata.
const VERSION_KEY: &str = "_nats.ver";

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
    /// The form of its archive, as its file is named.
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

impl SavedStream {
    fn of(name: String, look: &Look) -> Self {
        let state = look.state();
        let manifest = look.manifest.as_ref();
        let config = look.config().cloned().unwrap_or_default();
        let written = fs::metadata(&look.archive_path).ok();
        let told = manifest.and_then(|manifest| manifest.server.clone());
        Self {
            server: told.or_else(|| version_in(&config)),
            taken_at: manifest.and_then(|manifest| parse(&manifest.taken_at)),
            last_message_at: state.as_ref().and_then(|state| parse(&state.last_ts)),
            modified_at: written
                .as_ref()
                .and_then(|file| file.modified().ok())
                .map(OffsetDateTime::from),
            archive_bytes: written.map_or(0, |file| file.len()),
            bytes: state.map_or(0, |state| state.bytes),
            form: look.named_form,
            path: look.path.clone(),
            config,
            name,
        }
    }

    /// How many replicas it has by its configuration.
    pub(super) fn replicas(&self) -> u64 {
        let replicas = self.config.get("num_replicas").and_then(Value::as_u64);
        replicas.unwrap_or(1).max(1)
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
        tags.filter_map(|tag| Some(tag.as_str()?.to_owned()))
            .collect()
    }
}

fn version_in(config: &Map<String, Value>) -> Option<Version> {
    let text = config.get("metadata")?.get(VERSION_KEY)?.as_str()?;
    Version::parse(text).ok()
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
