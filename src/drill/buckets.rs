//! Steps with buckets: what their users see, through the client library.

use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};

use super::failure::{broken, impossible};
use super::observe::{live, whole_replicas};
use super::steps::Outcome;
use super::world::World;
use crate::ledger::{BucketValue, Event};
use crate::model::Digest;
use crate::scenario::BucketStep;

pub(super) async fn carry_out(world: &World<'_>, step: &BucketStep) -> Outcome {
    match step {
        BucketStep::Read {
            bucket,
            stream,
            within,
        } => read(world, bucket, stream, *within).await,
    }
}

/// Reads every key of a bucket, once all its replicas hold what its stream had when the step began:
/// any of them may answer, and one that is behind has older values.
async fn read(world: &World<'_>, bucket: &str, stream: &str, within: Duration) -> Outcome {
    let Some(spec) = world.stream(stream) else {
        return Err(impossible(format!("there is no stream {stream}")));
    };
    world.record(Event::ReadingBucket {
        stream: stream.to_owned(),
    });
    let whole = until(within, || async {
        match world.cluster.stream_members(stream).await {
            Ok(members) => {
                let running = live(world.cluster, &members).len();
                whole_replicas(world.cluster, spec, running).await
            }
            Err(error) => Probe::Pending(error.to_string()),
        }
    });
    whole.await.map_err(broken)?;
    let connection = world.connection().await.map_err(impossible)?;
    let entries = connection.read_bucket(bucket).await.map_err(broken)?;
    world.note(format!("{} keys of {bucket} were read", entries.len()));
    let values = entries.into_iter().map(|entry| BucketValue {
        subject: format!("$KV.{bucket}.{}", entry.key),
        sequence: entry.revision,
        payload: Digest::of(&entry.value),
    });
    world.record(Event::BucketRead {
        stream: stream.to_owned(),
        values: values.collect(),
    });
    Ok(())
}
