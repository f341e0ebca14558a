//! The commands that need no server, as a user types them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use lifeboat::archive::{BackupLayout, Form};
use lifeboat_harness::{Cluster, parse_version};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::streams::{Seen, compare, make};
use crate::backup::world::{Picture, STREAM, World};
use crate::support::{Called, Lifeboat, entries};

/// A server, and where its data directory is.
struct Server {
    world: World,
    scratch: TempDir,
}

impl Server {
    async fn start(version: &str, nodes: usize) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let version = parse_version(version).unwrap();
        let builder = Cluster::builder().nodes(nodes).version(version);
        let world = World::launch(builder.scratch_root(scratch.path())).await;
        Self { world, scratch }
    }

    /// The data directory of its first node.
    fn data(&self) -> PathBuf {
        fn find(directory: &Path) -> Option<PathBuf> {
            if directory.join("jetstream").is_dir() {
                return Some(directory.to_owned());
            }
            let entries = fs::read_dir(directory).ok()?;
            entries.flatten().find_map(|entry| find(&entry.path()))
        }
        find(self.scratch.path()).unwrap()
    }

    fn account(&self) -> String {
        self.world.cluster.credentials().account.clone()
    }

    fn call_extract(&self, backup: &Path) -> Called {
        let (data, account) = (self.data(), self.account());
        let (backup, data) = (backup.to_str().unwrap(), data.to_str().unwrap());
        Lifeboat::new().call(&["extract", backup, data, "--account", &account])
    }
}

fn same(after: &Picture, before: &Picture, name: &str) {
    assert!(after.messages == before.messages, "{name}");
    assert_eq!(after.state, before.state, "{name}");
    assert_eq!(after.config, before.config, "{name}");
}

/// Every stream of a server, and a backup of each.
async fn back_up_all(version: &str) -> (Server, TempDir, Vec<Seen>) {
    let server = Server::start(version, 1).await;
    let seen = make(&server.world).await;
    let backups = tempfile::tempdir().unwrap();
    for seen in &seen {
        let target = backups.path().join(&seen.name);
        drop(server.world.call_backup(&seen.name, &target).expect_code(0));
    }
    (server, backups, seen)
}

/// A stopped server that is given streams has them when it starts, with their consumers; in either
/// form, and whatever its directory had before.
async fn extracted_streams_are_there(version: &str) {
    let (source, backups, seen) = back_up_all(version).await;
    let server = Server::start(version, 1).await;
    let node = &server.world.cluster.nodes()[0];
    server.world.create("BEFORE", 1, &json!({})).await;
    drop(
        server
            .call_extract(&backups.path().join(STREAM))
            .expect_code(15),
    );
    // What is seen counts, whatever the caller says.
    let (data, account) = (server.data(), server.account());
    let backup = backups.path().join(STREAM);
    let call = [
        "extract",
        backup.to_str().unwrap(),
        data.to_str().unwrap(),
        "--stopped",
    ];
    let call = [&call[..], &["--account", &account]].concat();
    let called = Lifeboat::new().call(&call).expect_code(15);
    assert!(called.stderr.contains("stop it first"), "{}", called.stderr);
    node.stop().await.unwrap();
    let called = Lifeboat::new().call(&call[..3]).expect_code(15);
    assert!(called.stderr.contains("--new-account"), "{}", called.stderr);
    let before = entries(&server.data());
    for seen in &seen {
        let backup = backups.path().join(&seen.name);
        let called = server.call_extract(&backup).expect_code(0);
        assert!(called.stdout.contains("has them when it starts"));
        // Never twice.
        let called = server.call_extract(&backup).expect_code(15);
        assert!(
            called.stderr.contains("exists already"),
            "{}",
            called.stderr
        );
    }
    assert_eq!(entries(&server.data()), before);
    node.start().await.unwrap();
    for seen in &seen {
        let name = &seen.name;
        server
            .world
            .wait_consumers(name, seen.picture.state.consumer_count)
            .await;
        same(&server.world.picture(name).await, &seen.picture, name);
    }
    let done = server.world.standing("half").await;
    server
        .world
        .wait_standing(
            &source.world.standing("half").await,
            &seen[0].picture.messages,
        )
        .await;
    assert_eq!(done.0.name, "half");
}

#[tokio::test]
async fn extracted_message_archives_are_there() {
    extracted_streams_are_there("2.15.1").await;
}

