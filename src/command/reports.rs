//! Reports in files: whether they can be written is known before the work, not after.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use super::Failure;
use crate::cli::Reports;
use crate::exit::Exit;

/// The files, ready to be written.
pub(super) struct ReportFiles {
    junit: Option<File>,
    markdown: Option<File>,
    metrics: Option<(NamedTempFile, std::path::PathBuf)>,
}

/// What reports say.
pub(super) struct Texts {
    pub(super) junit: Result<String, quick_junit::SerializeError>,
    pub(super) markdown: String,
    pub(super) metrics: Result<String, std::fmt::Error>,
}

impl ReportFiles {
    /// Makes the files that were asked for.
    pub(super) fn create(reports: &Reports) -> Result<Self, Failure> {
        let appended = |path: &Path| {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened.map_err(|error| unwritable(path, &error))
        };
        let created = |path: &Path| File::create(path).map_err(|error| unwritable(path, &error));
        Ok(Self {
            junit: reports.junit.as_deref().map(created).transpose()?,
            markdown: reports.markdown.as_deref().map(appended).transpose()?,
            metrics: match &reports.metrics {
                Some(path) => Some((beside(path)?, path.clone())),
                None => None,
            },
        })
    }

    /// Makes the file of metrics alone, where the others have their places.
    pub(super) fn metrics(path: Option<&Path>) -> Result<Self, Failure> {
        Self::create(&Reports {
            metrics: path.map(Path::to_owned),
            ..Reports::default()
        })
    }

    /// Writes what was asked for.
    pub(super) fn write(self, texts: impl FnOnce() -> Texts) -> Result<(), Failure> {
        let Self {
            junit,
            markdown,
            metrics,
        } = self;
        if junit.is_none() && markdown.is_none() && metrics.is_none() {
            return Ok(());
        }
        let texts = texts();
        let unexpected =
            |error: &dyn std::error::Error| Failure::new(Exit::Unexpected, error.to_string());
        if let Some(mut file) = junit {
            let text = texts.junit.map_err(|error| unexpected(&error))?;
            file.write_all(text.as_bytes())?;
        }
        if let Some(mut file) = markdown {
            file.write_all(texts.markdown.as_bytes())?;
        }
        if let Some((mut file, path)) = metrics {
            let text = texts.metrics.map_err(|error| unexpected(&error))?;
            let written = file.write_all(text.as_bytes());
            written.map_err(|error| unwritable(&path, &error))?;
            persist(file, &path)?;
        }
        Ok(())
    }
}

/// Writes a file of which there is never a part.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = beside(path)?;
    let written = file.write_all(text.as_bytes());
    written.map_err(|error| unwritable(path, &error))?;
    persist(file, path)
}

/// Gives a file its name: who reads it reads all of it, or all of the one before.
fn persist(file: NamedTempFile, path: &Path) -> Result<(), Failure> {
    file.persist(path)
        .map_err(|error| unwritable(path, &error.error))?;
    Ok(())
}

/// A file in the same directory, which takes a name at the end.
pub(super) fn beside(path: &Path) -> Result<NamedTempFile, Failure> {
    if path.is_dir() {
        return Err(unwritable(path, &std::io::ErrorKind::IsADirectory.into()));
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    // The umask takes from these what it takes from every file.
    Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent.unwrap_or(Path::new(".")))
        // The error names the file that was to become this one.
        .map_err(|error| unwritable(path, &error.kind().into()))
}

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let text = format!("can't write {}: {error}", path.display());
    Failure::new(Exit::Usage, text)
}
