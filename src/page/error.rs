//! Why there is no page.

use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::LedgerError;
use crate::matrix::ResultsError;

/// No page can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// There is nothing to make one of.
    #[error(
        "{}: neither a drill's run (ledger.jsonl), nor a rehearsal (rehearsal.json), nor a matrix (matrix.json){hint}",
        path.display()
    )]
    NoEvidence {
        /// What was named.
        path: PathBuf,
        /// What may have been meant.
        hint: String,
    },
    /// A file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file is not what its name says. The source tells the line, and the field where it is one.
    #[error("{}: this is no {what}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A matrix's runs.
    #[error(transparent)]
    Results(#[from] ResultsError),
}

impl PageError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
