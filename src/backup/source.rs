//! Opening a backup: is it whole, is it still what it was, what does it hold.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{BackupError, Result};
use crate::archive::{Archive, Kind, Level, Survey};
use crate::offline::{Look, Manifest, examine};

/// A backup that was opened and read to its end.
#[derive(Debug)]
pub struct StreamBackup {
    /// Whether a manifest proves that it is all that the stream had.
    pub sealed: bool,
    /// The stream's configuration.
    pub config: Value,
    /// The stream's state when the backup began.
    pub state: Value,
    /// The file of the archive.
    pub archive_path: PathBuf,
    /// What it lacks by its own account.
    pub lacks: Vec<String>,
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
        let read = look.clone();
        let examined = aside(move || Ok(examine(&read, Level::Content, None)?)).await?;
        // What contradicts the backup's own account of itself, before what is wrong in the archive.
        let defects = examined.defects.kept().iter();
        if let Some(defect) = defects.clone().find(|defect| defect.kind == Kind::Manifest) {
            return Err(wrong(defect.to_string()));
        }
        examined.defects.check()?;
        let lacks = examined.lacks();
        let (Some(archive), Some(survey), Some(metadata)) =
            (look.archive, examined.survey, look.metadata)
        else {
            return Err(wrong(String::from("it is no backup directory")));
        };
        let (archive_path, manifest, sealed) = (look.archive_path, look.manifest, examined.sealed);
        Ok(Self {
            archive_path,
            lacks,
            sealed,
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

/// Works on a thread of its own, so that the runtime is not blocked.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(BackupError::Io {
            what: String::from("reading the archive"),
            source: std::io::Error::other(error),
        }),
    }
}