#[tokio::test]
async fn extracted_block_archives_are_there() {
    extracted_streams_are_there("2.12.8").await;
}

/// A cluster deletes a stream that its meta layer does not know.
#[tokio::test]
async fn a_node_of_a_cluster_is_not_given_streams() {
    let source = World::start(1).await;
    source.fill(1, &json!({})).await;
    let taken = source.back_up(STREAM, "backup").await;
    let server = Server::start("2.15.1", 3).await;
    for node in server.world.cluster.nodes() {
        node.stop().await.unwrap();
    }
    let data = server.data();
    let before = entries(&data.join("jetstream"));
    let called = server.call_extract(&taken.directory).expect_code(15);
    assert!(called.stderr.contains("meta layer"), "{}", called.stderr);
    assert_eq!(entries(&data.join("jetstream")), before);
    // The directory inside the data directory is not the data directory.
    let inside = data.join("jetstream");
    let arguments = [
        "extract",
        taken.directory.to_str().unwrap(),
        inside.to_str().unwrap(),
    ];
    drop(Lifeboat::new().call(&arguments).expect_code(15));
}

/// A stopped server's own directory is an archive as well, with blocks compressed on disk.
#[tokio::test]
async fn a_store_is_read_as_it_lies_there() {
    let (server, _backups, seen) = back_up_all("2.12.8").await;
    server.world.cluster.nodes()[0].stop().await.unwrap();
    let streams = server
        .data()
        .join("jetstream")
        .join(server.account())
        .join("streams");
    for seen in &seen {
        compare(&streams.join(&seen.name), seen);
    }
    let block = fs::read(streams.join("PACKED").join("msgs").join("1.blk")).unwrap();
    assert!(block.starts_with(b"cmp"));
    // It becomes a backup that servers of the other generation restore.
    let target = server.world.path("converted");
    let from = streams.join("PACKED");
    let arguments = [from.to_str().unwrap(), target.to_str().unwrap()];
    let call = [&["convert", "--to", "message"], &arguments[..]].concat();
    drop(Lifeboat::new().call(&call).expect_code(0));
    compare(&BackupLayout::at(&target).archive(Form::Message), &seen[1]);
}

/// What the `nats` CLI wrote until 2021, and what it writes beside a saved configuration.
#[tokio::test]
async fn gzipped_archives_are_read() {
    for version in ["2.12.8", "2.15.1"] {
        let server = Server::start(version, 1).await;
        let world = &server.world;
        world.fill(1, &json!({})).await;
        let picture = world.picture(STREAM).await;
        let name = STREAM.to_owned();
        let seen = Seen { name, picture };
        let taken = world.back_up(STREAM, "backup").await;
        let archive = fs::read(BackupLayout::at(&taken.directory).archive(world.form())).unwrap();
        let mut plain = Vec::new();
        std::io::copy(&mut minlz::s2::Reader::new(&archive[..]), &mut plain).unwrap();
        let path = world.path("ORDERS.tgz");
        let mut zipped = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
        zipped.write_all(&plain).unwrap();
        zipped.finish().unwrap();
        compare(&path, &seen);
        let bare = world.path("bare");
        fs::write(&bare, &plain).unwrap();
        compare(&bare, &seen);
        // The archive alone tells no configuration when it is a message archive.
        let target = world.path("converted");
        let call = [
            "convert",
            path.to_str().unwrap(),
            target.to_str().unwrap(),
            "--to",
            "tar",
        ];
        let config = BackupLayout::at(&taken.directory).metadata();
        let config = ["--config", config.to_str().unwrap()];
        if world.form() == Form::Message {
            let called = Lifeboat::new().call(&call).expect_code(2);
            assert!(called.stderr.contains("--config"), "{}", called.stderr);
            assert!(!target.exists());
        }
        drop(
            Lifeboat::new()
                .call(&[&call[..], &config].concat())
                .expect_code(0),
        );
        // Cut off it is told to be so.
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        drop(
            Lifeboat::new()
                .call(&["verify", path.to_str().unwrap()])
                .expect_code(13),
        );
    }
}

