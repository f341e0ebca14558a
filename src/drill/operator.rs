//! Steps of operators: upgrades, purges, changes of a configuration, and what is done to groups.

use std::time::Duration;

use futures_util::StreamExt as _;
use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Error as HarnessError, NodeState};
use semver::Version;
use serde_json::{Map, Value};

use super::choice::choose;
use super::clusters::key_of;
use super::failure::{Failure, broken, by_operator, impossible};
use super::faults::{by_launch, chosen};
use super::steps::Outcome;
use super::world::World;
use crate::jetstream::Connection;
use crate::ledger::Event;
use crate::scenario::{Key, NodeChoice};

/// How many messages are deleted at once.
const DELETIONS: usize = 32;
/// How long deleting one message may take, while a leader is elected for instance.
const DELETED_WITHIN: Duration = Duration::from_secs(30);
/// How long a survivor may believe in a meta leader that is gone.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);
/// JetStream's error number for a rescue that is not possible, such as while a leader is known.
const RESCUE_NOT_APPLIED: u32 = 10224;

/// Ends a node's server, if it runs, and starts the node with another.
pub(super) async fn upgrade(
    world: &World<'_>,
    choice: &NodeChoice,
    alias: &str,
    to: &Version,
) -> Outcome {
    let node = chosen(world, choice).await?;
    world.name_node(alias, node.name());
    let server = world.clusters.servers().get_or_find(to).await;
    let server = server.map_err(impossible)?;
    let before = node.binary().map_err(impossible)?.version;
    if node.state().map_err(impossible)? == NodeState::Running {
        node.stop().await.map_err(impossible)?;
    }
    let started = node.start_with(&server).await;
    started.map_err(|error| by_launch(world, error))?;
    world.note(format!("{} runs {to}, and ran {before}", node.name()));
    Ok(())
}

/// Has ended servers find another key of encryption at rest, or none, when they start again.
pub(super) async fn rekey(world: &World<'_>, choices: &[NodeChoice], key: Key) -> Outcome {
    let own = key_of(world.cluster_spec());
    let another = format!("{own}-another");
    let key = match key {
        Key::Own => Some(own.as_str()),
        Key::Another => Some(another.as_str()),
        Key::None => None,
    };
    for choice in choices {
        let node = chosen(world, choice).await?;
        node.set_encryption_key(key).await.map_err(impossible)?;
    }
    Ok(())
}

/// Purges a stream, and writes down below which sequence it is empty then. The leader's word for
/// that is taken only where it fits to what was asked.
pub(super) async fn purge(world: &World<'_>, stream: &str, keep: u64) -> Outcome {
    let connection = world.connection().await.map_err(impossible)?;
    let before = connection
        .stream_info(stream)
        .await
        .map_err(impossible)?
        .state;
    let purged = connection.purge_stream(stream, keep).await;
    let after = connection
        .stream_info(stream)
        .await
        .map_err(impossible)?
        .state;
    // A purge without an answer may have been done all the same.
    if after.first_seq > before.first_seq {
        world.record(Event::Purged {
            stream: stream.to_owned(),
            below: after.first_seq,
        });
    }
    purged.map_err(broken)?;
    let first_left = |last: u64| (last + 1).saturating_sub(keep).max(before.first_seq);
    let (earliest, latest) = (first_left(before.last_seq), first_left(after.last_seq));
    let is_whole = before.messages == (before.last_seq + 1).saturating_sub(before.first_seq);
    world.note(format!("{stream} begins at {} now", after.first_seq));
    if is_whole && !(earliest..=latest).contains(&after.first_seq) {
        return Err(broken(format!(
            "{stream} begins at {} after the purge, expected {earliest} to {latest}",
            after.first_seq
        )));
    }
    Ok(())
}

