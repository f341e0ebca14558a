//! Why something could not be done with a backup.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::ArchiveError;

/// The result of working with a backup.
pub type Result<T, E = OfflineError> = std::result::Result<T, E>;

/// Something that could not be done with a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineError {
    /// What should be made is there already.
    #[error("{} exists already, and nothing is ever overwritten", path.display())]
    TargetExists {
        /// It.
        path: PathBuf,
    },
    /// There is nothing.
    #[error("there is nothing at {}", path.display())]
    NotThere {
        /// Where.
        path: PathBuf,
    },
    /// It is not a backup, or not a whole one.
    #[error("{} is not a whole backup: {reason}", path.display())]
    NotABackup {
        /// What was looked at.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The stream's configuration is needed, and nothing tells it.
    #[error(
        "{} does not tell the stream's configuration, which a message archive lacks; \
         name a file with it (--config)", path.display()
    )]
    NoConfiguration {
        /// What was looked at.
        path: PathBuf,
    },
    /// A memory stream in block form.
    #[error(
        "stream {name} is kept in memory: servers restore a block archive of it without its \
         messages; keep it in files (--storage file)"
    )]
    InMemory {
        /// The stream.
        name: String,
    },
    /// The data directory is not one that a stream can be put into.
    #[error("{} is not to be touched: {reason}", path.display())]
    Refused {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What was written is not what was read.
    #[error("what was written is not what the backup holds: {difference}")]
    Differs {
        /// The difference.
        difference: String,
    },
    /// An argument that makes no sense.
    #[error("{what}: {reason}")]
    Argument {
        /// Which.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The archive itself.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
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

impl OfflineError {
    pub(super) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{doing} {}", path.display());
        move |source| Self::Io { what, source }
    }
}
