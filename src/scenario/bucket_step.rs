//! Steps through the clients' own view of streams: buckets of keys and values, and of objects.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Something done with a bucket, as its users do it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields say what they are, as in the file")]
pub enum BucketStep {
    /// Read every key of a bucket.
    Read {
        bucket: String,
        /// The stream that it is.
        stream: String,
        within: Duration,
    },
    /// Put so many objects of a size into a bucket.
    PutObjects {
        bucket: String,
        /// The stream that it is.
        stream: String,
        objects: u64,
        bytes: usize,
    },
    /// Read every object of a bucket.
    ReadObjects {
        bucket: String,
        /// The stream that it is.
        stream: String,
        within: Duration,
    },
}

impl fmt::Display for BucketStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { bucket, .. } => write!(f, "read every key of the bucket {bucket}"),
            Self::PutObjects {
                bucket,
                objects,
                bytes,
                ..
            } => write!(
                f,
                "put {objects} objects of {bytes} bytes into the bucket {bucket}"
            ),
            Self::ReadObjects { bucket, .. } => {
                write!(f, "read every object of the bucket {bucket}")
            }
        }
    }
}
