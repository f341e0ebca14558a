//! Backups of a stream from which messages are evicted all the time. Servers to 2.14 lose messages
//! then that are alive: it is noticed, and the snapshot taken again.

use std::sync::{Arc, Mutex};

use lifeboat::archive::Archive;
use lifeboat::archive::{BackupLayout, Level};
use lifeboat::backup::{BackupError, BackupOptions, Progress, back_up_stream};
use lifeboat::jetstream::SnapshotOptions;
use serde_json::json;
use tokio::task::JoinHandle;

use super::world::{STREAM, World, say};

/// The stream holds so many messages of that size: some 50 MiB, in blocks of 8 MiB.
const HOLDS: u64 = 800;
const BYTES: usize = 64 << 10;

/// Keeps what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn phase(&self, _name: &'static str, _total: Option<u64>) {}
    fn done(&self, _steps: u64) {}
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// Publishes until it is dropped.
struct Publisher(JoinHandle<()>);

impl Publisher {
    fn begin(world: &World) -> Self {
        let client = world.client.clone();
        Self(tokio::spawn(async move {
            let payload = bytes::Bytes::from(vec![7; BYTES]);
            loop {
                // Each waits for its acknowledgement, so that the server has time for a snapshot.
                let _answer = client.request(format!("{STREAM}.x"), payload.clone()).await;
            }
        }))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes backups under eviction, and returns how many snapshots lost something.
async fn take_backups(version: &str, count: usize) -> usize {
    let world = World::start_version(1, version).await;
    world.create(STREAM, 1, &json!({ "max_msgs": HOLDS })).await;
    world.publish_bulk(STREAM, HOLDS, BYTES).await;
    let publisher = Publisher::begin(&world);
    let options = BackupOptions {
        snapshot: SnapshotOptions {
            // Small ones take longer.
            chunk_bytes: Some(16 << 10),
            window_bytes: Some(256 << 10),
            ..SnapshotOptions::default()
        },
        retries: 20,
    };
    let mut lost = 0;
    for number in 0..count {
        let notes = Arc::new(Notes::default());
        let target = world.path(&format!("backup-{number}"));
        let before = world.connection.stream_info(STREAM).await.unwrap().state;
        let taken =
            back_up_stream(&world.connection, STREAM, &target, options, notes.clone()).await;
        let after = world.connection.stream_info(STREAM).await.unwrap().state;
        let notes = notes.0.lock().unwrap();
        lost += notes
            .iter()
            .filter(|note| !note.contains("connection"))
            .count();
        say(&format!("{version} #{number}: {notes:?}"));
        let taken = match taken {
            Ok(taken) => taken,
            // Every one of 21 snapshots lost something: that is told, and nothing is left.
            Err(BackupError::GaveUp { failure, .. }) => {
                assert!(matches!(*failure, BackupError::Lost { .. }), "{failure}");
                assert!(!target.exists());
                continue;
            }
            Err(error) => panic!("{version}: {error}"),
        };
        let archive = BackupLayout::at(&target).archive(taken.manifest.form);
        let survey = Archive::open(&archive)
            .unwrap()
            .survey(Level::Content)
            .unwrap();
        // What was there all the time is in it.
        for sequence in after.first_seq..=before.last_seq {
            assert!(
                survey.live.contains(sequence) || survey.evicted.contains(sequence),
                "{version}: {sequence} of {before:?} to {after:?}"
            );
        }
    }
    drop(publisher);
    lost
}

#[tokio::test]
async fn nothing_is_lost_to_eviction_on_2_10() {
    let _lost = take_backups("2.10.26", 4).await;
}

#[tokio::test]
async fn nothing_is_lost_to_eviction_on_2_12() {
    let _lost = take_backups("2.12.8", 4).await;
}

#[tokio::test]
async fn nothing_is_lost_to_eviction_on_2_14() {
    let _lost = take_backups("2.14.6", 4).await;
}

#[tokio::test]
async fn nothing_is_lost_to_eviction_on_2_15() {
    assert_eq!(take_backups("2.15.1", 4).await, 0);
}
