//! What is backed up, deleted and restored is what it was: every message and every consumer.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use lifeboat::archive::{BackupLayout, Form};
use lifeboat::backup::{BackupOptions, StreamBackup, back_up_stream};
use lifeboat::jetstream::{OutgoingMessage, SnapshotOptions, StreamState};
use serde_json::json;

use super::world::{PATIENCE, Picture, STREAM, Standing, World};

const CONSUMERS: [&str; 4] = ["done", "fresh", "half", "some"];

/// A stream as it was, its consumers, and what each of them has yet to deliver.
struct Before {
    picture: Picture,
    consumers: Vec<(Standing, BTreeSet<u64>)>,
}

/// Looks at the stream that [`World::fill`] made, and makes sure that it is what these tests
/// are about. What was acknowledged is in the archive of a standalone server alone.
async fn look(world: &World) -> Before {
    let picture = world.picture(STREAM).await;
    let messages = &picture.messages;
    assert_eq!(picture.deleted, [1, 9, 10, 23, 59, 60]);
    assert_eq!((picture.state.first_seq, picture.state.last_seq), (2, 60));
    assert_eq!(
        (picture.state.messages, picture.state.consumer_count),
        (54, 4)
    );
    assert!(messages.iter().any(|message| message.headers.is_empty()));
    assert!(messages.iter().any(|message| message.id() == "id-1"));
    assert!(messages.iter().any(|message| message.payload.is_empty()));
    assert!(messages.iter().any(|message| message.payload.len() > 256));
    let present: Vec<u64> = messages.iter().map(|message| message.sequence).collect();
    let mut consumers = Vec::new();
    for name in CONSUMERS {
        let standing = world.standing(name).await;
        let owed = match name {
            "done" => BTreeSet::new(),
            "fresh" => present.iter().copied().collect(),
            // It was given ten messages and acknowledged the first four and the eighth.
            "half" => present[4..]
                .iter()
                .copied()
                .filter(|sequence| *sequence != present[7])
                .collect(),
            // It was given two of the messages on its subject and acknowledged the first.
            _ => messages
                .iter()
                .filter(|message| message.subject.ends_with("日本"))
                .skip(1)
                .map(|message| message.sequence)
                .collect(),
        };
        assert_eq!(standing.1 + standing.2, owed.len() as u64, "{standing:?}");
        consumers.push((standing, owed));
    }
    Before { picture, consumers }
}

/// Looks at the restored stream: it must be what it was, but for its replicas.
async fn compare(world: &World, before: &Before, replicas: usize, rolled_back: bool) {
    // A cluster's stream leader counts a restored consumer later than its own leader answers.
    let consumers = before.picture.state.consumer_count;
    world.wait_consumers(STREAM, consumers).await;
    let mut after = world.picture(STREAM).await;
    assert_eq!(after.config["num_replicas"], replicas);
    after.config["num_replicas"] = before.picture.config["num_replicas"].clone();
    assert_eq!(after.config, before.picture.config);
    assert_eq!(after.state, before.picture.state);
    assert_eq!(after.deleted, before.picture.deleted);
    for (after, before) in after.messages.iter().zip(&before.picture.messages) {
        assert!(
            after == before,
            "{:?}\n{:?}",
            after.fingerprint(),
            before.fingerprint()
        );
    }
    assert_eq!(after.messages.len(), before.picture.messages.len());
    for (standing, owed) in &before.consumers {
        let (mut standing, mut owed) = (standing.clone(), owed.clone());
        if rolled_back && standing.1 > 0 {
            // Acknowledged out of order, above the floor: this is forgotten.
            owed.extend(above_floor(before, &standing));
            let (position, pending, to_come) = &mut standing;
            position.delivered = position.ack_floor;
            (*pending, *to_come) = (0, owed.len() as u64);
        }
        world
            .wait_standing(&standing, &before.picture.messages)
            .await;
        assert_eq!(
            world.deliveries(&standing.0.name).await,
            owed,
            "{standing:?}"
        );
    }
    if world.cluster.nodes().len() > 1 {
        world.wait_copies(STREAM, replicas).await;
    }
}

/// What a consumer reads above its ack floor.
fn above_floor(before: &Before, (position, ..): &Standing) -> BTreeSet<u64> {
    let messages = before.picture.messages.iter();
    messages
        .filter(|message| position.name != "some" || message.subject.ends_with("日本"))
        .map(|message| message.sequence)
        .filter(|sequence| *sequence > position.ack_floor.stream)
        .collect()
}

