//! The last look at replicas that are on no disk, or on one that can't be read: what the leader
//! serves, and how much the others say they hold.

use futures_util::StreamExt as _;

use super::choice::members;
use super::world::World;
use crate::jetstream::read_messages;
use crate::ledger::Event;
use crate::scenario::StreamSpec;

/// Whether a stream's replicas can't be read from disks.
pub(super) fn is_on_no_disk(world: &World<'_>, stream: &StreamSpec) -> bool {
    stream.in_memory || world.cluster_spec().encrypted
}

/// Reads the replicas of a stream while its servers still run.
pub(super) async fn read(world: &World<'_>, stream: &StreamSpec, nodes: &[String]) {
    let name = &stream.name;
    let leader = match members(world, name).await {
        Ok(members) => members.leader,
        Err(failure) => {
            world.note(format!(
                "nobody tells who leads {name}: {}",
                failure.reason()
            ));
            None
        }
    };
    for node in nodes {
        let looked = if Some(node) == leader.as_ref() {
            read_leader(world, name, node).await
        } else {
            count(world, name, node).await
        };
        if let Err(reason) = looked {
            world.record(Event::ReplicaUnreadable {
                stream: name.clone(),
                node: node.clone(),
                reason,
            });
        }
    }
}

/// Reads all that the leader serves.
async fn read_leader(world: &World<'_>, stream: &str, node: &str) -> Result<(), String> {
    let connection = world.connection().await?;
    let held = connection.held_sequences(stream).await;
    let held = held.map_err(|error| error.to_string())?;
    let mut messages = Box::pin(read_messages(&connection, stream, held.iter()));
    let mut count = 0;
    while let Some(message) = messages.next().await {
        let message = match message {
            // One that grew too old meanwhile.
            Err(error) if error.is_message_not_found() => continue,
            message => message.map_err(|error| error.to_string())?,
        };
        count += 1;
        world.record(Event::Held {
            stream: stream.to_owned(),
            node: node.to_owned(),
            message: message.fingerprint(),
        });
    }
    let members = world.cluster().stream_members(stream).await;
    let members = members.map_err(|error| error.to_string())?;
    if members.leader.as_deref() != Some(node) {
        return Err(String::from("it led no longer when all was read"));
    }
    world.record(Event::ReplicaRead {
        stream: stream.to_owned(),
        node: node.to_owned(),
        messages: count,
        defects: Vec::new(),
    });
    Ok(())
}

/// Asks a follower's server how much it holds.
async fn count(world: &World<'_>, stream: &str, node: &str) -> Result<(), String> {
    let monitor = world.cluster().node(node).monitor();
    let monitor = monitor.map_err(|error| error.to_string())?;
    let view = monitor.jetstream().await;
    let view = view.map_err(|error| error.to_string())?;
    let account = &world.cluster().credentials().account;
    let Some(own) = view.stream(account, stream) else {
        return Err(String::from("it says nothing of the stream"));
    };
    world.record(Event::ReplicaCounted {
        stream: stream.to_owned(),
        node: node.to_owned(),
        messages: own.messages,
        first_sequence: own.first_seq,
        last_sequence: own.last_seq,
    });
    Ok(())
}
