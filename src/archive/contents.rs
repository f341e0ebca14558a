//! What an archive holds, whichever generation it is: the view that restores are judged by.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{ArchiveError, Result};
use super::{frames, message_archive, tar_form};
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

/// Reads a whole archive and checks it on the way: S2 checksums, its own structure to the
/// very end, the hash of every block record.
///
/// # Errors
/// An [`ArchiveError`] at the first thing that is wrong.
pub fn read_archive(path: &Path) -> Result<Contents> {
    let what = path.display().to_string();
    frames::check(path)?;
    let file = File::open(path).map_err(ArchiveError::io(&what))?;
    let mut decoded = minlz::Reader::new(BufReader::new(file));
    let mut magic = Vec::new();
    decoded
        .by_ref()
        .take(message_archive::MAGIC.len() as u64)
        .read_to_end(&mut magic)
        .map_err(ArchiveError::io(&what))?;
    if magic == message_archive::MAGIC {
        message_archive::read(&mut BufReader::new(decoded))
    } else {
        tar_form::read(&mut std::io::Cursor::new(magic).chain(decoded))
    }
}
