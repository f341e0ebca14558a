//! What can be wrong with an archive or a store.

use std::io;

/// The result of reading an archive.
pub type Result<T, E = ArchiveError> = std::result::Result<T, E>;

/// An archive, or a stream's store, that can't be read as what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file or directory can't be read at all.
    #[error("can't read {what}: {source}")]
    Io {
        /// Which file.
        what: String,
        /// The system's error. Corrupt S2 frames come as one too.
        #[source]
        source: io::Error,
    },

    /// The content ends before it should.
    #[error("{what} is cut off: {detail}")]
    Truncated {
        /// Which part.
        what: String,
        /// What was missing.
        detail: String,
    },

    /// The content is not what the format allows.
    #[error("{what} is damaged: {detail}")]
    Damaged {
        /// Which part.
        what: String,
        /// What is wrong with it.
        detail: String,
    },

    /// The content is sound, but in a form this version does not read yet.
    #[error("{what} can't be read: {detail}")]
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

    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(super) fn damaged(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Damaged {
            what: what.into(),
            detail: detail.into(),
        }
    }

    pub(super) fn truncated(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Truncated {
            what: what.into(),
            detail: detail.into(),
        }
    }
}
