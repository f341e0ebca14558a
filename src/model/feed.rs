//! Where a stream's messages come from: publishers, or other streams.

use serde::{Deserialize, Serialize};

/// Where a stream's messages come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    /// Clients publish to it.
    #[default]
    Publishers,
    /// It is a bucket, and clients put objects into it.
    Objects,
    /// It mirrors another stream: the same messages at the same sequences.
    Mirror(String),
    /// It sources other streams: their messages, at sequences of its own.
    Sources(Vec<String>),
}

impl Feed {
    /// The streams that its messages come from.
    pub fn origins(&self) -> &[String] {
        match self {
            Self::Publishers | Self::Objects => &[],
            Self::Mirror(origin) => std::slice::from_ref(origin),
            Self::Sources(origins) => origins,
        }
    }

    /// Whether clients publish to it.
    pub fn is_published(&self) -> bool {
        *self == Self::Publishers
    }
}
