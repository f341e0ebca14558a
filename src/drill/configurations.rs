//! Steps with configurations as files: saved, perhaps with a stream's data, and applied elsewhere.

use std::path::Path;
use std::sync::Arc;

use super::failure::{Failure, broken, impossible};
use super::steps::Outcome;
use super::world::World;
use crate::archive::{Level, Survey};
use crate::configuration::{
    Applied, ConfigurationError, Plan, SaveOptions, SavedConfiguration, apply, read, save,
};
use crate::jetstream::Connection;
use crate::ledger::Event;
use crate::offline::Look;

/// Saves the configurations of all streams and consumers, and the data of one stream, which can be
/// restored from then on as a backup of that name.
pub(super) async fn save_config(world: &World<'_>, name: &str, data: Option<&str>) -> Outcome {
    let target = world.evidence.backup(name);
    let connection = world.connection().await.map_err(impossible)?;
    let options = SaveOptions {
        data: data.is_some(),
        ..SaveOptions::default()
    };
    let saved = save(&connection, &target, &options, Arc::new(())).await;
    let saved = saved.map_err(broken)?;
    if let Some(lack) = saved.lacks.first() {
        return Err(broken(lack));
    }
    world.note(format!(
        "{} streams and {} consumers saved",
        saved.streams.len(),
        saved.consumers.len()
    ));
    let Some(stream) = data else { return Ok(()) };
    let packed = saved.data.iter().find(|packed| packed.stream == stream);
    let Some(packed) = packed else {
        return Err(broken(format!("the data of {stream} was not saved")));
    };
    let path = target.join(&packed.file);
    let survey = look_into(&path).await?;
    world.note(format!(
        "{} messages up to sequence {}, {} bytes",
        packed.messages, survey.last_sequence, packed.bytes
    ));
    world.name_backup(name, stream, path);
    world.record(Event::BackedUp {
        stream: stream.to_owned(),
        backup: name.to_owned(),
        messages: packed.messages,
        // Sequences beyond it were given while the archive was made, to messages that are not in it.
        last_sequence: survey.live.last().unwrap_or_default(),
        consumers: survey.consumers.iter().map(|one| one.position()).collect(),
    });
    Ok(())
}

/// What the file with a stream's data holds, by which losses will be judged.
async fn look_into(path: &Path) -> Result<Survey, Failure> {
    let path = path.to_owned();
    let looking = tokio::task::spawn_blocking(move || {
        let look = Look::at(&path).map_err(broken)?;
        let archive = look.require_archive().map_err(broken)?;
        archive.survey(Level::Content).map_err(broken)
    });
    looking.await.map_err(impossible)?
}

/// Makes what a saved configuration has and the servers lack.
pub(super) async fn apply_config(world: &World<'_>, from: &str) -> Outcome {
    let saved = read(&world.evidence.backup(from)).map_err(impossible)?;
    let connection = world.connection().await.map_err(impossible)?;
    let applied = apply_all(&connection, &saved).await.map_err(broken)?;
    let wrong = applied.refused.first().or(applied.lacks.first());
    if let Some(wrong) = wrong {
        return Err(broken(wrong));
    }
    world.note(format!(
        "{} streams and consumers made, {} changed, {} left as they are",
        applied.created, applied.updated, applied.left
    ));
    Ok(())
}

async fn apply_all(
    connection: &Connection,
    saved: &SavedConfiguration,
) -> Result<Applied, ConfigurationError> {
    let plan = Plan::make(connection, saved, false).await?;
    apply(connection, &plan, &|_| {}).await
}
