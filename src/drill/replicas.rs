//! The last look: what every replica really holds, read from the disks of stopped servers.

use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{NodeState, StoreArea};

use super::observe::{copies, live, whole_replicas};
use super::world::World;
use crate::archive::{StreamDirectory, read_stream_directory};
use crate::ledger::Event;
use crate::scenario::StreamSpec;

/// How long consumers may take to finish what is left, and replicas to become equal.
const SETTLED_WITHIN: Duration = Duration::from_secs(45);

/// Lets consumers finish, and writes down where each stands.
pub(super) async fn drain(world: &World<'_>) {
    for stream in &world.scenario.streams {
        for name in &stream.consumers {
            let consumer = world.recorder.connection.consumer(&stream.name, name);
            let drained = until(SETTLED_WITHIN, || async {
                // A consumer that has just been assigned says for a moment that it has nothing
                // to do, so it must also stand at the end of its stream.
                let asked = world.recorder.connection.stream_info(&stream.name).await;
                match (asked, consumer.position().await) {
                    (Ok(info), Ok((position, unacknowledged, undelivered))) => {
                        let (floor, last) = (position.ack_floor.stream, info.state.last_seq);
                        if unacknowledged + undelivered == 0 && floor >= last {
                            return Probe::Ready(());
                        }
                        Probe::Pending(format!(
                            "{undelivered} undelivered, {unacknowledged} unacknowledged, ack floor at {floor} of {last}"
                        ))
                    }
                    (Err(error), _) | (_, Err(error)) => Probe::Pending(error.to_string()),
                }
            })
            .await;
            if let Err(timed_out) = drained {
                world.note(format!(
                    "{name} of {} never finished: {timed_out}",
                    stream.name
                ));
            }
            match consumer.position().await {
                Ok((position, _, undelivered)) => world.record(Event::Position {
                    stream: stream.name.clone(),
                    position,
                    undelivered,
                }),
                Err(error) => world.note(format!("{name} of {}: {error}", stream.name)),
            }
        }
    }
}

/// Who holds each stream at the end. Replicas get the time to become equal; when they don't,
/// the judges will see it by their content.
pub(super) async fn settle(world: &World<'_>) -> Vec<(StreamSpec, Vec<String>)> {
    let mut holders = Vec::new();
    for stream in &world.scenario.streams {
        let name = &stream.name;
        let wanted = world.scenario.expect.replicas;
        let settled = until(SETTLED_WITHIN, || {
            whole_replicas(world.cluster, name, wanted)
        })
        .await;
        if let Err(timed_out) = settled {
            world.note(format!(
                "the replicas of {name} did not settle: {timed_out}"
            ));
        }
        let members = match world.cluster.stream_members(name).await {
            Ok(members) => live(world.cluster, &members),
            Err(error) => {
                world.note(format!("nobody tells who holds {name}: {error}"));
                copies(world.cluster, name).await
            }
        };
        let mut strays = copies(world.cluster, name).await;
        strays.retain(|node| !members.contains(node));
        if !strays.is_empty() {
            world.note(format!(
                "{} hold copies of {name} and are no members",
                strays.join(", ")
            ));
        }
        holders.push((stream.clone(), members));
    }
    holders
}

/// Reads every replica of every stream from its stopped node.
pub(super) async fn read(world: &World<'_>, holders: Vec<(StreamSpec, Vec<String>)>) {
    for (stream, nodes) in holders {
        for node in nodes {
            match read_one(world, &stream.name, &node).await {
                Ok(directory) => write_down(world, &stream.name, &node, directory),
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

async fn read_one(world: &World<'_>, stream: &str, node: &str) -> Result<StreamDirectory, String> {
    let handle = world.cluster.node(node);
    let state = handle.state().map_err(|error| error.to_string())?;
    if state != NodeState::Stopped {
        return Err(format!("the node is still {state}"));
    }
    let area = StoreArea::Stream {
        account: world.cluster.credentials().account.clone(),
        stream: stream.to_owned(),
    };
    let target = world.evidence.store(stream, node);
    let copied = handle.copy_store(&area, &target).await;
    if !copied.map_err(|error| error.to_string())? {
        return Err(String::from("its store has no such stream"));
    }
    let name = stream.to_owned();
    tokio::task::spawn_blocking(move || read_stream_directory(&target, &name))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

fn write_down(world: &World<'_>, stream: &str, node: &str, directory: StreamDirectory) {
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
        defects: directory.defects.iter().map(ToString::to_string).collect(),
    });
}
