//! Steps with buckets: from the verb as written to the step that can be carried out.

use toml::Spanned;

use super::bucket_step::BucketStep;
use super::diagnostic::Diagnostic;
use super::resolve::Resolver;
use super::written_step as written;
use crate::model::{Feed, meant};

type Result<T> = std::result::Result<T, Diagnostic>;

/// What the streams of buckets with keys and values begin with (ADR-8).
const KEY_VALUE: &str = "KV_";
/// What the streams of buckets with objects begin with (ADR-20).
pub(super) const OBJECTS: &str = "OBJ_";
/// More objects than any drill has time to put.
const MOST_OBJECTS: i64 = 10_000;
/// Objects are held in memory while they are put and read.
const MOST_BYTES: usize = 64 << 20;

impl Resolver<'_> {
    pub(super) fn read_bucket(&self, read: &written::ReadBucket) -> Result<BucketStep> {
        Ok(BucketStep::Read {
            stream: self.bucket_stream(&read.bucket, KEY_VALUE)?,
            bucket: read.bucket.get_ref().clone(),
            within: self.pointer.within(read.within.as_ref())?,
        })
    }

    pub(super) fn put_objects(&self, put: &written::PutObjects) -> Result<BucketStep> {
        let objects = self
            .pointer
            .count(&put.objects, 1..=MOST_OBJECTS, "objects")?;
        let bytes = self.pointer.bytes(&put.size)?;
        Ok(BucketStep::PutObjects {
            stream: self.object_stream(&put.bucket)?,
            bucket: put.bucket.get_ref().clone(),
            objects: objects as u64,
            bytes: usize::try_from(bytes)
                .ok()
                .filter(|bytes| *bytes <= MOST_BYTES)
                .ok_or_else(|| self.pointer.value(&put.size, "an object of 64 MiB at most"))?,
        })
    }

    pub(super) fn read_objects(&self, read: &written::ReadBucket) -> Result<BucketStep> {
        Ok(BucketStep::ReadObjects {
            stream: self.object_stream(&read.bucket)?,
            bucket: read.bucket.get_ref().clone(),
            within: self.pointer.within(read.within.as_ref())?,
        })
    }

    /// The stream that a bucket with objects is.
    fn object_stream(&self, bucket: &Spanned<String>) -> Result<String> {
        let stream = self.bucket_stream(bucket, OBJECTS)?;
        if self.feeds.get(&stream) == Some(&Feed::Objects) {
            return Ok(stream);
        }
        let message =
            format!("the load publishes to `{stream}`: say `objects = true` in its [[stream]]");
        Err(self.pointer.value(bucket, message))
    }

    /// The stream that a bucket is.
    fn bucket_stream(&self, bucket: &Spanned<String>, prefix: &str) -> Result<String> {
        let name = self.pointer.word(bucket, "a bucket's name")?;
        let stream = format!("{prefix}{name}");
        if self.streams.contains(&stream) {
            return Ok(stream);
        }
        let buckets = self
            .streams
            .iter()
            .filter_map(|one| one.strip_prefix(prefix));
        let hint = meant(&name, &buckets.collect::<Vec<_>>());
        let message =
            format!("the bucket `{name}` is a stream `{stream}`, and there is none{hint}");
        Err(self.pointer.value(bucket, message))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::resolve::load;

    #[test]
    fn a_bucket_has_to_be_a_stream_of_the_file() {
        let text = |bucket: &str| {
            format!(
                "name = \"x\"\npromise = \"M2\"\nabout = \"x\"\n[[stream]]\nname = \"KV_CONFIG\"\nsubjects = [\"$KV.CONFIG.>\"]\nkeys = 5\n[[step]]\nread_bucket = {{ bucket = \"{bucket}\" }}\n[expect]\nlost = \"nothing\"\n"
            )
        };
        assert!(load(Path::new("x.toml"), &text("CONFIG")).is_ok());
        let objects = |key: &str, step: &str| {
            format!(
                "name = \"x\"\npromise = \"M2\"\nabout = \"x\"\n[[stream]]\nname = \"OBJ_FILES\"\n{key}\n[[step]]\n{step}\n[expect]\nlost = \"nothing\"\n"
            )
        };
        let put = "put_objects = { bucket = \"FILES\", objects = 5, size = \"1MiB\" }";
        for (key, step, expected) in [
            ("objects = true", put, ""),
            (
                "subjects = [\"a\"]",
                put,
                "x.toml:8:26: the load publishes to `OBJ_FILES`",
            ),
            (
                "objects = true",
                "put_objects = { bucket = \"FILES\", objects = 5, size = \"1GiB\" }",
                "x.toml:8:55: an object of 64 MiB at most",
            ),
            (
                "objects = true",
                "publish = { stream = \"OBJ_FILES\", messages = 5 }",
                "x.toml:8:22: nobody publishes to `OBJ_FILES`",
            ),
            (
                "objects = true\nconsumers = [\"c\"]",
                put,
                "x.toml:7:14: a bucket with objects",
            ),
            (
                "objects = true\nsubjects = [\"a\"]",
                put,
                "leave `subjects` out",
            ),
        ] {
            let loaded = load(Path::new("x.toml"), &objects(key, step));
            let message = loaded.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(message.contains(expected), "{key}, {step}: {message}");
            assert_eq!(message.is_empty(), expected.is_empty(), "{message}");
        }
        let message = load(Path::new("x.toml"), &text("CONFG")).unwrap_err();
        assert_eq!(
            message.to_string(),
            "x.toml:9:26: the bucket `CONFG` is a stream `KV_CONFG`, and there is none; did you mean `CONFIG`?"
        );
    }
}
