//! Buckets of keys and values, read as applications read them: through the client library's own
//! interface, whatever it makes of the stream.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{RequestError, Result};

/// How long reading one bucket may take.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// How many keys are read at once.
const IN_FLIGHT: usize = 16;

/// A key of a bucket, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEntry {
    /// The key.
    pub key: String,
    /// Which value of the bucket it is: the sequence in its stream.
    pub revision: u64,
    /// The value.
    pub value: Bytes,
}

impl Connection {
    /// Reads every key that a bucket lists, and the value of each.
    ///
    /// # Errors
    /// With the client library's words, and when it takes too long.
    pub async fn read_bucket(&self, bucket: &str) -> Result<Vec<BucketEntry>> {
        let what = format!("the bucket {bucket}");
        let context = jetstream::with_prefix(self.client().clone(), self.api_prefix());
        let reading = async {
            let failed = |error: &dyn std::fmt::Display| RequestError::disconnected(&what, error);
            let store = context
                .get_key_value(bucket)
                .await
                .map_err(|error| failed(&error))?;
            let keys = store.keys().await.map_err(|error| failed(&error))?;
            // A key that is written meanwhile is listed again.
            let keys: BTreeSet<String> =
                keys.try_collect().await.map_err(|error| failed(&error))?;
            let entries = futures_util::stream::iter(keys)
                .map(|key| store.entry(key))
                .buffered(IN_FLIGHT)
                .try_collect::<Vec<_>>();
            let entries = entries.await.map_err(|error| failed(&error))?;
            Ok(entries)
        };
        let read = timeout(READ_WITHIN, reading).await;
        let timed_out = |_| RequestError::TimedOut {
            subject: what.clone(),
            within: READ_WITHIN,
        };
        let entries = read.map_err(timed_out)??;
        // A key that was deleted since it was listed has no entry.
        let entries = entries.into_iter().flatten();
        Ok(entries
            .map(|entry| BucketEntry {
                key: entry.key,
                revision: entry.revision,
                value: entry.value,
            })
            .collect())
    }
}
