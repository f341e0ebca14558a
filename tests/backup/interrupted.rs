//! What is left when a backup or a restore does not get to its end.

use std::future::pending;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat::archive::{Form, Level};
use lifeboat::backup::{
    BackupError, BackupOptions, Progress, RestoreOptions, back_up_stream, restore_stream,
};
use lifeboat::offline::{Look, Verdict, verify};
use lifeboat_harness::wait::{Probe, until};
use serde_json::json;
use tokio::sync::Notify;

use super::world::{PATIENCE, STREAM, World};
use crate::support::entries;

/// Messages of 128 KiB: 64 MiB, four times what a server sends ahead of our acknowledgements.
/// On a runtime of one thread a transfer can't get further than that in one go.
const BULK: (u64, usize) = (512, 128 << 10);

/// Tells when the first chunk of a phase is through.
struct FirstChunk {
    phase: &'static str,
    is_now: AtomicBool,
    seen: Notify,
}

impl FirstChunk {
    fn of(phase: &'static str) -> Self {
        Self {
            phase,
            is_now: AtomicBool::new(false),
            seen: Notify::new(),
        }
    }
}

impl Progress for FirstChunk {
    fn phase(&self, name: &'static str, _total: Option<u64>) {
        self.is_now.store(name == self.phase, Ordering::Relaxed);
    }

    fn done(&self, _steps: u64) {
        if self.is_now.load(Ordering::Relaxed) {
            self.seen.notify_one();
        }
    }
}

/// A standalone server with a stream of which no transfer is over in an instant.
async fn bulky() -> World {
    let world = World::start(1).await;
    world.create(STREAM, 1, &json!({})).await;
    world.publish_bulk(STREAM, BULK.0, BULK.1).await;
    world
}

/// Backs the stream up; a server that still is at the backup before may refuse for a while.
async fn back_up_at_last(world: &World) -> PathBuf {
    let target = world.path("at-last");
    until(PATIENCE, || async {
        let options = BackupOptions::default();
        match back_up_stream(&world.connection, STREAM, &target, options, Arc::new(())).await {
            Ok(taken) => Probe::Ready(taken.directory),
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_backup_that_is_dropped_leaves_nothing() {
    let world = bulky().await;
    let first = Arc::new(FirstChunk::of("receiving"));
    {
        let target = world.path("backup");
        let options = BackupOptions::default();
        let mut taking = pin!(back_up_stream(
            &world.connection,
            STREAM,
            &target,
            options,
            first.clone()
        ));
        tokio::select! {
            biased;
            () = first.seen.notified() => {}
            taken = &mut taking => panic!("over already: {taken:?}"),
        }
        let [partial] = &entries(world.directory.path())[..] else {
            panic!("nothing is under way");
        };
        assert!(partial.starts_with(".lifeboat-partial-"), "{partial}");
    }
    assert_eq!(entries(world.directory.path()), [""; 0]);
    back_up_at_last(&world).await;
    assert_eq!(entries(world.directory.path()), ["at-last"]);
}

/// The server says nothing at all when the stream is gone.
#[tokio::test]
async fn a_backup_whose_stream_is_deleted_fails_and_leaves_nothing() {
    let world = bulky().await;
    let first = Arc::new(FirstChunk::of("receiving"));
    let target = world.path("backup");
    let options = BackupOptions::default();
    let mut taking = pin!(back_up_stream(
        &world.connection,
        STREAM,
        &target,
        options,
        first.clone()
    ));
    tokio::select! {
        biased;
        () = first.seen.notified() => {}
        taken = &mut taking => panic!("over already: {taken:?}"),
    }
    // Meanwhile nothing is acknowledged, so most of it has not been sent.
    world.remove(STREAM).await;
    let error = taking.await.unwrap_err();
    assert!(
        matches!(&error, BackupError::DeletedMeanwhile { .. }),
        "{error:?}"
    );
    assert_eq!(entries(world.directory.path()), [""; 0]);
}

/// Messages are purged while the backup runs: what it lacks the stream lacks too, which it says.
#[tokio::test]
async fn a_backup_during_a_purge_says_what_was_removed() {
    for version in ["2.15.1", "2.14.6", "2.12.8"] {
        let world = World::start_version(1, version).await;
        world.create(STREAM, 1, &json!({})).await;
        world.publish_bulk(STREAM, BULK.0, BULK.1).await;
        let first = Arc::new(FirstChunk::of("receiving"));
        let target = world.path("backup");
        let options = BackupOptions::default();
        let mut taking = pin!(back_up_stream(
            &world.connection,
            STREAM,
            &target,
            options,
            first.clone()
        ));
        tokio::select! {
            biased;
            () = first.seen.notified() => {}
            taken = &mut taking => panic!("over already: {taken:?}"),
        }
        world
            .api(&format!("STREAM.PURGE.{STREAM}"), &json!({}))
            .await
            .unwrap();
        let taken = taking.await.unwrap();
        let manifest = &taken.manifest;
        // Servers to 2.14 break the transfer off, and the next one finds an empty stream.
        let (least_attempts, had) = match world.form() {
            Form::Message => (1, BULK.0),
            Form::Tar => (2, 0),
        };
        assert!(taken.attempts >= least_attempts, "{version}: {taken:?}");
        assert_eq!(
            manifest.messages + manifest.removed_meanwhile,
            had,
            "{version}"
        );
        let look = Look::at(&target).unwrap();
        let report = verify(&look, Level::Content, None).unwrap();
        assert_eq!(report.verdict, Verdict::Sound, "{version}: {report:?}");
    }
}

/// Nobody can clean up after a restore that is dropped. Its name may stay taken until the
/// stream is deleted, and then it can be restored.
#[tokio::test]
async fn a_restore_that_is_dropped_can_be_cleaned_up_and_repeated() {
    let world = bulky().await;
    let before = world.connection.stream_info(STREAM).await.unwrap().state;
    let backup = back_up_at_last(&world).await;
    world.remove(STREAM).await;
    let options = RestoreOptions::default();
    {
        let first = FirstChunk::of("sending");
        let mut sending = pin!(restore_stream(
            &world.connection,
            &backup,
            &options,
            &first,
            pending()
        ));
        tokio::select! {
            biased;
            () = first.seen.notified() => {}
            restored = &mut sending => panic!("over already: {restored:?}"),
        }
    }
    // What is sent as a tar becomes a stream only at its end.
    assert!(world.is_free(STREAM).await);
    world.remove(STREAM).await;
    let restored = restore_stream(&world.connection, &backup, &options, &(), pending())
        .await
        .unwrap();
    assert_eq!(restored.messages, before.messages);
}

/// What Ctrl-C does: the restore ends, and nothing of it is left.
#[tokio::test]
async fn a_restore_that_is_stopped_leaves_no_stream() {
    for nodes in [1, 3] {
        let world = World::start(nodes).await;
        world.create(STREAM, nodes, &json!({})).await;
        world.publish_bulk(STREAM, BULK.0, BULK.1).await;
        let backup = back_up_at_last(&world).await;
        world.remove(STREAM).await;
        let first = FirstChunk::of("sending");
        let stop = first.seen.notified();
        let options = RestoreOptions::default();
        let stopped = restore_stream(&world.connection, &backup, &options, &first, stop).await;
        assert!(
            matches!(stopped, Err(BackupError::Interrupted)),
            "{stopped:?}"
        );
        assert!(world.is_free(STREAM).await);
        let restored = restore_stream(&world.connection, &backup, &options, &(), pending()).await;
        assert_eq!(restored.unwrap().messages, BULK.0);
    }
}
