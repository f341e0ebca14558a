//! What an archive holds, message by message: the view that restores are judged by.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::consumer::Consumer;
use super::defect::{Level, Severity};
use super::error::{ArchiveError, Result};
use super::open::Archive;
use crate::model::{ConsumerPosition, Fingerprint};

/// The generations of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A tar of block files: servers to 2.14 write it, every server restores it.
    Tar,
    /// The message archive (`NATSARC1`): servers from 2.15 on.
    Message,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tar => "block archive (tar)",
            Self::Message => "message archive (NATSARC1)",
        })
    }
}

/// What an archive holds.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Its generation.
    pub form: Form,
    /// The messages by sequence.
    pub messages: BTreeMap<u64, Fingerprint>,
    /// The consumers, in the order of the archive.
    pub consumers: Vec<ConsumerPosition>,
    /// The last sequence in it, which a deleted message may have held.
    pub last_sequence: u64,
    /// The last sequence its index speaks of. In a tar the index may be newer than the blocks:
    /// messages published meanwhile are in it and not in them.
    pub indexed_sequence: u64,
}

impl Contents {
    /// The sequence of the first message; 0 without messages.
    pub fn first_sequence(&self) -> u64 {
        self.messages.keys().next().copied().unwrap_or(0)
    }
}

/// Reads a whole archive and checks it on the way: S2 checksums, its own structure to the very
/// end, the hash of every block record, its counts against what is there.
///
/// # Errors
/// An [`ArchiveError`] at the first thing that is damaged.
pub fn read_archive(path: &Path) -> Result<Contents> {
    let archive = Archive::open(path)?;
    let survey = archive.survey(Level::Content)?;
    if survey.defects.worst() == Some(Severity::Damage)
        && let Some(defect) = survey.defects.first_damage()
    {
        return Err(ArchiveError::Damaged(defect.clone()));
    }
    let mut messages = BTreeMap::new();
    archive.messages(Some(&survey.live), &mut |message| {
        messages.insert(message.sequence, message.to_stored().fingerprint());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Contents {
        form: survey.form,
        messages,
        consumers: survey.consumers.iter().map(Consumer::position).collect(),
        last_sequence: survey.last_sequence,
        indexed_sequence: survey.indexed_sequence,
    })
}
