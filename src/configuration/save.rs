//! Saving: every stream and every durable consumer into a file of its own, and an account of those
//! that could not be.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::data::save_data;
use super::error::{ConfigurationError, Result};
use super::file::{consumer_file, data_file, stream_file, write_consumer, write_stream};
use crate::archive::is_name;
use crate::backup::{BackupError, Progress};
use crate::jetstream::{AccountTotals, Connection, ConsumerInfo, ConsumerList, RequestError};
use crate::model::NameFilter;
use crate::offline::Staging;

/// Who may look into the directory.
const MODE: u32 = 0o750;

/// What the names of consumers begin with that servers make for mirrors and sources.
const SERVERS_OWN: [&str; 2] = ["JS_SRC_", "JS_MIRROR_"];

/// What to save.
#[derive(Debug, Clone, Default)]
pub struct SaveOptions {
    /// Which streams.
    pub names: NameFilter,
    /// Whether the data of streams that are kept in files is saved as well.
    pub data: bool,
}

/// What was saved.
#[derive(Debug, Default, Serialize)]
pub struct Saved {
    /// Where it is.
    pub directory: PathBuf,
    /// The streams.
    pub streams: Vec<String>,
    /// The consumers, with the streams they are of.
    pub consumers: Vec<SavedName>,
    /// The data.
    pub data: Vec<SavedData>,
    /// What is worth knowing, although nothing is missing.
    pub notes: Vec<String>,
    /// What is there and was not saved.
    pub lacks: Vec<String>,
}

/// A consumer that was saved.
#[derive(Debug, Serialize)]
pub struct SavedName {
    /// Its stream.
    pub stream: String,
    /// Its name.
    pub name: String,
}

/// The data of a stream that was saved.
#[derive(Debug, Serialize)]
pub struct SavedData {
    /// The stream.
    pub stream: String,
    /// The name of the file.
    pub file: String,
    /// How many messages are in it.
    pub messages: u64,
    /// How long it is.
    pub bytes: u64,
}

/// A stream, as it was told.
struct Told {
    name: String,
    config: Value,
    has_leader: bool,
    consumers: ConsumerList,
}

/// Saves the configuration of an account's streams and consumers into a new directory.
///
/// # Errors
/// When the directory can't be made, the account can't be asked, or nothing could be saved. What is
/// missing is in [`Saved::lacks`].
pub async fn save(
    connection: &Connection,
    target: &Path,
    options: &SaveOptions,
    progress: Arc<dyn Progress>,
) -> Result<Saved> {
    let staging = Staging::begin(target)?;
    let (totals, all) = ask(connection).await?;
    let names: Vec<_> = all
        .iter()
        .filter(|name| options.names.chooses(name))
        .collect();
    if names.is_empty() && !all.is_empty() {
        return Err(ConfigurationError::NothingToDo {
            reason: options.names.chooses_none_of(&all),
        });
    }
    let mut saved = Saved {
        directory: target.to_owned(),
        ..Saved::default()
    };
    let mut told = Vec::new();
    let mut first_failure = None;
    for name in names {
        // It becomes a part of a path.
        if !is_name(name) {
            let lack = format!("stream {name:?} is not saved: that is no stream's name");
            saved.lacks.push(lack);
            continue;
        }
        match look(connection, name).await {
            Ok(stream) => told.push(stream),
            Err(error) => {
                let lack = format!("stream {name} can't be asked, and is not saved: {error}");
                saved.lacks.push(lack);
                first_failure.get_or_insert((name, error));
            }
        }
    }
    if let (Some((name, error)), true) = (first_failure, told.is_empty()) {
        let doing = format!("asking stream {name}");
        return Err(ConfigurationError::request(doing)(error));
    }
    saved.write_streams(&told, staging.path())?;
    saved.write_consumers(&told, staging.path())?;
    if options.data {
        for stream in &told {
            let directory = staging.path();
            saved
                .add_data(connection, stream, directory, target, &progress)
                .await?;
        }
    }
    saved.reconcile(connection, totals, &all).await?;
    let mode = Permissions::from_mode(MODE);
    fs::set_permissions(staging.path(), mode).map_err(ConfigurationError::io(
        "setting the mode of",
        staging.path(),
    ))?;
    staging.seal(None)?;
    Ok(saved)
}

async fn ask(connection: &Connection) -> Result<(AccountTotals, Vec<String>)> {
    let asking = ConfigurationError::request("asking what the account has");
    connection.account_overview().await.map_err(asking)
}

