//! Reading a directory of configurations: all of it, before anything is made of any of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::{ConfigurationError, Result};
use super::file::{self, Content};
use crate::model::origins_first;

/// A configuration, as it was saved.
pub(super) type Config = Map<String, Value>;

/// What a directory holds.
#[derive(Debug, Default)]
pub struct SavedConfiguration {
    /// The configurations of streams, by name.
    pub(super) streams: BTreeMap<String, Config>,
    /// Those of consumers, by the names of stream and consumer.
    pub(super) consumers: BTreeMap<(String, String), Config>,
    /// Files with the data of streams.
    pub data_files: Vec<PathBuf>,
    /// What can't be applied.
    pub lacks: Vec<String>,
    /// What was passed over.
    pub notes: Vec<String>,
}

/// Reads every file of a directory and compares every checksum.
///
/// # Errors
/// At the first file that is no configuration, or not the one that was written.
pub fn read(directory: &Path) -> Result<SavedConfiguration> {
    let failed = || ConfigurationError::io("reading", directory);
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(failed())? {
        paths.insert(entry.map_err(failed())?.path());
    }
    let mut saved = SavedConfiguration::default();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (is_ours, extension) = (name.starts_with("stream_"), path.extension());
        if name.starts_with('.') {
            continue;
        }
        if extension.is_some_and(|extension| extension == "json") {
            saved.add(&path)?;
        } else if is_ours && extension.is_some_and(|extension| extension == "tgz") {
            saved.data_files.push(path);
        } else {
            let note = format!("{name} is no configuration, and was passed over");
            saved.notes.push(note);
        }
    }
    if saved.streams.is_empty() && saved.consumers.is_empty() {
        return Err(ConfigurationError::NothingToDo {
            reason: format!("there is no configuration in {}", directory.display()),
        });
    }
    Ok(saved)
}

impl SavedConfiguration {
    fn add(&mut self, path: &Path) -> Result<()> {
        let earlier = match file::read(path)? {
            Content::Stream { name, config } => self.streams.insert(name, config),
            Content::Consumer {
                stream,
                name,
                config,
            } => self.consumers.insert((stream, name), config),
            Content::Template => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                self.lacks.push(format!(
                    "{name} is a stream template, which servers do not have any more"
                ));
                None
            }
        };
        match earlier {
            None => Ok(()),
            // Which of the two is meant nobody can tell.
            Some(_) => Err(ConfigurationError::NotAConfiguration {
                path: path.to_owned(),
                field: String::from("configuration.name"),
                reason: String::from("another file of the directory has the same"),
            }),
        }
    }

    /// The streams, each after those of the directory that it mirrors or sources.
    pub(super) fn in_order(&self) -> Vec<&String> {
        let groups = origins_first(self.streams.iter().collect(), |(name, config)| {
            (name.as_str(), config)
        });
        groups.into_iter().flatten().map(|(name, _)| name).collect()
    }
}
