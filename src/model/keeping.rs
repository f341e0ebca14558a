//! How long a stream keeps its messages, as far as its configuration says.

use serde::{Deserialize, Serialize};

/// What makes a stream drop messages by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// What becomes of a message that consumers have acknowledged.
    pub retention: Retention,
    /// The oldest goes when there are more messages than this.
    pub messages: Option<u64>,
    /// The oldest of a subject goes when there are more of that subject than this.
    #[serde(default)]
    pub per_subject: Option<u64>,
    /// The oldest goes when they take more room than this.
    pub bytes: Option<u64>,
    /// A message goes when it is older than this, in nanoseconds.
    pub age_ns: Option<u64>,
}

/// What becomes of a message that consumers have acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// It stays.
    #[default]
    Limits,
    /// It goes when every consumer has acknowledged it.
    Interest,
    /// It goes when one consumer has acknowledged it.
    WorkQueue,
}

impl Keeping {
    /// Whether messages ever go by themselves.
    pub fn drops(&self) -> bool {
        *self != Self::default()
    }
}
