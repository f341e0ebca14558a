//! Backups and restores that go on while other steps are carried out: begun, ended, or given up by
//! whoever began them.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::step::RestoreChanges;

/// Something done to a backup or restore that runs beside the steps.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields say what they are, as in the file")]
pub enum TransferStep {
    /// Begin a backup; the step ends when content comes.
    BeginBackup {
        stream: String,
        name: String,
        slow: bool,
    },
    /// Wait until a backup is taken.
    EndBackup {
        name: String,
        within: Duration,
        fails: bool,
    },
    /// Begin a restore; the step ends when content is sent.
    BeginRestore {
        backup: String,
        changes: RestoreChanges,
        slow: bool,
    },
    /// Wait until a restore is done and compared.
    EndRestore {
        backup: String,
        within: Duration,
        fails: bool,
    },
    /// Have the client of a backup or restore vanish.
    Abandon { backup: String },
}

impl TransferStep {
    /// Whether the servers are to refuse it.
    pub fn is_to_fail(&self) -> bool {
        match self {
            Self::EndBackup { fails, .. } | Self::EndRestore { fails, .. } => *fails,
            Self::BeginBackup { .. } | Self::BeginRestore { .. } | Self::Abandon { .. } => false,
        }
    }
}

impl fmt::Display for TransferStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeginBackup { stream, .. } => write!(f, "begin to back {stream} up"),
            Self::EndBackup { name, .. } => write!(f, "wait for backup `{name}`"),
            Self::BeginRestore {
                backup, changes, ..
            } => write!(f, "begin to restore from backup `{backup}`{changes}"),
            Self::EndRestore { backup, .. } => {
                write!(f, "wait for the restore from backup `{backup}`")
            }
            Self::Abandon { backup } => {
                write!(f, "have the client of backup `{backup}` vanish")
            }
        }
    }
}