/// Fills, backs up, deletes, restores and compares on the same cluster.
async fn there_and_back(world: &World, replicas: usize) {
    let more = json!({ "description": "größer 🛟", "metadata": { "owner": "größe" } });
    world.fill(replicas, &more).await;
    let before = look(world).await;
    let taken = world.back_up(STREAM, "backup").await;
    let rolled_back = world.rolls_consumers_back();
    for (standing, _) in &before.consumers {
        let kept = taken
            .manifest
            .consumers
            .iter()
            .find(|kept| kept.name == standing.0.name);
        let kept = kept.unwrap();
        assert_eq!(kept.ack_floor.stream, standing.0.ack_floor.stream);
        if !rolled_back {
            assert_eq!(kept.delivered, standing.0.delivered);
            assert_eq!(kept.pending.len() as u64, standing.1);
        }
    }
    world.remove(STREAM).await;
    let restored = world.restore(&taken.directory, None).await;
    assert!(restored.sealed);
    assert_eq!(
        (
            restored.messages,
            restored.last_sequence,
            restored.consumers
        ),
        (54, 60, 4)
    );
    compare(world, &before, replicas, rolled_back).await;
}

#[tokio::test]
async fn a_standalone_stream_comes_back_as_it_was() {
    there_and_back(&World::start(1).await, 1).await;
}

#[tokio::test]
async fn a_replicated_stream_comes_back_as_it_was() {
    there_and_back(&World::start(3).await, 3).await;
}

#[tokio::test]
async fn a_replicated_stream_of_2_12_comes_back_as_it_was() {
    there_and_back(&World::start_version(3, "2.12.8").await, 3).await;
}

#[tokio::test]
async fn a_stream_moves_to_another_cluster_and_may_get_more_replicas() {
    let (home, away) = tokio::join!(World::start(1), World::start(3));
    assert_ne!(home.cluster.name(), away.cluster.name());
    home.fill(1, &json!({})).await;
    let before = look(&home).await;
    let taken = home.back_up(STREAM, "backup").await;
    away.restore(&taken.directory, Some(3)).await;
    compare(&away, &before, 3, false).await;
    away.remove(STREAM).await;
    away.restore(&taken.directory, None).await;
    compare(&away, &before, 1, false).await;
}

/// The program does the same as the library, with fewer words.
#[tokio::test]
async fn the_program_backs_up_and_restores() {
    let (home, away) = tokio::join!(World::start(1), World::start(3));
    home.fill(1, &json!({})).await;
    let before = look(&home).await;
    let target = home.path("new/backup");
    let called = home.call(&[
        "backup",
        "stream",
        STREAM,
        target.to_str().unwrap(),
        "--json",
    ]);
    let told = called.expect_code(0).json();
    assert_eq!(told["manifest"]["messages"], 54);
    assert_eq!(told["manifest"]["last_sequence"], 60);
    fs::remove_file(BackupLayout::at(&target).manifest()).unwrap();
    let called = away
        .call_restore(&target, &["--replicas", "3", "--json"])
        .expect_code(0);
    let told = called.json();
    assert_eq!(
        (&told["messages"], &told["consumers"]),
        (&json!(54), &json!(4))
    );
    assert_eq!(told["sealed"], false);
    assert!(
        called.stderr.contains("has no manifest of ours"),
        "{}",
        called.stderr
    );
    compare(&away, &before, 3, false).await;
    away.remove(STREAM).await;
    // As text, and with a manifest: no warning.
    let target = home.path("again");
    let called = home.call_backup(STREAM, &target).expect_code(0);
    assert!(
        called
            .stdout
            .starts_with("ORDERS: 54 messages up to sequence 60"),
        "{}",
        called.stdout
    );
    let called = away.call_restore(&target, &[]).expect_code(0);
    assert!(
        called
            .stdout
            .contains("54 messages up to sequence 60 and 4 consumers restored")
    );
    assert!(!called.stderr.contains("warning"), "{}", called.stderr);
}

/// An older server's archive is restored there and by the newest one, from compressed blocks too.
async fn an_older_archive(version: &str) {
    let (old, new) = tokio::join!(
        World::start_version(1, version),
        World::start_version(1, "2.15.1")
    );
    old.fill(1, &json!({ "compression": "s2" })).await;
    let before = look(&old).await;
    let taken = old.back_up(STREAM, "backup").await;
    assert_eq!(taken.manifest.form, Form::Tar);
    old.remove(STREAM).await;
    old.restore(&taken.directory, None).await;
    compare(&old, &before, 1, false).await;
    let restored = new.restore(&taken.directory, None).await;
    assert!(restored.sealed);
    let after = new.picture(STREAM).await;
    assert_eq!(after.messages, before.picture.messages);
    assert_eq!(after.deleted, before.picture.deleted);
    for (standing, owed) in &before.consumers {
        new.wait_standing(standing, &after.messages).await;
        assert_eq!(new.deliveries(&standing.0.name).await, *owed);
    }
}

