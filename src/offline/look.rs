//! A first look at a backup: which files there are, what describes them, what is missing.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::account::AccountLook;
use super::digest::sha256;
use super::error::{OfflineError, Result};
use super::manifest::{FORMAT, Manifest};
use super::saved_consumers::{self, SavedConsumer};
use super::staging::UNFINISHED;
use crate::archive::{
    Archive, ArchiveError, BackupLayout, CONSUMERS_FILE, Defect, Form, Kind, StreamState, Survey,
    is_name,
};

/// A backup that was looked at, and not read yet. What is wrong is told, and stops nothing.
#[derive(Debug, Clone)]
pub struct Look {
    /// What was named.
    pub path: PathBuf,
    /// The archive, when there is exactly one.
    pub archive: Option<Archive>,
    /// Where it is: a file, or a stream's directory.
    pub archive_path: PathBuf,
    /// What its file name says of its form.
    pub named_form: Option<Form>,
    /// `backup.json`.
    pub metadata: Option<Metadata>,
    /// The bytes of `backup.json`, which the manifest has a digest of.
    pub metadata_text: Vec<u8>,
    /// Our own record.
    pub manifest: Option<Manifest>,
    /// Consumers that were saved beside the archive.
    pub saved_consumers: Vec<SavedConsumer>,
    /// What is wrong so far.
    pub defects: Vec<Defect>,
}

/// `backup.json`: the stream's configuration and state, as the server gave them.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Metadata {
    /// The configuration.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// The state when the backup began.
    #[serde(default)]
    pub state: Value,
}