/// Deletes every n-th of the messages that are there now.
pub(super) async fn delete_messages(world: &World<'_>, stream: &str, every: u64) -> Outcome {
    let connection = world.connection().await.map_err(impossible)?;
    let held = connection
        .held_sequences(stream)
        .await
        .map_err(impossible)?;
    let every = usize::try_from(every).unwrap_or(usize::MAX);
    let chosen: Vec<u64> = held.iter().skip(every - 1).step_by(every).collect();
    if chosen.is_empty() {
        return Err(impossible(format!("{stream} has not so many messages")));
    }
    let mut deleting = futures_util::stream::iter(&chosen)
        .map(|sequence| delete_one(&connection, stream, *sequence))
        .buffer_unordered(DELETIONS);
    let mut sequences = Vec::new();
    let mut outcome = Ok(());
    while let Some(deleted) = deleting.next().await {
        match deleted {
            Ok(sequence) => sequences.push(sequence),
            Err(error) => outcome = Err(error),
        }
    }
    sequences.sort_unstable();
    world.note(format!(
        "{} messages of {stream} are deleted",
        sequences.len()
    ));
    world.record(Event::Removed {
        stream: stream.to_owned(),
        sequences,
    });
    outcome
}

/// Deletes one message, asking again while nobody answers.
async fn delete_one(connection: &Connection, stream: &str, sequence: u64) -> Result<u64, Failure> {
    until(DELETED_WITHIN, || async {
        match connection.delete_message(stream, sequence).await {
            Ok(()) => Probe::Ready(sequence),
            // An earlier try may have done it although its answer was lost.
            Err(error) if error.is_message_not_found() => Probe::Ready(sequence),
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await
    .map_err(|timed_out| broken(format!("sequence {sequence} was not deleted: {timed_out}")))
}

/// Changes fields of a stream's configuration, and sees that the server took them: older ones pass
/// over fields that they do not know.
pub(super) async fn update(
    world: &World<'_>,
    stream: &str,
    changes: &Map<String, Value>,
) -> Outcome {
    let connection = world.connection().await.map_err(impossible)?;
    let config = connection.stream_config(stream).await.map_err(broken)?;
    let Some(mut config) = config else {
        return Err(broken(format!("there is no stream {stream}")));
    };
    config.extend(changes.clone());
    let put = connection.put_stream(stream, &config, false).await;
    let taken = put.map_err(broken)?;
    let is_simple = |value: &Value| !value.is_object() && !value.is_array();
    let mut simple = changes.iter().filter(|(_, value)| is_simple(value));
    let is_taken = |field: &str, value: &Value| {
        let taken = taken.get(field);
        taken == Some(value) || (says_nothing(value) && taken.is_none_or(says_nothing))
    };
    match simple.find(|(field, value)| !is_taken(field, value)) {
        Some((field, value)) => {
            let is = taken.get(field).unwrap_or(&Value::Null);
            Err(broken(format!(
                "{field} is {is} after the update, not {value}"
            )))
        }
        None => Ok(()),
    }
}

/// Whether a value means the same as none: servers leave those out, or answer another of them.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => matches!(number.as_i64(), Some(0 | -1)),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => false,
    }
}

pub(super) async fn stream_peer_remove(
    world: &World<'_>,
    stream: &str,
    choice: &NodeChoice,
) -> Outcome {
    let node = choose(world, choice).await?;
    world.note(format!("{choice} is {node}"));
    let removed = world.cluster().stream_peer_remove(stream, &node).await;
    removed.map_err(by_operator)
}

/// Has a survivor rescue the meta group. It refuses while it believes in a leader, which is waited
/// out unless it is to refuse.
pub(super) async fn meta_rescue(
    world: &World<'_>,
    choice: &NodeChoice,
    quorum: usize,
    fails: bool,
) -> Outcome {
    let node = choose(world, choice).await?;
    let rescued = until(NOTICED_WITHIN, || async {
        match world.cluster().meta_rescue(&node, quorum).await {
            Err(HarnessError::Refused {
                err_code: RESCUE_NOT_APPLIED,
                description,
                ..
            }) if !fails => match world.cluster().meta_leader().await {
                // Another node carried out what this one was asked before.
                Some(leader) => Probe::Ready(Ok(leader)),
                None => Probe::Pending(description),
            },
            answer => Probe::Ready(answer),
        }
    });
    let leader = rescued.await.map_err(broken)?.map_err(by_operator)?;
    world.note(format!("{leader} leads the meta group"));
    Ok(())
}

pub(super) async fn meta_step_down(world: &World<'_>) -> Outcome {
    let leader = world
        .cluster()
        .step_down_meta()
        .await
        .map_err(by_operator)?;
    world.note(format!("{leader} leads the meta group now"));
    Ok(())
}
