//! The matrix: archives of servers of each version, read, written again, converted, restored by
//! servers of each generation.

use std::path::{Path, PathBuf};

use lifeboat::archive::{BackupLayout, Form};
use lifeboat::model::SequencePair;
use lifeboat_harness::{Cluster, parse_version};
use serde_json::Value;
use tempfile::TempDir;

use super::streams::{Seen, compare, make};
use crate::backup::world::World;
use crate::support::Lifeboat;

/// A server of every generation.
const TARGETS: [&str; 5] = ["2.10.26", "2.11.11", "2.12.8", "2.14.6", "2.15.1"];

/// Backups of every stream that a server of one version had.
struct Taken {
    directory: TempDir,
    form: Form,
    seen: Vec<Seen>,
}

impl Taken {
    fn backup(&self, seen: &Seen) -> PathBuf {
        self.directory.path().join(&seen.name)
    }

    /// A backup that was converted, by its name.
    fn converted(&self, seen: &Seen, form: &str) -> PathBuf {
        self.directory.path().join(format!("{}-{form}", seen.name))
    }
}

/// One server, whose store is encrypted or not.
async fn launch(version: &str, encrypted: bool) -> World {
    let version = parse_version(version).unwrap();
    let mut builder = Cluster::builder().nodes(1).version(version);
    if encrypted {
        builder = builder.encrypted_at_rest("a key for tests");
    }
    World::launch(builder).await
}

/// Makes every sort of stream on a server, backs each up, and reads the archives.
async fn take(version: &str, encrypted: bool) -> Taken {
    let world = launch(version, encrypted).await;
    let seen = make(&world).await;
    let taken = Taken {
        directory: tempfile::tempdir().unwrap(),
        form: world.form(),
        seen,
    };
    for seen in &taken.seen {
        let path = taken.backup(seen);
        let called = world.call_backup(&seen.name, &path).expect_code(0);
        drop(called);
        let archive = BackupLayout::at(&path).archive(taken.form);
        let consumers = compare(&archive, seen);
        assert_eq!(
            consumers.len(),
            seen.picture.state.consumer_count,
            "{}",
            seen.name
        );
        for consumer in consumers {
            let there = world.connection.consumer(&seen.name, &consumer.name);
            let (position, ..) = there.position().await.unwrap();
            assert_eq!(
                consumer.state.delivered, position.delivered,
                "{}",
                seen.name
            );
            assert_eq!(
                consumer.state.ack_floor, position.ack_floor,
                "{}",
                seen.name
            );
        }
    }
    taken
}

/// Verifies every backup, and converts each into both forms: into the one it has, which writes it
/// again, and into the other.
fn convert(taken: &Taken) {
    let lifeboat = Lifeboat::new();
    for seen in &taken.seen {
        let backup = taken.backup(seen);
        verify(&lifeboat, &backup);
        for form in ["tar", "message"] {
            let target = taken.converted(seen, form);
            let arguments = [
                backup.to_str().unwrap(),
                target.to_str().unwrap(),
                "--to",
                form,
            ];
            drop(
                lifeboat
                    .call(&[&["convert"], &arguments[..]].concat())
                    .expect_code(0),
            );
            verify(&lifeboat, &target);
        }
        // There and back again it is the same.
        let back = taken.converted(seen, "back");
        let form = if taken.form == Form::Tar {
            "tar"
        } else {
            "message"
        };
        let other = if taken.form == Form::Tar {
            "message"
        } else {
            "tar"
        };
        let from = taken.converted(seen, other);
        let arguments = [from.to_str().unwrap(), back.to_str().unwrap(), "--to", form];
        drop(
            lifeboat
                .call(&[&["convert"], &arguments[..]].concat())
                .expect_code(0),
        );
        let archive = BackupLayout::at(&back).archive(taken.form);
        let consumers = compare(&archive, seen);
        let original = compare(&BackupLayout::at(&backup).archive(taken.form), seen);
        for (consumer, original) in consumers.iter().zip(&original) {
            assert_eq!(consumer.position(), original.position());
            assert_eq!(consumer.state.redelivered, original.state.redelivered);
        }
    }
}

fn verify(lifeboat: &Lifeboat, backup: &Path) {
    let arguments = ["verify", backup.to_str().unwrap(), "--json"];
    let report = lifeboat.call(&arguments).expect_code(0).json();
    assert_eq!(report["verdict"], "sound", "{report}");
    assert_eq!(report["sealed"], true);
}

/// Restores converted backups on servers, where the engine compares every message with the
/// archive, and then the stream with what it was at first.
async fn restore(taken: &Taken, version: &str, forms: &[&str]) {
    let world = launch(version, false).await;
    for seen in &taken.seen {
        for form in forms {
            let from = taken.converted(seen, form);
            drop(world.call_restore(&from, &[]).expect_code(0));
            world
                .wait_consumers(&seen.name, seen.picture.state.consumer_count)
                .await;
            let after = world.picture(&seen.name).await;
            let context = format!("{} as {form} on {version}", seen.name);
            assert_eq!(
                after.messages.len(),
                seen.picture.messages.len(),
                "{context}"
            );
            assert!(after.messages == seen.picture.messages, "{context}");
            assert_eq!(
                after.state.last_seq, seen.picture.state.last_seq,
                "{context}"
            );
            assert_eq!(
                after.state.first_seq, seen.picture.state.first_seq,
                "{context}"
            );
            compare_consumers(&world, &from, seen, &context).await;
            world.remove(&seen.name).await;
        }
    }
}

/// Consumers stand where the archive has them. Deleted messages count for nothing: servers skip
/// them at the head when they start a consumer.
async fn compare_consumers(world: &World, backup: &Path, seen: &Seen, context: &str) {
    let held_before = |sequence: u64| {
        let mut messages = seen.picture.messages.iter().rev();
        messages
            .find(|message| message.sequence <= sequence)
            .map_or(0, |message| message.sequence)
    };
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(backup.join("lifeboat.json")).unwrap()).unwrap();
    let stream = manifest["stream"].as_str().unwrap();
    for expected in manifest["consumers"].as_array().unwrap() {
        let name = expected["name"].as_str().unwrap();
        let consumer = world.connection.consumer(stream, name);
        let (found, ..) = consumer.position().await.unwrap();
        for (found, key) in [
            (found.delivered, "delivered"),
            (found.ack_floor, "ack_floor"),
        ] {
            let expected: SequencePair = serde_json::from_value(expected[key].clone()).unwrap();
            assert_eq!(
                found.consumer, expected.consumer,
                "{context}: {key} of {name}"
            );
            let (found, expected) = (held_before(found.stream), held_before(expected.stream));
            assert_eq!(found, expected, "{context}: {key} of {name}");
        }
    }
}

async fn round(version: &str, encrypted: bool) {
    let taken = take(version, encrypted).await;
    convert(&taken);
    for target in TARGETS {
        let forms: &[&str] = if target == "2.15.1" {
            &["tar", "message"]
        } else {
            &["tar"]
        };
        restore(&taken, target, forms).await;
    }
}

#[tokio::test]
async fn archives_of_2_10_go_everywhere() {
    round("2.10.26", false).await;
}

#[tokio::test]
async fn archives_of_2_11_go_everywhere() {
    round("2.11.11", false).await;
}

#[tokio::test]
async fn archives_of_2_12_from_an_encrypted_store_go_everywhere() {
    round("2.12.8", true).await;
}

#[tokio::test]
async fn archives_of_2_14_go_everywhere() {
    round("2.14.6", false).await;
}

#[tokio::test]
async fn archives_of_2_15_go_everywhere() {
    round("2.15.1", false).await;
}
