//! Steps with buckets: from the verb as written to the step that can be carried out.

use toml::Spanned;

use super::bucket_step::BucketStep;
use super::diagnostic::{Diagnostic, meant};
use super::resolve::Resolver;
use super::written_step as written;

type Result<T> = std::result::Result<T, Diagnostic>;

/// What the streams of buckets with keys and values begin with (ADR-8).
const KEY_VALUE: &str = "KV_";

impl Resolver<'_> {
    pub(super) fn read_bucket(&self, read: &written::ReadBucket) -> Result<BucketStep> {
        Ok(BucketStep::Read {
            stream: self.bucket_stream(&read.bucket, KEY_VALUE)?,
            bucket: read.bucket.get_ref().clone(),
            within: self.pointer.within(read.within.as_ref())?,
        })
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
        let message = load(Path::new("x.toml"), &text("CONFG")).unwrap_err();
        assert_eq!(
            message.to_string(),
            "x.toml:9:26: the bucket `CONFG` is a stream `KV_CONFG`, and there is none; did you mean `CONFIG`?"
        );
    }
}
