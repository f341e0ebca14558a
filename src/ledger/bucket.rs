//! What clients see of buckets.

use serde::{Deserialize, Serialize};

use crate::model::Digest;

/// The value of a bucket's key, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketValue {
    /// The key's subject.
    pub subject: String,
    /// The value's revision, which is its sequence in the stream.
    pub sequence: u64,
    /// Digest of the value.
    pub payload: Digest,
}

/// An object of a bucket, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketObject {
    /// Its name.
    pub name: String,
    /// Digest of its content, or why that could not be read.
    pub content: Result<Digest, String>,
}
