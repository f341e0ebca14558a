//! Whether a mirror, or a stream with sources, has caught up with its origins. Looked for in what both
//! hold: what servers say of the lag is zero as well where nothing flows any more.

use lifeboat_harness::wait::Probe;

use super::observe::whole_replicas;
use super::world::World;
use crate::jetstream::{Connection, RequestError};
use crate::model::StoredMessage;
use crate::scenario::StreamSpec;

/// Whether a stream is whole: so many replicas hold all of it, and it holds what its origins held a
/// moment before.
pub(super) async fn whole(world: &World<'_>, stream: &StreamSpec, wanted: usize) -> Probe<()> {
    match whole_replicas(world.cluster(), stream, wanted).await {
        Probe::Ready(()) if !stream.feed.is_published() => caught_up(world, stream).await,
        probe @ (Probe::Ready(()) | Probe::Pending(_)) => probe,
    }
}

/// Whether a stream holds what its origins held a moment before.
pub(super) async fn caught_up(world: &World<'_>, stream: &StreamSpec) -> Probe<()> {
    let connection = match world.connection().await {
        Ok(connection) => connection,
        Err(reason) => return Probe::Pending(reason),
    };
    for origin in stream.feed.origins() {
        match gap(world, &connection, stream, origin).await {
            Ok(None) => {}
            Ok(Some(seen)) => return Probe::Pending(seen),
            Err(error) => return Probe::Pending(error.to_string()),
        }
    }
    Probe::Ready(())
}

/// What keeps a stream from having caught up with one origin, if anything does.
async fn gap(
    world: &World<'_>,
    connection: &Connection,
    stream: &StreamSpec,
    origin: &str,
) -> Result<Option<String>, RequestError> {
    let name = &stream.name;
    let Some(subject) = world.stream(origin).and_then(pattern) else {
        return Ok(None);
    };
    let last = match connection.last_message(origin, subject).await {
        // There is nothing to catch up with.
        Err(error) if error.is_stream_not_found() => return Ok(None),
        answer => answer?,
    };
    let Some(last) = last else { return Ok(None) };
    let Some(own) = connection.last_message(name, subject).await? else {
        return Ok(Some(format!("{name} has nothing of {origin}")));
    };
    let at = place_in_origin(&own);
    if at < last.sequence {
        return Ok(Some(format!(
            "{name} has {origin} up to {at}, which goes to {}",
            last.sequence
        )));
    }
    // Where the origin was set back, its sequences mean other messages now.
    let there = connection.message_at(origin, at).await?;
    let is_same = there.is_some_and(|there| there.id() == own.id());
    Ok((!is_same).then(|| {
        format!(
            "{name} has {} of {origin} at {at}, and {origin} does not",
            own.id()
        )
    }))
}

/// The pattern the load's subjects are of.
fn pattern(origin: &StreamSpec) -> Option<&str> {
    origin.config.get("subjects")?.get(0)?.as_str()
}

/// At which sequence the origin has a message: what is sourced says it in a header, and a mirror has it
/// at the same.
fn place_in_origin(message: &StoredMessage) -> u64 {
    let said = message.header("Nats-Stream-Source");
    // The stream's name and, after a space, the sequence there.
    let sequence = said.and_then(|said| said.split(' ').nth(1));
    sequence
        .and_then(|sequence| sequence.parse().ok())
        .unwrap_or(message.sequence)
}
