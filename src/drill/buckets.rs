//! Steps with buckets: what their users see, through the client library.

use std::time::Duration;

use bytes::Bytes;
use lifeboat_harness::wait::{Probe, until};

use super::failure::{broken, impossible};
use super::observe::{live, whole_replicas};
use super::steps::Outcome;
use super::world::World;
use crate::ledger::{BucketObject, BucketValue, Event};
use crate::model::Digest;
use crate::scenario::BucketStep;

pub(super) async fn carry_out(world: &World<'_>, step: &BucketStep) -> Outcome {
    match step {
        BucketStep::Read {
            bucket,
            stream,
            within,
        } => read(world, bucket, stream, *within).await,
        BucketStep::PutObjects {
            bucket,
            stream,
            objects,
            bytes,
        } => put_objects(world, bucket, stream, *objects, *bytes).await,
        BucketStep::ReadObjects {
            bucket,
            stream,
            within,
        } => read_objects(world, bucket, stream, *within).await,
    }
}

/// Reads every key of a bucket, once all its replicas hold what its stream had when the step began:
/// any of them may answer, and one that is behind has older values.
async fn read(world: &World<'_>, bucket: &str, stream: &str, within: Duration) -> Outcome {
    world.record(Event::ReadingBucket {
        stream: stream.to_owned(),
    });
    whole(world, stream, within).await?;
    let connection = world.connection().await.map_err(impossible)?;
    // While leaders are elected a reader has no consumer, as any other.
    let entries = until(within, || async {
        let read = connection.read_bucket(bucket).await;
        read.map_or_else(|error| Probe::Pending(error.to_string()), Probe::Ready)
    });
    let entries = entries.await.map_err(broken)?;
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

/// Waits until all replicas that run hold what their leader holds.
async fn whole(world: &World<'_>, stream: &str, within: Duration) -> Outcome {
    let Some(spec) = world.stream(stream) else {
        return Err(impossible(format!("there is no stream {stream}")));
    };
    let whole = until(within, || async {
        match world.cluster().stream_members(stream).await {
            Ok(members) => {
                let running = live(world.cluster(), &members).len();
                whole_replicas(world.cluster(), spec, running).await
            }
            Err(error) => Probe::Pending(error.to_string()),
        }
    });
    whole.await.map_err(broken)
}

/// Puts objects into a bucket, one after the other, each of another content.
async fn put_objects(
    world: &World<'_>,
    bucket: &str,
    stream: &str,
    objects: u64,
    bytes: usize,
) -> Outcome {
    let connection = world.connection().await.map_err(impossible)?;
    for _ in 0..objects {
        let number = world.next_object();
        let name = format!("object-{number}");
        let mut random = fastrand::Rng::with_seed(world.recorder.seed ^ number.rotate_left(32));
        let mut content = vec![0; bytes];
        random.fill(&mut content);
        let content = Bytes::from(content);
        let put = connection.put_object(bucket, &name, &content).await;
        put.map_err(broken)?;
        world.record(Event::ObjectPut {
            stream: stream.to_owned(),
            name,
            content: Digest::of(&content),
        });
    }
    Ok(())
}

/// Reads every object that a bucket lists, once all its replicas are whole: any of them may answer.
async fn read_objects(world: &World<'_>, bucket: &str, stream: &str, within: Duration) -> Outcome {
    whole(world, stream, within).await?;
    let connection = world.connection().await.map_err(impossible)?;
    let mut objects = Vec::new();
    let names = until(within, || async {
        let listed = connection.list_objects(bucket).await;
        listed.map_or_else(|error| Probe::Pending(error.to_string()), Probe::Ready)
    });
    for name in names.await.map_err(broken)? {
        let read = until(within, || async {
            let read = connection.read_object(bucket, &name).await;
            read.map_or_else(|error| Probe::Pending(error.to_string()), Probe::Ready)
        });
        let content = read.await.map(|content| Digest::of(&content));
        let content = content.map_err(|error| error.to_string());
        objects.push(BucketObject { name, content });
    }
    world.note(format!("{} objects of {bucket} were read", objects.len()));
    world.record(Event::ObjectsRead {
        stream: stream.to_owned(),
        objects,
    });
    Ok(())
}
