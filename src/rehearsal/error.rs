//! Why a rehearsal could not even begin. Everything that goes wrong later is part of its verdict.

use std::io;
use std::path::{Path, PathBuf};

use lifeboat_harness::Error as HarnessError;

use crate::offline::OfflineError;

/// A rehearsal that could not begin, or be written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RehearsalError {
    /// There is no backup, or it can't be read.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// Nothing of it was asked for.
    #[error("no stream that is asked for is in {}", path.display())]
    NothingToDo {
        /// The backup.
        path: PathBuf,
    },
    /// The disk has no room for what would be restored.
    #[error(
        "restoring it takes {needed} bytes on the disk of {}, which has {free} left; rehearse a part of \
         it (--sample, --include), fewer replicas (--replicas), or point TMPDIR elsewhere",
        path.display()
    )]
    NoRoom {
        /// Where the cluster would be.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that there are.
        free: u64,
    },
    /// The cluster did not start.
    #[error("the throwaway cluster did not start: {0}")]
    Cluster(#[from] HarnessError),
    /// The cluster runs and can't be talked to.
    #[error("the throwaway cluster can't be connected to: {0}")]
    Connection(String),
    /// The directory of the run.
    #[error("can't write evidence to {}: {source}", path.display())]
    Evidence {
        /// The path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl From<(PathBuf, io::Error)> for RehearsalError {
    /// A directory of a run that could not be made.
    fn from((path, source): (PathBuf, io::Error)) -> Self {
        Self::Evidence { path, source }
    }
}

impl RehearsalError {
    pub(super) fn evidence(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Evidence { path, source }
    }
}
