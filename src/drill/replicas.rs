//! The last look: what every replica really holds, read from the disks of stopped servers.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Error as HarnessError, NodeState, StoreArea};

use serde_json::Value;

use super::catch_up;
use super::observe::{copies, live};
use super::world::World;
use crate::archive::{StreamDirectory, read_stream_directory};
use crate::ledger::Event;
use crate::model::ConsumerPosition;
use crate::scenario::StreamSpec;

/// How long a consumer may make no progress, and replicas may take to become equal.
const SETTLED_WITHIN: Duration = Duration::from_secs(45);
/// How often a consumer that makes progress is given that time again.
const MOST_ROUNDS: usize = 20;
/// JetStream's error number for a stream that does not exist.
const STREAM_NOT_FOUND: u32 = 10059;

/// Lets consumers finish, and writes down where each stands.
pub(super) async fn drain(world: &World<'_>) {
    // What a mirror has yet to get, its consumers have yet to be given.
    let derived = world.scenario.streams.iter();
    for stream in derived.filter(|stream| !stream.feed.is_published()) {
        let caught_up = until(SETTLED_WITHIN, || catch_up::caught_up(world, stream)).await;
        if let Err(timed_out) = caught_up {
            world.note(format!("{} never caught up: {timed_out}", stream.name));
        }
    }
    // All at once: one that hangs with its leader takes its time, and the others must not wait for it.
    let consumers = world.scenario.streams.iter().flat_map(|stream| {
        let names = stream.consumers.iter();
        names.map(move |name| (stream.name.as_str(), name.as_str()))
    });
    let drained = consumers.map(async |(stream, name)| {
        let drained = drain_one(world, stream, name).await;
        (stream, name, drained)
    });
    for (stream, name, drained) in join_all(drained).await {
        match drained {
            Ok((position, undelivered)) => world.record(Event::Position {
                stream: stream.to_owned(),
                position,
                undelivered,
            }),
            Err(reason) => world.note(format!("{name} of {stream}: {reason}")),
        }
    }
}

/// Waits for one consumer for as long as it makes progress; where it stands then, and how
/// many messages it has yet to deliver.
async fn drain_one(
    world: &World<'_>,
    stream: &str,
    name: &str,
) -> Result<(ConsumerPosition, u64), String> {
    let connection = world.connection().await?;
    let consumer = connection.consumer(stream, name);
    let mut stood_at = None;
    for _ in 0..MOST_ROUNDS {
        let drained = until(SETTLED_WITHIN, || async {
            let asked = connection.stream_info(stream).await;
            match (asked, consumer.position().await) {
                (Ok(info), Ok((position, unacknowledged, undelivered))) => {
                    // A consumer that has just been assigned says for a moment that it has
                    // nothing to do, so it must also stand at the end of its stream.
                    let (floor, last) = (position.ack_floor.stream, info.state.last_seq);
                    if unacknowledged + undelivered == 0 && floor >= last {
                        return Probe::Ready(position);
                    }
                    Probe::Pending(format!(
                        "{undelivered} undelivered, {unacknowledged} unacknowledged, ack floor at {floor} of {last}"
                    ))
                }
                (Err(error), _) | (_, Err(error)) => Probe::Pending(error.to_string()),
            }
        })
        .await;
        let timed_out = match drained {
            Ok(position) => return Ok((position, 0)),
            Err(timed_out) => timed_out,
        };
        let (position, _, undelivered) = consumer
            .position()
            .await
            .map_err(|error| error.to_string())?;
        if stood_at.replace(position.ack_floor) == Some(position.ack_floor) {
            world.note(format!("{name} of {stream} never finished: {timed_out}"));
            return Ok((position, undelivered));
        }
    }
    Err(String::from("it was still busy when the drill gave it up"))
}

/// Who holds each stream at the end. Replicas get the time to become equal; when they don't,
/// the judges will see it by their content.
pub(super) async fn settle(world: &World<'_>) -> Vec<(StreamSpec, Vec<String>)> {
    let mut holders = Vec::new();
    for stream in &world.scenario.streams {
        let name = &stream.name;
        let settled = until(SETTLED_WITHIN, || {
            catch_up::whole(world, stream, stream.replicas)
        })
        .await;
        if let Err(timed_out) = settled {
            world.note(format!(
                "the replicas of {name} did not settle: {timed_out}"
            ));
        }
        bounds(world, name).await;
        let copies = copies(world.cluster(), name).await.unwrap_or_default();
        let members = match world.cluster().stream_members(name).await {
            Ok(members) => live(world.cluster(), &members),
            Err(HarnessError::Refused { err_code, .. }) if err_code == STREAM_NOT_FOUND => {
                world.record(Event::StreamGone {
                    stream: name.clone(),
                });
                Vec::new()
            }
            Err(error) => {
                world.note(format!("nobody tells who holds {name}: {error}"));
                copies.clone()
            }
        };
        let strays: Vec<_> = copies
            .into_iter()
            .filter(|node| !members.contains(node))
            .collect();
        if !strays.is_empty() {
            let strays = strays.join(", ");
            world.note(format!("{strays} hold copies of {name} and are no members"));
        }
        holders.push((stream.clone(), members));
    }
    holders
}

