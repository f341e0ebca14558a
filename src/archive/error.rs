//! Why an archive or a store can't be read, or not as what it should be.

use std::io;

use super::defect::{Defect, Defects};

/// The result of reading or writing an archive.
pub type Result<T, E = ArchiveError> = std::result::Result<T, E>;

/// An archive, or a stream's store, that can't be read as what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file or directory can't be read or written at all.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to which file.
        what: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },

    /// It is damaged; this is the first thing that is wrong with it.
    #[error("damaged: {0}")]
    Damaged(Defect),

    /// The content is sound for all we know, but in a form this version does not read or write.
    #[error("{what} is not supported: {detail}")]
    Unsupported {
        /// Which part.
        what: String,
        /// What is not supported.
        detail: String,
    },
}

impl ArchiveError {
    /// Whether it says nothing of the archive, only of what we can read.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::Io { .. })
    }

    /// The operating system's error while doing something to a file.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(super) fn unsupported(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Unsupported {
            what: what.into(),
            detail: detail.into(),
        }
    }
}

impl Defects {
    /// Whether none of them is damage.
    ///
    /// # Errors
    /// With the first that is.
    pub fn check(&self) -> Result<()> {
        match self.first_damage() {
            Some(defect) => Err(ArchiveError::Damaged(defect.clone())),
            None => Ok(()),
        }
    }
}