#[tokio::test]
async fn an_archive_of_2_12_is_restored_there_and_by_2_15() {
    an_older_archive("2.12.8").await;
}

#[tokio::test]
async fn an_archive_of_2_10_is_restored_there_and_by_2_15() {
    an_older_archive("2.10.26").await;
}

#[tokio::test]
async fn consumers_can_be_left_out() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    let before = world.picture(STREAM).await;
    let target = world.path("backup");
    let options = BackupOptions {
        snapshot: SnapshotOptions {
            no_consumers: true,
            ..SnapshotOptions::default()
        },
        ..BackupOptions::default()
    };
    let taken = back_up_stream(&world.connection, STREAM, &target, options, Arc::new(()))
        .await
        .unwrap();
    assert_eq!(taken.manifest.consumers, []);
    world.remove(STREAM).await;
    assert_eq!(world.restore(&target, None).await.consumers, 0);
    let after = world.picture(STREAM).await;
    assert_eq!(after.messages, before.messages);
    assert_eq!(after.state.consumer_count, 0);
}

/// Streams without a message: never one, none left, and none left but a consumer.
async fn empty_streams(world: &World) {
    for (stream, count) in [("NEVER", 0), ("PURGED", 20)] {
        world.create(stream, 1, &json!({})).await;
        world.publish_bulk(stream, count, 100).await;
        world
            .api(&format!("STREAM.PURGE.{stream}"), &json!({}))
            .await
            .unwrap();
        let config = json!({ "durable_name": "c", "ack_policy": "explicit" });
        world
            .connection
            .create_consumer(stream, &config)
            .await
            .unwrap();
        let before = world.picture(stream).await;
        assert_eq!((before.state.messages, before.state.last_seq), (0, count));
        let target = world.path(stream);
        let options = BackupOptions::default();
        let taken = back_up_stream(&world.connection, stream, &target, options, Arc::new(()))
            .await
            .unwrap();
        assert_eq!(
            (taken.manifest.messages, taken.manifest.first_sequence),
            (0, 0)
        );
        let opened = StreamBackup::open(&target).await.unwrap();
        assert_eq!(opened.survey.indexed_sequence, count);
        world.remove(stream).await;
        world.restore(&target, None).await;
        // Where the next message is the first, servers say so or not.
        let state = |state: StreamState| StreamState {
            first_seq: state.first_seq.max(1),
            ..state
        };
        let after = world.picture(stream).await.state;
        assert_eq!(state(after), state(before.state));
        world.publish_bulk(stream, 1, 100).await;
        assert_eq!(world.picture(stream).await.state.last_seq, count + 1);
    }
}

#[tokio::test]
async fn an_empty_stream_keeps_its_last_sequence() {
    empty_streams(&World::start(1).await).await;
}

#[tokio::test]
async fn an_empty_stream_of_2_12_keeps_its_last_sequence() {
    empty_streams(&World::start_version(1, "2.12.8").await).await;
}

/// Messages that limits evict stay in their blocks: a tar holds them, and the stream does not.
#[tokio::test]
async fn a_stream_that_evicts_is_backed_up_without_what_it_evicted() {
    for version in ["2.15.1", "2.12.8", "2.10.26"] {
        for limits in [
            json!({ "max_msgs": 40 }),
            json!({ "max_msgs_per_subject": 1 }),
        ] {
            let world = World::start_version(1, version).await;
            world.create(STREAM, 1, &limits).await;
            for number in 0..100 {
                let message = OutgoingMessage {
                    subject: format!("{STREAM}.{}", number % 7),
                    headers: Vec::new(),
                    payload: format!("payload {number}").into(),
                };
                let published = world.connection.publish(&message, PATIENCE).await;
                published.unwrap();
            }
            let before = world.connection.stream_info(STREAM).await.unwrap().state;
            assert!(before.messages < 100, "{limits} evicts nothing");
            let taken = world.back_up(STREAM, "backup").await;
            assert_eq!(
                taken.manifest.messages, before.messages,
                "{version} {limits}"
            );
            world.remove(STREAM).await;
            let restored = world.restore(&taken.directory, None).await;
            assert_eq!(restored.messages, before.messages, "{version} {limits}");
        }
    }
}
