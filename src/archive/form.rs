//! The two generations of archives.

use std::fmt;

use serde::{Deserialize, Serialize};

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
