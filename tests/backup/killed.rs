//! Backups and restores that are killed at random moments, with `kill -9` too. `LIFEBOAT_KILLS` says
//! how often; a few times are enough to notice that something broke.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat::archive::Level;
use lifeboat::offline::{AccountLook, Look, Verdict, verify, verify_account};
use lifeboat_harness::wait::{Probe, pause_for, until};
use serde_json::json;

use super::world::{PATIENCE, Picture, STREAM, World, say};
use crate::support::{Lifeboat, entries};

fn times(few: usize) -> usize {
    let asked = std::env::var("LIFEBOAT_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(few)
}

fn start(world: &World, lifeboat: &Lifeboat, arguments: &[&str]) -> Child {
    let connect = world.connect_arguments();
    let connect: Vec<&str> = connect.iter().map(String::as_str).collect();
    lifeboat
        .command(&[arguments, &connect].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// A moment in the middle of something that takes that long.
async fn random_moment(random: &mut fastrand::Rng, whole: Duration) {
    pause_for(whole.mul_f64(random.f64() * 1.1)).await;
}

/// What is there under its name is whole; everything else says that it is not.
fn check_backups(directory: &Path, whole: &mut usize) {
    for name in entries(directory) {
        let path = directory.join(&name);
        let (verdict, sealed) = if AccountLook::is_account(&path) {
            let look = AccountLook::at(&path).unwrap();
            let report = verify_account(&look, Level::Content, None).unwrap();
            (report.verdict, report.sealed)
        } else {
            match Look::at(&path) {
                Ok(look) => {
                    let report = verify(&look, Level::Content, None).unwrap();
                    (report.verdict, report.sealed)
                }
                // There is not even that much in it.
                Err(_) => (Verdict::Damaged, false),
            }
        };
        if name.starts_with(".lifeboat-partial-") {
            assert_eq!(verdict, Verdict::Damaged, "{name}");
        } else {
            assert_eq!((verdict, sealed), (Verdict::Sound, true), "{name}");
            *whole += 1;
        }
        fs::remove_dir_all(&path).unwrap();
    }
}

async fn kill_backups(world: &World, arguments: &[&str], count: usize, seed: u64) {
    let lifeboat = Lifeboat::new();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut whole = 0;
    let began = Instant::now();
    let mut child = start(world, &lifeboat, arguments);
    assert!(child.wait().unwrap().success());
    let took = began.elapsed();
    check_backups(world.directory.path(), &mut whole);
    assert_eq!(whole, 1);
    for _ in 0..count {
        let mut child = start(world, &lifeboat, arguments);
        random_moment(&mut random, took).await;
        child.kill().unwrap();
        child.wait().unwrap();
        check_backups(world.directory.path(), &mut whole);
    }
    let over = whole - 1;
    say(&format!(
        "{arguments:?}: {over} of {count} were over before they were killed"
    ));
}

#[tokio::test]
async fn a_backup_that_is_killed_never_looks_whole() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    world.publish_bulk(STREAM, 300, 100 << 10).await;
    let target = world.path("backup");
    let arguments = ["backup", "stream", STREAM, target.to_str().unwrap()];
    kill_backups(&world, &arguments, times(15), 1).await;
}

#[tokio::test]
async fn an_account_backup_that_is_killed_never_looks_whole() {
    let world = World::start_version(1, "2.14.6").await;
    for stream in ["A", "B", "C", "D"] {
        world.create(stream, 1, &json!({})).await;
        world.publish_bulk(stream, 50, 100 << 10).await;
    }
    let target = world.path("account");
    let arguments = ["backup", "account", target.to_str().unwrap()];
    kill_backups(&world, &arguments, times(10), 2).await;
}

/// How a restore is interrupted.
#[derive(Debug, Clone, Copy)]
enum How {
    ClientInterrupted,
    ClientKilled,
    ClientStalled,
    ServerKilled,
}

/// Either nothing is left, or all of it is there, or something that has the mark of a restore: what
/// a cluster keeps of one that was killed.
async fn all_or_nothing(world: &World, before: &Picture, how: How) {
    until(PATIENCE, || async {
        match world.connection.stream_info(STREAM).await {
            Err(error) if error.is_stream_not_found() => {}
            Ok(info) => {
                let is_marked = info.config["metadata"].get("lifeboat-restoring").is_some();
                let is_whole = info.state.messages == before.state.messages;
                // One that could not be compared is kept, marked, and compared by the next.
                let is_accounted_for = is_whole || (is_marked && matches!(how, How::ClientKilled));
                if is_accounted_for {
                    return Probe::Ready(());
                }
                return Probe::Pending(format!("{how:?}: {:?} {}", info.state, info.config));
            }
            seen => return Probe::Pending(format!("{how:?}: {seen:?}")),
        }
        match world.connection.stream_names().await {
            Ok(names) if names.is_empty() => Probe::Ready(()),
            seen => Probe::Pending(format!("{how:?}: {seen:?}")),
        }
    })
    .await
    .unwrap();
}

async fn interrupt_restores(nodes: usize, count: usize, seed: u64) {
    let world = World::start(nodes).await;
    world.create(STREAM, nodes, &json!({})).await;
    world.publish_bulk(STREAM, 400, 100 << 10).await;
    let before = world.picture(STREAM).await;
    let backup = world.back_up(STREAM, "backup").await.directory;
    world.remove(STREAM).await;
    let lifeboat = Lifeboat::new();
    let arguments = ["restore", "stream", backup.to_str().unwrap()];
    let began = Instant::now();
    assert!(
        start(&world, &lifeboat, &arguments)
            .wait()
            .unwrap()
            .success()
    );
    let took = began.elapsed();
    world.remove(STREAM).await;
    let mut random = fastrand::Rng::with_seed(seed);
    let hows = [
        How::ClientInterrupted,
        How::ClientKilled,
        How::ClientStalled,
        How::ServerKilled,
    ];
    for number in 0..count {
        let how = hows[number % hows.len()];
        let mut child = start(&world, &lifeboat, &arguments);
        random_moment(&mut random, took).await;
        match how {
            How::ClientInterrupted => signal(&child, "-INT"),
            How::ClientKilled => child.kill().unwrap(),
            How::ClientStalled => {
                signal(&child, "-STOP");
                // Servers give up after five seconds of silence.
                pause_for(Duration::from_secs(6)).await;
                signal(&child, "-CONT");
            }
            How::ServerKilled => {
                let nodes = world.cluster.nodes();
                let node = &nodes[random.usize(..nodes.len())];
                node.kill().await.unwrap();
                node.start().await.unwrap();
            }
        }
        child.wait().unwrap();
        all_or_nothing(&world, &before, how).await;
        // And then it succeeds, as if nothing had happened.
        let again = [&arguments[..], &["--if-exists", "skip"]].concat();
        let mut last = String::new();
        until(PATIENCE, || async {
            let called = world.call(&again);
            match called.code {
                Some(0) => Probe::Ready(()),
                _ => Probe::Pending(called.stderr),
            }
        })
        .await
        .unwrap_or_else(|error| last = error.to_string());
        assert_eq!(last, "", "{how:?}");
        assert_eq!(
            world.picture(STREAM).await.messages,
            before.messages,
            "{how:?}"
        );
        world.remove(STREAM).await;
    }
}

#[tokio::test]
async fn an_interrupted_restore_leaves_nothing_on_a_server() {
    interrupt_restores(1, times(4), 3).await;
}

#[tokio::test]
async fn an_interrupted_restore_leaves_nothing_in_a_cluster() {
    interrupt_restores(3, times(4), 4).await;
}