async fn look(connection: &Connection, name: &str) -> Result<Told, RequestError> {
    let answer = connection.stream_answer(name).await?;
    // A standalone server has no raft groups, and says nothing of a leader.
    let leader = answer.get("cluster").map(|cluster| &cluster["leader"]);
    if !answer["config"].is_object() {
        return Err(RequestError::Unreadable {
            subject: format!("STREAM.INFO.{name}"),
            reason: String::from("there is no configuration in it"),
        });
    }
    Ok(Told {
        name: name.to_owned(),
        has_leader: leader.is_none_or(|leader| leader.as_str().is_some_and(|it| !it.is_empty())),
        config: answer["config"].clone(),
        consumers: connection.list_consumers(name).await?,
    })
}

/// Why a consumer is not to be saved, when it is not.
fn left_out(info: &ConsumerInfo) -> Option<&'static str> {
    let text_of = |field: &str| info.config.get(field).and_then(Value::as_str);
    if text_of("durable_name") != Some(&*info.name) {
        return Some("is ephemeral");
    }
    // From 2.14 on servers make a durable one to source work queues and interest streams (ADR-58), and
    // would make another beside it, which a work queue does not take.
    let is_sourcing = info.config.get("sourcing") == Some(&Value::Bool(true));
    let is_servers = SERVERS_OWN
        .iter()
        .any(|prefix| info.name.starts_with(prefix));
    (is_sourcing && is_servers).then_some("is the server's own, by which another stream sources it")
}

impl Saved {
    fn write_streams(&mut self, told: &[Told], directory: &Path) -> Result<()> {
        for Told {
            name,
            config,
            has_leader,
            ..
        } in told
        {
            write_stream(directory, name, config)?;
            self.streams.push(name.clone());
            if !has_leader {
                self.lacks.push(format!(
                    "stream {name} has no leader: its configuration was saved as another server knows it"
                ));
            }
        }
        Ok(())
    }

    fn write_consumers(&mut self, told: &[Told], directory: &Path) -> Result<()> {
        // Names have no escape: a stream A_consumer_B and a consumer B of stream A want the same file.
        let mut taken: BTreeSet<String> = told.iter().map(|one| stream_file(&one.name)).collect();
        for stream in told {
            let of = &stream.name;
            for info in &stream.consumers.infos {
                let name = &info.name;
                if !is_name(name) {
                    self.lacks.push(format!(
                        "consumer {name:?} of stream {of} is not saved: that is no consumer's name"
                    ));
                } else if let Some(why) = left_out(info) {
                    self.notes.push(format!(
                        "consumer {name} of stream {of} {why}, and was not saved"
                    ));
                } else if !taken.insert(consumer_file(of, name)) {
                    self.lacks.push(format!(
                        "consumer {name} of stream {of} is not saved: {} is another's file",
                        consumer_file(of, name)
                    ));
                } else {
                    write_consumer(directory, of, name, &info.config)?;
                    self.consumers.push(SavedName {
                        stream: of.clone(),
                        name: name.clone(),
                    });
                }
            }
            for name in &stream.consumers.silent {
                self.lacks.push(format!(
                    "consumer {name} of stream {of} has no leader, and is not saved"
                ));
            }
        }
        Ok(())
    }

    /// Saves the data of a stream, and names one of which none can be saved.
    async fn add_data(
        &mut self,
        connection: &Connection,
        stream: &Told,
        directory: &Path,
        target: &Path,
        progress: &Arc<dyn Progress>,
    ) -> Result<()> {
        let name = &stream.name;
        if stream.config["storage"] == "memory" {
            self.lacks.push(format!(
                "stream {name} is kept in memory: none of its messages are saved"
            ));
            return Ok(());
        }
        let file = data_file(name);
        let path = directory.join(&file);
        match save_data(connection, name, &path, target, progress).await {
            Ok(packed) => {
                let of = |text: String| format!("stream {name}: {text}");
                self.lacks.extend(packed.lacks.into_iter().map(of));
                self.notes.extend(packed.remarks.into_iter().map(of));
                self.data.push(SavedData {
                    stream: name.clone(),
                    file,
                    messages: packed.messages,
                    bytes: packed.bytes,
                });
                Ok(())
            }
            // What can't be written here, the next one can't either.
            Err(error @ (ConfigurationError::Io { .. } | ConfigurationError::Offline(_)))
            | Err(error @ ConfigurationError::Backup(BackupError::Io { .. })) => Err(error),
            Err(error) => {
                self.lacks.push(format!(
                    "stream {name}: none of its messages are saved: {error}"
                ));
                Ok(())
            }
        }
    }

    /// Counts the streams again: one that is counted and never listed is one that nobody saved.
    async fn reconcile(
        &mut self,
        connection: &Connection,
        had: AccountTotals,
        listed: &[String],
    ) -> Result<()> {
        let (has, now) = ask(connection).await?;
        let (before, after) = (listed.len() as u64, now.len() as u64);
        if had.streams > before && has.streams > after {
            let count = has.streams;
            self.lacks.push(format!(
                "the account counts {count} streams, and lists {after}"
            ));
        }
        Ok(())
    }
}