/// Writes down where a stream begins and ends, as its leader says: what it dropped by itself is
/// below.
async fn bounds(world: &World<'_>, stream: &str) {
    let asked = match world.connection().await {
        Ok(connection) => connection.stream_info(stream).await,
        Err(reason) => return world.note(reason),
    };
    // A stream without a leader has no bounds; why, is told elsewhere.
    if let Ok(info) = asked {
        world.record(Event::Bounds {
            stream: stream.to_owned(),
            first_sequence: info.state.first_seq,
            last_sequence: info.state.last_seq,
        });
    }
}

/// Reads every replica of every stream from its stopped node.
pub(super) async fn read(world: &World<'_>, holders: Vec<(StreamSpec, Vec<String>)>) {
    for (stream, nodes) in holders {
        for node in nodes {
            match read_one(world, &stream, &node).await {
                Ok((directory, more)) => write_down(world, &stream.name, &node, directory, more),
                Err(reason) => {
                    let stream = stream.name.clone();
                    world.record(Event::ReplicaUnreadable {
                        stream,
                        node,
                        reason,
                    });
                }
            }
        }
    }
}

/// A replica's directory, and what else is wrong with it.
async fn read_one(
    world: &World<'_>,
    spec: &StreamSpec,
    node: &str,
) -> Result<(StreamDirectory, Option<String>), String> {
    let stream = &spec.name;
    let handle = world.cluster().node(node);
    let state = handle.state().map_err(|error| error.to_string())?;
    if state != NodeState::Stopped {
        return Err(format!("the node is still {state}"));
    }
    let area = StoreArea::Stream {
        account: world.cluster().credentials().account.clone(),
        stream: stream.clone(),
    };
    let target = world.evidence.store(stream, node);
    let copied = handle.copy_store(&area, &target).await;
    if !copied.map_err(|error| error.to_string())? {
        // A member without any copy is a replica that holds nothing.
        return Ok((StreamDirectory::default(), None));
    }
    let config = spec.config.clone();
    // What can't be read here is an error, and no damage there.
    tokio::task::spawn_blocking(move || {
        let more = name_stream(&target, &config).map_err(|error| error.to_string())?;
        let directory = read_stream_directory(&target).map_err(|error| error.to_string())?;
        Ok((directory, more))
    })
    .await
    .map_err(|error| error.to_string())?
}

/// Has the copy of a stream's directory tell the stream's name, by which its messages are checked,
/// where the configuration in it does not; what is wrong with that, if anything is.
fn name_stream(copy: &Path, config: &Value) -> io::Result<Option<String>> {
    let path = copy.join("meta.inf");
    let own = match fs::read(&path) {
        Ok(own) => own,
        // What is not there at all is told by the reader.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let wrong = match serde_json::from_slice::<Value>(&own) {
        Ok(own) if own.get("name") == config.get("name") => return Ok(None),
        Ok(_) => String::from("it tells another name"),
        Err(error) => error.to_string(),
    };
    // What was found there is evidence.
    fs::rename(&path, copy.join("meta.inf.found"))?;
    fs::write(&path, config.to_string())?;
    Ok(Some(format!("meta.inf: {wrong}")))
}

fn write_down(
    world: &World<'_>,
    stream: &str,
    node: &str,
    directory: StreamDirectory,
    more: Option<String>,
) {
    let defects = directory.defects.iter().map(ToString::to_string);
    let defects = more.into_iter().chain(defects).collect();
    let messages = directory.messages.len() as u64;
    for message in directory.messages {
        world.record(Event::Held {
            stream: stream.to_owned(),
            node: node.to_owned(),
            message,
        });
    }
    world.record(Event::ReplicaRead {
        stream: stream.to_owned(),
        node: node.to_owned(),
        messages,
        defects,
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_that_can_not_be_read_is_told_and_replaced() {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("meta.inf");
        let config = json!({ "name": "S", "subjects": ["s"] });
        assert_eq!(name_stream(copy.path(), &config).unwrap(), None);
        for (own, told) in [
            (&br#"{"name":"S","num_replicas":1}"#[..], false),
            (br#"{"name":"R"}"#, true),
            (b"{\"name\":\"\xff\"}", true),
        ] {
            fs::write(&path, own).unwrap();
            assert_eq!(name_stream(copy.path(), &config).unwrap().is_some(), told);
            let left: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(left["name"], "S");
        }
    }
}