impl Look {
    /// Looks at a backup: a directory in the layout of the `nats` CLI, an archive file, or a
    /// stream's own directory as it is in a store or was extracted.
    ///
    /// # Errors
    /// When there is nothing, or nothing that could be a backup; [`ArchiveError::Unsupported`] when
    /// the manifest is of a later format.
    pub fn at(path: &Path) -> Result<Self> {
        let kind = match fs::metadata(path) {
            Ok(kind) => kind,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(OfflineError::NotThere {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(OfflineError::io("opening", path)(error)),
        };
        let mut look = Self {
            path: path.to_owned(),
            archive: None,
            archive_path: path.to_owned(),
            named_form: None,
            metadata: None,
            metadata_text: Vec::new(),
            manifest: None,
            saved_consumers: Vec::new(),
            defects: Vec::new(),
        };
        if kind.is_file() {
            // The archive of a backup stands for the backup.
            let directory = path.parent().unwrap_or(Path::new(""));
            let layout = BackupLayout::at(directory);
            let is_its_archive = layout
                .forms()
                .iter()
                .any(|form| layout.archive(*form) == path);
            if is_its_archive && layout.metadata().is_file() {
                look.directory(&layout)?;
            } else {
                look.archive = Some(Archive::open(path)?);
                look.found(Kind::NoManifest, "the backup", NO_MANIFEST);
            }
        } else if path.join("meta.inf").is_file() {
            look.archive = Some(Archive::open(path)?);
            look.found(Kind::NoManifest, "the backup", NO_MANIFEST);
        } else {
            look.directory(&BackupLayout::at(path))?;
        }
        Ok(look)
    }

    /// The stream's configuration, from `backup.json`.
    pub fn config(&self) -> Option<&Map<String, Value>> {
        self.metadata
            .as_ref()
            .map(|metadata| &metadata.config)
            .filter(|config| !config.is_empty())
    }

    /// The stream's name, from `backup.json`.
    pub fn stream(&self) -> Option<&str> {
        self.config()?.get("name")?.as_str()
    }

    /// The state when the backup began, from `backup.json`.
    pub fn state(&self) -> Option<StreamState> {
        let state = &self.metadata.as_ref()?.state;
        serde_json::from_value(state.clone()).ok()
    }

    /// Consumers that the stream had and the archive does not have, in sentences.
    pub fn missing_consumers(&self) -> Vec<String> {
        let Some(manifest) = &self.manifest else {
            return Vec::new();
        };
        SavedConsumer::explain_missing(&manifest.missing_consumers, &self.saved_consumers)
    }

    /// The archive, or why there is none to be read.
    ///
    /// # Errors
    /// [`OfflineError::NotABackup`] with the first thing that is missing.
    pub fn require_archive(&self) -> Result<&Archive> {
        self.archive.as_ref().ok_or_else(|| self.not_a_backup())
    }

    /// The stream's name, from `backup.json` or else from the archive.
    pub(super) fn name<'a>(&'a self, survey: &'a Survey) -> Option<&'a str> {
        let own = survey.meta.as_ref().map(|meta| meta.name.as_str());
        self.stream().or(own)
    }

    /// Why there is no archive to be read.
    pub(super) fn not_a_backup(&self) -> OfflineError {
        let damage = self.defects.iter().find(|defect| defect.is_damage());
        OfflineError::NotABackup {
            path: self.path.clone(),
            reason: damage.map_or_else(|| String::from("it has no archive"), ToString::to_string),
        }
    }

    fn found(&mut self, kind: Kind, place: &str, detail: impl Into<String>) {
        self.defects.push(Defect::new(kind, place, detail));
    }

    /// Looks at a directory in the layout of the `nats` CLI.
    fn directory(&mut self, layout: &BackupLayout) -> Result<()> {
        // A directory that may not be read looks empty otherwise.
        let failed = OfflineError::io("reading", layout.directory());
        let _entries = fs::read_dir(or_here(layout.directory())).map_err(failed)?;
        let forms = layout.forms();
        let has_metadata = layout.metadata().is_file();
        if forms.is_empty() && !has_metadata && !layout.manifest().is_file() {
            if AccountLook::is_account(layout.directory()) {
                return Err(OfflineError::Argument {
                    what: self.path.display().to_string(),
                    reason: String::from(
                        "it holds the backups of several streams: name one of them",
                    ),
                });
            }
            return Err(OfflineError::NotABackup {
                path: self.path.clone(),
                reason: String::from("neither backup.json nor an archive is in it"),
            });
        }
        let name = layout.directory().file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with(UNFINISHED) {
            self.found(
                Kind::CutOff,
                "the backup",
                "it was interrupted while it was made",
            );
        }
        match forms[..] {
            [form] => {
                self.named_form = Some(form);
                self.archive_path = layout.archive(form);
                self.archive = Some(Archive::open(&self.archive_path)?);
            }
            [] => self.found(Kind::CutOff, "the backup", "it has no archive"),
            _ => self.found(Kind::Duplicate, "the backup", "it has two archives"),
        }
        self.read_metadata(layout);
        self.read_manifest(layout)?;
        self.read_consumers(layout);
        Ok(())
    }

    /// Reads the consumers beside the archive, which the manifest has a digest of.
    fn read_consumers(&mut self, layout: &BackupLayout) {
        let recorded = self.manifest.as_ref().map(|manifest| {
            let digest = &manifest.saved_consumers_sha256;
            digest.clone().unwrap_or_default()
        });
        let path = layout.consumers();
        if !path.exists() && recorded.as_ref().is_none_or(String::is_empty) {
            return;
        }
        match saved_consumers::read(&path) {
            Err(reason) => self.found(Kind::Metadata, CONSUMERS_FILE, reason),
            Ok((_, text)) if recorded.is_some_and(|digest| digest != sha256(&text)) => {
                let detail = "it is not the one that its manifest describes";
                self.found(Kind::Manifest, CONSUMERS_FILE, detail);
            }
            Ok((saved, _)) => self.saved_consumers = saved,
        }
    }

    fn read_metadata(&mut self, layout: &BackupLayout) {
        const PLACE: &str = "backup.json";
        self.metadata_text = match fs::read(layout.metadata()) {
            Ok(text) => text,
            Err(error) => return self.found(Kind::Metadata, PLACE, error.to_string()),
        };
        if self.metadata_text.is_empty() {
            return self.found(Kind::Metadata, PLACE, EMPTY_METADATA);
        }
        match serde_json::from_slice::<Metadata>(&self.metadata_text) {
            Ok(metadata) => self.metadata = Some(metadata),
            Err(error) => return self.found(Kind::Metadata, PLACE, error.to_string()),
        }
        match self.stream().map(is_name) {
            Some(true) => {}
            Some(false) => self.found(Kind::Metadata, PLACE, "its name is no stream's name"),
            None => self.found(Kind::Metadata, PLACE, "its configuration has no name"),
        }
        if self.state().is_none() {
            self.found(Kind::Metadata, PLACE, "its state can't be read");
        }
    }

    fn read_manifest(&mut self, layout: &BackupLayout) -> Result<()> {
        const PLACE: &str = "lifeboat.json";
        let text = match fs::read(layout.manifest()) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.found(Kind::NoManifest, "the backup", NO_MANIFEST);
                return Ok(());
            }
            Err(error) => {
                self.found(Kind::Metadata, PLACE, error.to_string());
                return Ok(());
            }
        };
        match serde_json::from_slice::<Manifest>(&text) {
            Ok(manifest) if manifest.format > FORMAT => {
                return Err(ArchiveError::Unsupported {
                    what: String::from(PLACE),
                    detail: format!(
                        "it is of format {}, this version reads up to {FORMAT}",
                        manifest.format
                    ),
                }
                .into());
            }
            Ok(manifest) => self.manifest = Some(manifest),
            Err(error) => self.found(Kind::Metadata, PLACE, error.to_string()),
        }
        Ok(())
    }
}

/// The directory of a file that was named without one.
fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    }
}

const NO_MANIFEST: &str =
    "there is no lifeboat.json: nothing proves that this is all that the stream had";

/// The `nats` CLI leaves such a directory of a stream in memory, which it does not back up.
const EMPTY_METADATA: &str = "it is empty: the backup was interrupted, or it is of a stream in memory, of which `nats \
account backup` saves nothing (leave it out with --exclude)";
