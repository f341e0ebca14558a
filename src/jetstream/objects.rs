//! Buckets with objects, as applications use them: through the client library's own interface.

use std::fmt::Display;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::object_store::ObjectStore;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{RequestError, Result};

/// How long putting or reading one object may take.
const OBJECT_WITHIN: Duration = Duration::from_secs(30);

impl Connection {
    /// Puts an object into a bucket.
    ///
    /// # Errors
    /// With the client library's words, and when it takes too long.
    pub async fn put_object(&self, bucket: &str, name: &str, content: &Bytes) -> Result<()> {
        let what = format!("the object {name} of the bucket {bucket}");
        within(&what, async {
            let store = self.object_store(bucket).await?;
            let mut content = content.as_ref();
            let put = store.put(name, &mut content).await;
            put.map(|_| ()).map_err(|error| failed(&what, &error))
        })
        .await
    }

    /// The names of a bucket's objects.
    ///
    /// # Errors
    /// With the client library's words, and when it takes too long.
    pub async fn list_objects(&self, bucket: &str) -> Result<Vec<String>> {
        let what = format!("the bucket {bucket}");
        within(&what, async {
            let store = self.object_store(bucket).await?;
            let list = store.list().await.map_err(|error| failed(&what, &error))?;
            list.map_ok(|object| object.name)
                .try_collect()
                .await
                .map_err(|error| failed(&what, &error))
        })
        .await
    }

    /// Reads an object of a bucket to its end, which has the client check its digest.
    ///
    /// # Errors
    /// With the client library's words, and when it takes too long.
    pub async fn read_object(&self, bucket: &str, name: &str) -> Result<Bytes> {
        let what = format!("the object {name} of the bucket {bucket}");
        within(&what, async {
            let store = self.object_store(bucket).await?;
            let object = store.get(name).await;
            let mut object = object.map_err(|error| failed(&what, &error))?;
            let mut content = Vec::new();
            let read = object.read_to_end(&mut content).await;
            read.map_err(|error| failed(&what, &error))?;
            Ok(Bytes::from(content))
        })
        .await
    }

    async fn object_store(&self, bucket: &str) -> Result<ObjectStore> {
        let context = jetstream::with_prefix(self.client().clone(), self.api_prefix());
        let store = context.get_object_store(bucket).await;
        store.map_err(|error| failed(&format!("the bucket {bucket}"), &error))
    }
}

fn failed(what: &str, error: &dyn Display) -> RequestError {
    RequestError::disconnected(what, error)
}

async fn within<T>(what: &str, doing: impl Future<Output = Result<T>>) -> Result<T> {
    let done = timeout(OBJECT_WITHIN, doing).await;
    done.unwrap_or_else(|_| {
        Err(RequestError::TimedOut {
            subject: what.to_owned(),
            within: OBJECT_WITHIN,
        })
    })
}
