//! Steps with backups: taken, restored, extracted, and the deletion that a restore needs before.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_harness::StoreArea;

use super::failure::{broken, by_engine, impossible};
use super::faults::chosen;
use super::steps::Outcome;
use super::world::{NamedBackup, World};
use crate::backup::{
    BackupOptions, BackupSummary, IfExists, Overrides, RestoreOptions, RestoreSummary,
    back_up_stream, remove_stream, restore_stream,
};
use crate::ledger::Event;
use crate::offline::{self, ExtractOptions, Look};
use crate::scenario::{NodeChoice, RestoreChanges};

pub(super) async fn backup(
    world: &World<'_>,
    stream: &str,
    name: &str,
    lacks: &[String],
) -> Outcome {
    let target = world.evidence.backup(name);
    let options = BackupOptions::default();
    let connection = world.connection().await.map_err(impossible)?;
    let taken = back_up_stream(&connection, stream, &target, options, Arc::new(()))
        .await
        .map_err(by_engine)?;
    backed_up(world, stream, name, lacks, &taken)
}

/// Writes down what a backup holds, by which losses will be judged. `lacks` are the consumers that it is
/// known not to have.
pub(super) fn backed_up(
    world: &World<'_>,
    stream: &str,
    name: &str,
    lacks: &[String],
    taken: &BackupSummary,
) -> Outcome {
    let consumers = taken.consumers();
    for lack in taken.lacks() {
        world.note(lack);
    }
    let manifest = &taken.manifest;
    world.note(format!(
        "{} messages up to sequence {}, {} bytes, {}",
        manifest.messages, manifest.last_sequence, manifest.archive_bytes, manifest.form
    ));
    let (gone, expected) = (taken.unsaved_consumers(), lacks.iter().map(String::as_str));
    let expected: BTreeSet<&str> = expected.collect();
    if gone != expected {
        let (gone, expected) = (consumers_text(&gone), consumers_text(&expected));
        return Err(broken(format!(
            "the backup lacks {gone}, expected {expected}"
        )));
    }
    world.name_backup(name, stream, world.evidence.backup(name));
    world.record(Event::BackedUp {
        stream: stream.to_owned(),
        backup: name.to_owned(),
        messages: manifest.messages,
        last_sequence: manifest.last_sequence,
        consumers,
    });
    Ok(())
}

fn consumers_text(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return String::from("no consumer");
    }
    let names: Vec<&str> = names.iter().copied().collect();
    format!("consumers {}", names.join(", "))
}

pub(super) async fn restore(
    world: &World<'_>,
    backup: &str,
    changes: &RestoreChanges,
    fails: bool,
) -> Outcome {
    let NamedBackup { stream, path } = world.named_backup(backup)?;
    if !fails {
        world.record(Event::Restoring {
            stream: stream.clone(),
            backup: backup.to_owned(),
        });
    }
    let options = options_of(changes);
    let never = std::future::pending();
    let connection = world.connection().await.map_err(impossible)?;
    let summary = restore_stream(&connection, &path, &options, &(), never)
        .await
        .map_err(by_engine)?;
    restored(world, stream, backup, &summary);
    Ok(())
}

/// Writes down that a stream was restored.
pub(super) fn restored(world: &World<'_>, stream: String, backup: &str, summary: &RestoreSummary) {
    world.note(format!(
        "{} messages and {} consumers restored and compared in {:.1?}",
        summary.messages, summary.consumers, summary.elapsed
    ));
    world.record(Event::Restored {
        stream: stream.clone(),
        backup: backup.to_owned(),
    });
    world.record(Event::Recovered { stream });
}

pub(super) fn options_of(changes: &RestoreChanges) -> RestoreOptions {
    let set = changes.config.iter();
    RestoreOptions {
        overrides: Overrides {
            replicas: changes.replicas,
            set: set
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect(),
            ..Overrides::default()
        },
        if_exists: if changes.replace {
            IfExists::Replace
        } else {
            IfExists::Refuse
        },
        ..RestoreOptions::default()
    }
}

/// Puts a backup's stream into the store of an ended server, by way of a copy of that store. Into that of
/// a cluster's node, which `lifeboat extract` refuses, it is put as an operator with `tar` would.
pub(super) async fn extract(world: &World<'_>, backup: &str, choice: &NodeChoice) -> Outcome {
    let NamedBackup { stream, path } = world.named_backup(backup)?;
    let node = chosen(world, choice).await?;
    let store = world.evidence.store("extracted", node.name());
    let is_alone = world.cluster().nodes().len() == 1;
    let has_store = is_alone
        && node
            .copy_store(&StoreArea::All, &store)
            .await
            .map_err(impossible)?;
    if !has_store {
        fs::create_dir_all(&store).map_err(impossible)?;
    }
    let account = world.cluster().credentials().account.clone();
    let options = ExtractOptions {
        account: account.clone(),
        new_account: true,
        config: None,
        to_file: false,
        stopped: true,
    };
    let data = store.clone();
    let extracting = tokio::task::spawn_blocking(move || {
        offline::extract(&Look::at(&path)?, &data, &options, None)
    });
    let extracted = extracting.await.map_err(impossible)?.map_err(broken)?;
    world.record(Event::Restoring {
        stream: stream.clone(),
        backup: backup.to_owned(),
    });
    let area = StoreArea::Stream {
        account: account.clone(),
        stream: stream.clone(),
    };
    let put = if is_alone {
        node.put_store(&StoreArea::All, &store).await
    } else {
        let own = store.join("jetstream").join(account);
        let own = own.join("streams").join(&stream);
        node.put_store(&area, &own).await
    };
    put.map_err(impossible)?;
    let back = world.evidence.store("extracted-back", node.name());
    if !node.copy_store(&area, &back).await.map_err(impossible)? {
        return Err(impossible(format!("{} has no {stream}", node.name())));
    }
    world.note(format!(
        "{} messages and {} consumers are in the store of {}",
        extracted.messages,
        extracted.consumers,
        node.name()
    ));
    world.record(Event::Restored {
        stream,
        backup: backup.to_owned(),
    });
    Ok(())
}

pub(super) async fn delete_stream(
    world: &World<'_>,
    stream: &str,
    within: Duration,
    fails: bool,
) -> Outcome {
    // What the servers are to refuse must not excuse the loss of the stream.
    if !fails {
        world.record(Event::Deleting {
            stream: stream.to_owned(),
        });
    }
    let connection = world.connection().await.map_err(impossible)?;
    let removed = remove_stream(&connection, stream, within).await;
    removed.map_err(broken)
}
