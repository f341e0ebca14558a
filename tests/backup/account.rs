//! Whole accounts: every stream and every consumer is saved, or named.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lifeboat::archive::Level;
use lifeboat::offline::{Look, Verdict, verify};
use lifeboat_harness::wait::{Probe, until};
use serde_json::{Value, json};

use super::world::{PATIENCE, STREAM, World, read_json};
use crate::support::{Lifeboat, entries};

/// Streams of all sorts: replicated and not, in memory, a bucket, a mirror, one that is empty.
async fn fill_account(world: &World, replicas: usize) {
    world.fill(replicas, &json!({})).await;
    world.create("BULK", 1, &json!({})).await;
    world.publish_bulk("BULK", 300, 20 << 10).await;
    let memory = json!({ "storage": "memory", "max_msgs": 50 });
    world.create("MEMORY", replicas, &memory).await;
    for _ in 0..4 {
        world.publish_bulk("MEMORY", 10, 300).await;
    }
    for sequence in [3, 4, 17, 40] {
        let body = json!({ "seq": sequence });
        let call = "STREAM.MSG.DELETE.MEMORY";
        world.api(call, &body).await.unwrap();
    }
    let reader = json!({ "durable_name": "reader", "ack_policy": "explicit" });
    world
        .connection
        .create_consumer("MEMORY", &reader)
        .await
        .unwrap();
    world
        .read_from("MEMORY", "reader", 7, |number| number < 5)
        .await;
    world.create("EMPTY", 1, &json!({})).await;
    let mirror = json!({ "subjects": [], "mirror": { "name": "BULK" } });
    world.create("MIRROR", 1, &mirror).await;
    until(PATIENCE, || async {
        match world.connection.stream_info("MIRROR").await {
            Ok(info) if info.state.messages == 300 => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
}

/// Every stream's directory is sound, and there is nothing else.
fn check_account(directory: &Path, expected: &[&str]) {
    let mut names = entries(directory);
    names.sort_unstable();
    assert_eq!(names, expected);
    for name in names {
        let look = Look::at(&directory.join(&name)).unwrap();
        let report = verify(&look, Level::Content, None).unwrap();
        assert_eq!(report.verdict, Verdict::Sound, "{name}: {report:?}");
        assert!(report.sealed, "{name}");
    }
}

const STREAMS: [&str; 5] = ["BULK", "EMPTY", "MEMORY", "MIRROR", STREAM];

async fn an_account_of(version: &str, nodes: usize) {
    let world = World::start_version(nodes, version).await;
    fill_account(&world, nodes).await;
    let target = world.path("account");
    let memory = world.picture("MEMORY").await;
    let called = world
        .call(&["backup", "account", target.to_str().unwrap(), "--json"])
        .expect_code(0);
    check_account(&target, &STREAMS);
    let result = called.json();
    let record = &result["record"];
    // A server alone counts the consumer that the mirror reads with as well.
    let consumers = if nodes == 1 { 6 } else { 5 };
    let had = json!({ "streams": 5, "consumers": consumers });
    assert_eq!(record["had"], had);
    assert_eq!(result["taken"].as_object().unwrap().len(), 5);
    assert_eq!(result["lacks"], json!([]));
    // Everything on standard error is an event.
    let events: Vec<Value> = called
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let saved = events.iter().filter(|event| event["event"] == "saved");
    assert_eq!(saved.count(), 5, "{}", called.stderr);
    // The record is in the first stream's directory, where the `nats` CLI does not look.
    let written = read_json(&target.join("BULK/lifeboat-account.json"));
    assert_eq!(&written, record);
    let held = crate::support::read_archive(&target.join("MEMORY/stream.arc.s2")).unwrap();
    let messages: Vec<_> = held.messages.into_values().collect();
    assert_eq!(messages, memory.messages);
    // Every command knows what it is.
    let path = target.to_str().unwrap();
    let called = world.offline(&["verify", path]).expect_code(0);
    let verdict = format!("sound: 5 streams in {path}; sealed");
    assert_eq!(called.stdout.lines().last(), Some(&*verdict));
    let called = world.offline(&["info", path]).expect_code(0);
    assert!(called.stdout.contains("MIRROR"), "{}", called.stdout);
    let called = world.offline(&["cat", path]).expect_code(2);
    assert!(
        called.stderr.contains("several streams"),
        "{}",
        called.stderr
    );
    let again = world.call(&["backup", "account", target.to_str().unwrap()]);
    assert!(again.expect_code(15).stderr.contains("exists already"));
}

#[tokio::test]
async fn every_stream_of_an_account_is_saved_on_2_15() {
    an_account_of("2.15.1", 3).await;
}

#[tokio::test]
async fn every_stream_of_an_account_is_saved_on_2_14() {
    an_account_of("2.14.6", 3).await;
}

#[tokio::test]
async fn every_stream_of_an_account_is_saved_on_2_10() {
    an_account_of("2.10.26", 1).await;
}

/// A node is down, and with it the only copy of a stream: it is named. When the node is back, the
/// backup is completed, and nothing is taken twice.
#[tokio::test]
async fn a_stream_that_is_out_of_reach_is_named_and_saved_later() {
    let world = World::start(3).await;
    for (stream, replicas) in [("ONE", 1), ("THREE", 3)] {
        world.create(stream, replicas, &json!({})).await;
        world.publish_bulk(stream, 20, 1000).await;
    }
    let info = world.connection.stream_info("ONE").await.unwrap();
    let node = world.cluster.node(info.leader().unwrap());
    node.kill().await.unwrap();
    until(PATIENCE, || async {
        let leader = world.cluster.meta_leader().await;
        let three = world.connection.stream_info("THREE").await;
        match (&leader, &three) {
            (Some(meta), Ok(info))
                if meta != node.name() && info.leader().is_some_and(|one| one != node.name()) =>
            {
                Probe::Ready(())
            }
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    let target = world.path("account");
    let arguments = [
        "backup",
        "account",
        target.to_str().unwrap(),
        "--retries",
        "0",
    ];
    let called = world.call(&arguments).expect_code(12);
    assert!(
        called.stderr.contains("stream ONE is not saved"),
        "{}",
        called.stderr
    );
    check_account(&target, &["THREE"]);
    let called = world
        .offline(&["verify", target.to_str().unwrap()])
        .expect_code(12);
    assert!(
        called.stdout.contains("stream ONE is not saved"),
        "{}",
        called.stdout
    );
    let before = read_json(&target.join("THREE/lifeboat.json"));
    node.start().await.unwrap();
    world.wait_consumers("ONE", 0).await;
    let resume = [&arguments[..], &["--resume"]].concat();
    let called = world.call(&resume).expect_code(0);
    assert!(
        called.stdout.contains("1 saved before"),
        "{}",
        called.stdout
    );
    check_account(&target, &["ONE", "THREE"]);
    assert_eq!(read_json(&target.join("THREE/lifeboat.json")), before);
    let record = read_json(&target.join("ONE/lifeboat-account.json"));
    assert_eq!(record["streams"]["ONE"]["outcome"], "saved");
    assert!(!target.join("THREE/lifeboat-account.json").exists());
}

#[tokio::test]
async fn streams_are_chosen_by_name() {
    let world = World::start(1).await;
    for stream in ["ORDERS-EU", "ORDERS-US", "AUDIT"] {
        world.create(stream, 1, &json!({})).await;
    }
    let target = world.path("account");
    let arguments = [
        "backup",
        "account",
        target.to_str().unwrap(),
        "--include",
        "ORDERS-*",
        "--exclude",
        "*-US",
    ];
    let called = world.call(&arguments).expect_code(0);
    assert!(
        called.stdout.contains("2 not asked for"),
        "{}",
        called.stdout
    );
    check_account(&target, &["ORDERS-EU"]);
    let other = world.path("other");
    let arguments = [
        "backup",
        "account",
        other.to_str().unwrap(),
        "--include",
        "X*",
    ];
    let called = world.call(&arguments).expect_code(2);
    assert!(
        called.stderr.contains("none of the account's 3 streams"),
        "{}",
        called.stderr
    );
    assert!(!other.exists());
}

#[tokio::test]
async fn an_account_without_streams_is_saved_as_such() {
    let world = World::start(1).await;
    let target = world.path("account");
    let _called = world
        .call(&["backup", "account", target.to_str().unwrap()])
        .expect_code(0);
    assert_eq!(entries(&target), ["lifeboat-account.json"]);
}

/// Killed in the middle, it has no directory of its name; continued, it takes what was missing.
#[tokio::test]
async fn an_account_backup_that_is_killed_is_continued() {
    let world = World::start(3).await;
    for stream in ["A", "B", "C", "D", "E", "F"] {
        world.create(stream, 1, &json!({})).await;
        world.publish_bulk(stream, 50, 20 << 10).await;
    }
    let target = world.path("account");
    let hidden = world.path(".lifeboat-partial-account");
    let arguments = ["backup", "account", target.to_str().unwrap(), "--jobs", "1"];
    // Without a slow network it could be over between two looks.
    let around = world.cluster.around(&["n1"]).unwrap().with_clients();
    around.delay(Duration::from_millis(50)).await.unwrap();
    let lifeboat = Lifeboat::new();
    let slow = world.cluster.node("n1").client_url().unwrap();
    let user = world.cluster.credentials();
    let login = ["--user", &user.user, "--password", &user.password];
    let mut child = lifeboat
        .command(&[&arguments[..], &["--server", &slow], &login].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(Duration::from_secs(20), || async {
        if hidden.join("B").exists() {
            Probe::Ready(())
        } else {
            Probe::Pending(String::from("nothing is saved"))
        }
    })
    .await
    .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    around.heal().await.unwrap();
    assert!(!target.exists(), "it was over already");
    let called = world.call(&arguments).expect_code(15);
    assert!(called.stderr.contains("--resume"), "{}", called.stderr);
    let called = world
        .offline(&["verify", hidden.to_str().unwrap()])
        .expect_code(13);
    assert!(called.stdout.contains("interrupted"), "{}", called.stdout);
    let resume = [&arguments[..], &["--resume"]].concat();
    let called = world.call(&resume).expect_code(0);
    assert!(called.stdout.contains("saved before"), "{}", called.stdout);
    check_account(&target, &["A", "B", "C", "D", "E", "F"]);
    assert_eq!(entries(world.directory.path()), ["account"]);
}

/// Servers to 2.14 leave out consumers whose only replica is on another node than the stream's
/// leader: they are named, and saved beside the archive.
#[tokio::test]
async fn a_consumer_that_the_server_leaves_out_is_saved_beside_the_archive() {
    let world = World::start_version(3, "2.14.6").await;
    world.create(STREAM, 3, &json!({})).await;
    world.publish_bulk(STREAM, 30, 100).await;
    for number in 0..6 {
        let config = json!({
            "durable_name": format!("c{number}"), "ack_policy": "explicit", "num_replicas": 1,
        });
        world
            .connection
            .create_consumer(STREAM, &config)
            .await
            .unwrap();
        world
            .read_from(STREAM, &format!("c{number}"), 5, |at| at < 3)
            .await;
    }
    let memory = json!({ "durable_name": "mem", "ack_policy": "explicit", "mem_storage": true });
    world
        .connection
        .create_consumer(STREAM, &memory)
        .await
        .unwrap();
    world.lead_elsewhere(STREAM, "c0").await;
    let target = world.path("backup");
    let called = world.call_backup(STREAM, &target).expect_code(12);
    assert!(called.stderr.contains("consumer mem"), "{}", called.stderr);
    let manifest = read_json(&target.join("lifeboat.json"));
    let saved = read_json(&target.join("lifeboat-consumers.json"));
    let (kept, missing) = (
        manifest["consumers"].as_array().unwrap(),
        manifest["missing_consumers"].as_array().unwrap(),
    );
    assert_eq!(kept.len() + missing.len(), 7, "{manifest}");
    assert!(missing.len() >= 2, "{manifest}");
    for name in missing {
        let one = saved
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == *name);
        let one = one.unwrap();
        assert_eq!(one["why"], "left-out");
        let floor = if name == "mem" { 0 } else { 3 };
        assert_eq!(one["ack_floor"]["stream_seq"], floor, "{one}");
    }
}

/// What another tool, or a hand, did to an account's backup is told.
#[tokio::test]
async fn what_is_missing_from_an_account_is_told_without_a_server() {
    let world = World::start(1).await;
    for stream in ["A", "B"] {
        world.create(stream, 1, &json!({})).await;
        world.publish_bulk(stream, 20, 100).await;
    }
    let target = world.path("account");
    let path = target.to_str().unwrap();
    let _taken = world.call(&["backup", "account", path]).expect_code(0);
    // One of another moment in its place.
    let other = world.path("other");
    world.publish_bulk("B", 1, 100).await;
    let _taken = world.call_backup("B", &other).expect_code(0);
    std::fs::remove_dir_all(target.join("B")).unwrap();
    let called = world.offline(&["verify", path]).expect_code(13);
    assert!(
        called.stdout.contains("not there any more"),
        "{}",
        called.stdout
    );
    std::fs::rename(&other, target.join("B")).unwrap();
    let called = world.offline(&["verify", path]).expect_code(13);
    assert!(
        called.stdout.contains("not the one that was saved"),
        "{}",
        called.stdout
    );
    std::fs::write(target.join("notes.txt"), "mine").unwrap();
    std::fs::remove_file(target.join("A/lifeboat-account.json")).unwrap();
    let called = world.offline(&["verify", path]).expect_code(0);
    for part in ["notes.txt", "nothing proves", "not sealed"] {
        assert!(called.stdout.contains(part), "{part}: {}", called.stdout);
    }
}

/// A finished backup is completed, and nothing in it is ever overwritten: not even by another stream
/// of the same name.
#[tokio::test]
async fn a_finished_backup_keeps_what_it_has() {
    let world = World::start(1).await;
    world.create("A", 1, &json!({})).await;
    world.publish_bulk("A", 20, 100).await;
    let target = world.path("account");
    let arguments = ["backup", "account", target.to_str().unwrap()];
    let _taken = world.call(&arguments).expect_code(0);
    let before = read_json(&target.join("A/lifeboat.json"));
    world.remove("A").await;
    world.create("A", 1, &json!({})).await;
    world.publish_bulk("A", 3, 100).await;
    world.create("B", 1, &json!({})).await;
    let resume = [&arguments[..], &["--resume"]].concat();
    let called = world.call(&resume).expect_code(12);
    assert!(
        called.stderr.contains("stream A is not saved"),
        "{}",
        called.stderr
    );
    check_account(&target, &["A", "B"]);
    assert_eq!(read_json(&target.join("A/lifeboat.json")), before);
}