/// Lines of `cat`.
fn cat(backup: &Path, more: &[&str]) -> Vec<Value> {
    let call = [&["cat", backup.to_str().unwrap()], more].concat();
    let called = Lifeboat::new().call(&call).expect_code(0);
    let lines = called.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn what_is_in_a_backup_is_told() {
    for version in ["2.12.8", "2.15.1"] {
        let server = Server::start(version, 1).await;
        let world = &server.world;
        world.fill(1, &json!({})).await;
        let picture = world.picture(STREAM).await;
        let taken = world.back_up(STREAM, "backup").await;
        let backup = &taken.directory;
        let call = [
            "info",
            backup.to_str().unwrap(),
            "--json",
            "--subjects",
            "0",
        ];
        let info = Lifeboat::new().call(&call).expect_code(0).json();
        assert_eq!(info["stream"], STREAM);
        assert_eq!(info["totals"]["messages"], picture.state.messages);
        assert_eq!(info["totals"]["bytes"], picture.state.bytes);
        assert_eq!(info["server"], version);
        let subjects = info["totals"]["subjects"].as_array().unwrap();
        let counted: u64 = subjects.iter().map(|pair| pair[1].as_u64().unwrap()).sum();
        assert_eq!(counted, picture.state.messages);
        assert_eq!(
            info["deleted"],
            picture.deleted.len() as u64 - 1,
            "one is before the first"
        );
        let half = info["consumers"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == "half");
        assert_eq!(half.unwrap()["pending"], 5);
        let text = Lifeboat::new().call(&call[..2]).expect_code(0).stdout;
        assert!(
            text.contains("größe.日本") && text.contains("more subjects"),
            "{text}"
        );
        messages_are_printed(backup, &picture);
    }
}

/// All messages, and those that are asked for.
fn messages_are_printed(backup: &Path, picture: &Picture) {
    let all = cat(backup, &[]);
    assert_eq!(all.len(), picture.messages.len());
    for (line, message) in all.iter().zip(&picture.messages) {
        assert_eq!(line["sequence"], message.sequence);
        assert_eq!(line["subject"], *message.subject);
        if let Some(payload) = line["payload"].as_str() {
            assert_eq!(payload.as_bytes(), message.payload);
        }
    }
    let twice = all
        .iter()
        .find(|line| line["headers"]["X-Twice"].is_array())
        .unwrap();
    assert_eq!(
        twice["headers"]["X-Twice"],
        json!(["one", "two, with: a colon"])
    );
    let some = cat(
        backup,
        &["--subject", "*.größe.>", "--from", "10", "--to", "40"],
    );
    assert!(
        some.iter()
            .all(|line| line["subject"] == format!("{STREAM}.größe.日本"))
    );
    assert_eq!(some.len(), 7);
    let time = all[20]["time"].as_str().unwrap();
    assert_eq!(cat(backup, &["--since", time, "-n", "3"])[0], all[20]);
    assert_eq!(cat(backup, &["--until", time]).len(), 21);
    for wrong in [["--since", "yesterday"], ["--subject", "a..b"]] {
        let call = [&["cat", backup.to_str().unwrap()], &wrong[..]].concat();
        drop(Lifeboat::new().call(&call).expect_code(2));
    }
}

/// A renamed stream is another stream, beside the first.
#[tokio::test]
async fn a_renamed_stream_is_restored_beside_the_first() {
    for (version, form) in [("2.12.8", "tar"), ("2.15.1", "message"), ("2.15.1", "tar")] {
        let server = Server::start(version, 1).await;
        let world = &server.world;
        world.fill(1, &json!({})).await;
        let before = world.picture(STREAM).await;
        let taken = world.back_up(STREAM, "backup").await;
        let target = world.path("renamed");
        let call = [
            "convert",
            taken.directory.to_str().unwrap(),
            target.to_str().unwrap(),
        ];
        let call = [&call[..], &["--to", form, "--rename", "OTHER"]].concat();
        drop(Lifeboat::new().call(&call).expect_code(0));
        // Two streams can't have the same subjects.
        world.remove(STREAM).await;
        drop(world.call_restore(&target, &[]).expect_code(0));
        let after = world.picture("OTHER").await;
        assert!(after.messages == before.messages, "{version} as {form}");
        let called = Lifeboat::new()
            .call(&[&call[..], &["--json"]].concat())
            .expect_code(15);
        assert!(
            called.stderr.contains("exists already"),
            "{}",
            called.stderr
        );
        let bad = ["--to", form, "--rename", "a.b"];
        let free = world.path("free");
        let call = [
            "convert",
            taken.directory.to_str().unwrap(),
            free.to_str().unwrap(),
        ];
        drop(
            Lifeboat::new()
                .call(&[&call[..], &bad].concat())
                .expect_code(2),
        );
        assert!(!free.exists());
    }
}
