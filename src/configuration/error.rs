//! Why a configuration could not be saved or applied.

use std::io;
use std::path::{Path, PathBuf};

use crate::backup::BackupError;
use crate::jetstream::RequestError;
use crate::offline::OfflineError;

/// The result of working with configurations.
pub type Result<T, E = ConfigurationError> = std::result::Result<T, E>;

/// Something that could not be done with configurations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// A file that is no configuration.
    #[error("{}: {field}: {reason}", path.display())]
    NotAConfiguration {
        /// The file.
        path: PathBuf,
        /// The field that is missing or wrong.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file whose content was changed.
    #[error(
        "{}: checksum: it is {said}, that of the configuration in the file is {found}: the file was \
         changed or damaged", path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The checksum in the file.
        said: String,
        /// That of the configuration.
        found: String,
    },
    /// There is nothing to work with.
    #[error("{reason}")]
    NothingToDo {
        /// What was looked for.
        reason: String,
    },
    /// What is there must not be changed, or can't be made. Nothing was done.
    #[error("{}; nothing was changed", reasons.join("; "))]
    Refused {
        /// Every reason.
        reasons: Vec<String>,
    },
    /// A server did not do what it was asked.
    #[error("{doing}: {source}")]
    Request {
        /// What was being done.
        doing: String,
        /// What went wrong.
        #[source]
        source: RequestError,
    },
    /// It stopped halfway.
    #[error("{doing}: {source}{rest}")]
    Stopped {
        /// What was being done.
        doing: String,
        /// What went wrong.
        #[source]
        source: RequestError,
        /// What was done before it and what was not, in words.
        rest: String,
    },
    /// The directory could not be made.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// A stream's data could not be saved.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to which path.
        what: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl ConfigurationError {
    pub(super) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{doing} {}", path.display());
        move |source| Self::Io { what, source }
    }

    pub(super) fn request(doing: impl Into<String>) -> impl FnOnce(RequestError) -> Self {
        let doing = doing.into();
        move |source| Self::Request { doing, source }
    }
}
