//! Opening a backup: is it whole, is it still what it was, what does it hold.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{BackupError, Result};
use super::receive::ended;
use crate::archive::{Archive, ArchiveError, Kind, Level, Survey};
use crate::offline::{Look, Manifest, SavedConsumer, examine};

/// A backup that was opened and read to its end.
#[derive(Debug)]
pub struct StreamBackup {
    /// Whether a manifest proves that it is all that the stream had.
    pub sealed: bool,
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
    /// Consumers that were saved beside the archive.
    pub saved_consumers: Vec<SavedConsumer>,
    /// What was looked at.
    pub(super) look: Look,
}

impl StreamBackup {
    /// Opens the backup in a directory, or the archive in a file, and reads it to the end.
    ///
    /// # Errors
    /// [`BackupError::NotABackup`] when something is missing, doubled or changed;
    /// [`BackupError::Archive`] when the archive itself is damaged.
    pub async fn open(path: &Path) -> Result<Self> {
        let wrong = |reason: String| BackupError::NotABackup {
            path: path.to_owned(),
            reason,
        };
        let look = Look::at(path)?;
        if let Some(defect) = look.defects.iter().find(|defect| defect.is_damage()) {
            return Err(wrong(defect.to_string()));
        }
        let read = look.clone();
        let examining = tokio::task::spawn_blocking(move || examine(&read, Level::Content, None));
        let examined = ended(examining).await??;
        // What contradicts the backup's own account of itself, before what is wrong in the archive.
        let defects = examined.defects.kept().iter();
        if let Some(defect) = defects.clone().find(|defect| defect.kind == Kind::Manifest) {
            return Err(wrong(defect.to_string()));
        }
        if let Some(defect) = examined.defects.first_damage_of_content() {
            return Err(ArchiveError::Damaged(defect.clone()).into());
        }
        let lacks = examined.lacks();
        let (Some(archive), Some(survey)) = (look.archive.clone(), examined.survey) else {
            return Err(wrong(String::from("it has no archive")));
        };
        Ok(Self {
            archive_path: look.archive_path.clone(),
            lacks,
            sealed: examined.sealed,
            archive,
            survey,
            manifest: look.manifest.clone(),
            saved_consumers: look.saved_consumers.clone(),
            look,
        })
    }

    /// The stream's configuration, from `backup.json` or else from the archive.
    ///
    /// # Errors
    /// [`BackupError::NotABackup`] for a message archive alone, which does not tell it.
    pub fn config(&self) -> Result<&Map<String, Value>> {
        let own = self.survey.meta.as_ref().map(|meta| &meta.config);
        self.look
            .config()
            .or(own)
            .ok_or_else(|| BackupError::NotABackup {
                path: self.look.path.clone(),
                reason: String::from(
                    "it does not tell the stream's configuration: put its backup.json beside it",
                ),
            })
    }

    /// The stream's name.
    pub fn stream(&self) -> &str {
        let own = self.survey.meta.as_ref().map(|meta| meta.name.as_str());
        self.look.stream().or(own).unwrap_or_default()
    }

    /// The last sequence that a stream restored from it may have at once: the archive's, or that of
    /// its index.
    pub(super) fn last_sequence(&self) -> u64 {
        self.survey.last_sequence.max(self.survey.indexed_sequence)
    }

    /// How old its first message is, in nanoseconds; nothing when that is not known.
    pub(super) fn age_ns(&self) -> u64 {
        let first = self.survey.sums.and_then(|sums| sums.first_time_ns);
        let first = first.or_else(|| {
            let text = self.look.state()?.first_ts;
            let time = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
            i64::try_from(time.unix_timestamp_nanos()).ok()
        });
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos();
        let age = first.map(|first| now - i128::from(first));
        age.and_then(|age| u64::try_from(age).ok()).unwrap_or(0)
    }

    /// What its messages take in the stream, as well as it is known without reading them again.
    pub fn bytes(&self) -> u64 {
        let sums = self.survey.sums.map(|sums| sums.bytes);
        let said = self.look.state().map(|state| state.bytes);
        sums.or(said).unwrap_or(self.survey.figures.bytes)
    }
}
