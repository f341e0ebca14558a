//! Opening a backup: is it whole, is it still what it was, what does it hold.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::{BackupError, Result};
use crate::archive::{Archive, BackupLayout, Level, Survey};
use crate::offline::{Look, Manifest, hex, sha256_of_file};

/// A backup that was opened and read to its end.
#[derive(Debug)]
pub struct StreamBackup {
    /// Where its files are.
    pub layout: BackupLayout,
    /// The stream's configuration.
    pub config: Value,
    /// The stream's state when the backup began.
    pub state: Value,
    /// Where its messages are read.
    pub archive: Archive,
    /// What the archive holds.
    pub survey: Survey,
    /// Our record of it; none in a backup that another tool made, whose completeness can't be
    /// proven.
    pub manifest: Option<Manifest>,
}

impl StreamBackup {
    /// Opens the backup in a directory and reads its archive to the end.
    ///
    /// # Errors
    /// [`BackupError::NotABackup`] when something is missing, doubled or changed;
    /// [`BackupError::Archive`] when the archive itself is damaged.
    pub async fn open(directory: &Path) -> Result<Self> {
        let wrong = |reason: String| BackupError::NotABackup {
            path: directory.to_owned(),
            reason,
        };
        let look = Look::at(directory)?;
        if let Some(defect) = look.defects.iter().find(|defect| defect.is_damage()) {
            return Err(wrong(defect.to_string()));
        }
        let (path, manifest) = (look.archive_path, look.manifest);
        let (Some(form), Some(metadata)) = (look.named_form, look.metadata) else {
            return Err(wrong(String::from("it is no backup directory")));
        };
        if let Some(manifest) = &manifest {
            let found = sha256_of_file(&path).map_err(BackupError::io("reading", &path))?;
            if found != manifest.archive_sha256 {
                return Err(wrong(format!(
                    "the archive's sha256 is {found}, its manifest says {}",
                    manifest.archive_sha256
                )));
            }
        }
        let (archive, survey) = survey(&path).await?;
        survey.check()?;
        if survey.form != form {
            return Err(wrong(format!(
                "its archive is a {}, its name says otherwise",
                survey.form
            )));
        }
        if let Some(manifest) = &manifest {
            let held = (survey.live.len(), survey.last_sequence);
            if hex(&Sha256::digest(&look.metadata_text)) != manifest.metadata_sha256 {
                return Err(wrong(String::from(
                    "backup.json is not the one its manifest describes",
                )));
            }
            if held != (manifest.messages, manifest.last_sequence) {
                return Err(wrong(String::from(
                    "the archive is not what its manifest says",
                )));
            }
        }
        Ok(Self {
            layout: BackupLayout::at(directory),
            config: Value::Object(metadata.config),
            state: metadata.state,
            archive,
            survey,
            manifest,
        })
    }

    /// The stream's name.
    pub fn stream(&self) -> &str {
        self.config["name"].as_str().unwrap_or_default()
    }
}

/// Reads an archive to its end, without blocking the runtime.
pub(super) async fn survey(path: &Path) -> Result<(Archive, Survey)> {
    let archive = Archive::open(path)?;
    let read = archive.clone();
    let read = tokio::task::spawn_blocking(move || read.survey(Level::Content)).await;
    match read {
        Ok(survey) => Ok((archive, survey?)),
        Err(error) => Err(BackupError::Io {
            what: String::from("reading the archive"),
            source: std::io::Error::other(error),
        }),
    }
}
