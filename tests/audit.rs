//! Audits of real servers: what would be lost, on which node, and what backups save of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_harness::wait::{Probe, pause_for, until};
use lifeboat_harness::{Cluster, parse_version};
use serde_json::{Value, json};

use crate::backup::world::{PATIENCE, World, edit_json};
use crate::support::{Called, Lifeboat};

/// The oldest and the newest generation.
const VERSIONS: [&str; 2] = ["2.10.26", "2.15.1"];

/// Streams of one, two and three replicas, one in memory, and consumers of several sorts.
async fn world(version: &str) -> World {
    let world = World::start_version(3, version).await;
    let memory = json!({ "storage": "memory" });
    for (stream, replicas, more) in [
        ("ONE", 1, &json!({})),
        ("TWO", 2, &json!({})),
        ("THREE", 3, &json!({})),
        ("MEM", 1, &memory),
    ] {
        world.create(stream, replicas, more).await;
        world.publish_bulk(stream, 10, 100).await;
    }
    for (stream, name, more) in [
        ("THREE", "whole", json!({})),
        ("THREE", "single", json!({ "num_replicas": 1 })),
        ("ONE", "reader", json!({})),
        ("ONE", "forgetful", json!({ "mem_storage": true })),
    ] {
        let mut config = json!({ "durable_name": name, "ack_policy": "explicit" });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        world
            .connection
            .create_consumer(stream, &config)
            .await
            .unwrap();
    }
    for (stream, copies) in [("ONE", 1), ("TWO", 2), ("THREE", 3), ("MEM", 1)] {
        world.wait_copies(stream, copies).await;
    }
    world
}

fn audit(world: &World, more: &[&str]) -> Called {
    world.call(&[&["audit"], more].concat())
}

/// With a second user, who is of the system account.
fn audit_by_system(world: &World, more: &[&str]) -> Called {
    let system = world.cluster.system_credentials();
    let system = [
        "--sys-user",
        &system.user,
        "--sys-password",
        &system.password,
    ];
    audit(world, &[more, &system].concat())
}

/// The severity of each finding of that kind, with the name of its stream.
fn found<'a>(audit: &'a Value, kind: &str) -> Vec<(&'a str, &'a str)> {
    let findings = audit["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["kind"] == kind)
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap_or_default();
            (text("severity"), text("stream"))
        })
        .collect()
}

/// The first finding of that kind about that stream.
fn finding<'a>(audit: &'a Value, kind: &str, stream: &str) -> &'a Value {
    let mut findings = audit["findings"].as_array().unwrap().iter();
    findings
        .find(|finding| finding["kind"] == kind && finding["stream"] == stream)
        .unwrap_or_else(|| panic!("no {kind} of {stream}: {audit:#}"))
}

fn stream<'a>(audit: &'a Value, name: &str) -> &'a Value {
    let mut streams = audit["streams"].as_array().unwrap().iter();
    streams.find(|stream| stream["name"] == name).unwrap()
}

fn detail(finding: &Value) -> &str {
    finding["detail"].as_str().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn leader(world: &World, stream: &str) -> String {
    let info = world.connection.stream_info(stream).await.unwrap();
    info.leader().unwrap().to_owned()
}

async fn every_single_copy_is_told_with_its_node(version: &str) {
    let world = world(version).await;
    let node = leader(&world, "ONE").await;
    let called = audit_by_system(&world, &["--json"]).expect_code(10);
    let seen = called.json();
    assert_eq!(found(&seen, "r1-stream"), [("critical", "ONE")], "{seen:#}");
    let one = finding(&seen, "r1-stream", "ONE");
    assert_eq!(one["node"], *node);
    let expected = format!("only copy is on {node}: lost with its disk; 10 messages, ");
    assert!(detail(one).starts_with(&expected), "{one}");
    assert!(detail(one).contains("written to disk every 2m"), "{one}");
    assert_eq!(found(&seen, "memory-stream"), [("critical", "MEM")]);
    assert_eq!(found(&seen, "r2-stream"), [("warning", "TWO")]);
    let single = finding(&seen, "r1-consumer", "THREE");
    assert_eq!(single["consumer"], "single");
    let consumer = world.api("CONSUMER.INFO.THREE.single", &json!({})).await;
    assert_eq!(single["node"], consumer.unwrap()["cluster"]["leader"]);
    assert_eq!(found(&seen, "r1-consumer").len(), 1);
    let forgetful = finding(&seen, "memory-consumer", "ONE");
    assert_eq!(
        (&forgetful["consumer"], &forgetful["node"]),
        (&json!("forgetful"), &json!(node))
    );
    // Nothing is wrong with the replicas, and the servers agree with each other.
    assert_eq!(found(&seen, "sync-interval").len(), 1, "{seen:#}");
    assert_eq!(seen["findings"].as_array().unwrap().len(), 6, "{seen:#}");
    let unchecked = seen["unchecked"].as_array().unwrap();
    assert_eq!(unchecked.len(), 1, "{seen:#}");
    assert!(unchecked[0]["what"].as_str().unwrap().contains("--backups"));
    let table = stream(&seen, "THREE");
    assert_eq!(table["nodes"], json!(["n1", "n2", "n3"]));
    for (key, value) in [
        ("replicas", json!(3)),
        ("messages", json!(10)),
        ("last_sequence", json!(10)),
        ("consumers", json!(2)),
        ("last_backup", json!(null)),
    ] {
        assert_eq!(table[key], value, "{key}");
    }
    told_as_text(&world);
}

/// For people: the worst first, what was not checked, and the sum at the end.
fn told_as_text(world: &World) {
    let called = audit(world, &[]).expect_code(10);
    let lines: Vec<_> = called.stdout.lines().collect();
    assert!(
        lines[0].starts_with("critical r1-stream ONE: only copy"),
        "{lines:#?}"
    );
    assert_eq!(
        *lines.last().unwrap(),
        "2 critical, 3 warnings, 0 notes; 4 streams, 4 consumers"
    );
    assert!(
        called
            .stdout
            .contains("not checked: replicas were compared by their leaders' flags")
    );
    let _exit = audit(world, &["--fail-on", "never"]).expect_code(0);
    let only = ["--include", "T*", "--exclude", "TWO"];
    let called = audit(world, &only).expect_code(0);
    assert!(
        called
            .stdout
            .contains("1 warning, 0 notes; 1 stream, 2 consumers"),
        "{}",
        called.stdout
    );
    let _exit = audit(world, &["--include", "NOBODY"]).expect_code(2);
}

#[tokio::test]
async fn every_single_copy_is_told_with_its_node_on_2_10() {
    every_single_copy_is_told_with_its_node(VERSIONS[0]).await;
}

#[tokio::test]
async fn every_single_copy_is_told_with_its_node_on_2_15() {
    every_single_copy_is_told_with_its_node(VERSIONS[1]).await;
}

/// A dead node takes the stream that was only there, and a replica of the others.
async fn a_dead_node_is_told_by_what_it_takes(version: &str) {
    let builder = Cluster::builder().version(parse_version(version).unwrap());
    let world = World::launch(builder.tags(["n1"]).tags(["n2"]).tags(["n3"])).await;
    world.create("THREE", 3, &json!({})).await;
    world.publish_bulk("THREE", 10, 100).await;
    let held = leader(&world, "THREE").await;
    // Its node does not lead the other stream, so that nobody has to be elected.
    let placed = if held == "n1" { "n2" } else { "n1" };
    let placement = json!({ "placement": { "tags": [placed] } });
    world.create("ONE", 1, &placement).await;
    assert_eq!(leader(&world, "ONE").await, placed);
    world.wait_copies("THREE", 3).await;
    world.cluster.node(placed).kill().await.unwrap();
    // Until a leader notices, what it says of its replica is what it saw last.
    until(PATIENCE, || async {
        let subject = "THREE.one";
        world.client.publish(subject, "more".into()).await.unwrap();
        let Ok(info) = world.connection.stream_info("THREE").await else {
            return Probe::Pending(String::from("no answer"));
        };
        let replicas = info.cluster.unwrap().replicas;
        match replicas.iter().find(|one| one.name == placed) {
            Some(one) if one.lag > 0 || one.offline || !one.current => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    let timeout = ["--timeout", "1s"];
    let called = audit_by_system(&world, &[&timeout[..], &["--json"]].concat()).expect_code(10);
    let seen = called.json();
    assert_eq!(found(&seen, "stream-unreachable"), [("critical", "ONE")]);
    assert_eq!(stream(&seen, "ONE")["reachable"], false);
    let one = finding(&seen, "stream-unreachable", "ONE");
    assert!(
        detail(one).contains("it is on no server that answers (n"),
        "{one}"
    );
    let three: Vec<_> = ["replica-behind", "replica-offline"]
        .iter()
        .flat_map(|kind| found(&seen, kind))
        .collect();
    assert_eq!(three, [("warning", "THREE")], "{seen:#}");
    let silent = called
        .stdout
        .contains(&format!("what the copies on {placed} hold"));
    assert!(silent, "{seen:#}");
    // What got no answer is never a success, whatever is thought of what was found.
    let never = [&timeout[..], &["--fail-on", "never"]].concat();
    let called = audit(&world, &never).expect_code(11);
    let silent = called.stdout.contains("no answer: what stream ONE holds");
    assert!(silent, "{}", called.stdout);
    // Nor is it when all that is critical is left out.
    let only = [&timeout[..], &["--include", "THREE"]].concat();
    let _exit = audit_by_system(&world, &only).expect_code(11);
}

#[tokio::test]
async fn a_dead_node_is_told_by_what_it_takes_on_2_10() {
    a_dead_node_is_told_by_what_it_takes(VERSIONS[0]).await;
}

#[tokio::test]
async fn a_dead_node_is_told_by_what_it_takes_on_2_15() {
    a_dead_node_is_told_by_what_it_takes(VERSIONS[1]).await;
}

/// A node that ends in good order says goodbye: then all others know what was on it.
async fn a_node_that_said_goodbye_is_named(version: &str) {
    let world = world(version).await;
    let node = leader(&world, "ONE").await;
    world.cluster.node(&node).terminate().await.unwrap();
    until(PATIENCE, || async {
        let info = world.connection.stream_info("THREE").await;
        match info.map(|info| info.cluster.unwrap()) {
            Ok(group) if group.replicas.iter().any(|one| one.offline) => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    let streams = ["--include", "ONE", "--include", "THREE"];
    let arguments = [&["--timeout", "2s", "--json"], &streams[..]].concat();
    let seen = audit(&world, &arguments).expect_code(10).json();
    let one = finding(&seen, "stream-unreachable", "ONE");
    assert_eq!(one["node"], *node, "{seen:#}");
    assert!(detail(one).contains(&format!("it is on {node}; ")), "{one}");
    assert_eq!(stream(&seen, "ONE")["nodes"], json!([node]));
    assert_eq!(finding(&seen, "replica-offline", "THREE")["node"], *node);
    assert_eq!(found(&seen, "replica-behind"), []);
}

#[tokio::test]
async fn a_node_that_said_goodbye_is_named_on_2_10() {
    a_node_that_said_goodbye_is_named(VERSIONS[0]).await;
}

#[tokio::test]
async fn a_node_that_said_goodbye_is_named_on_2_15() {
    a_node_that_said_goodbye_is_named(VERSIONS[1]).await;
}

/// Servers count at slightly different moments, and messages come meanwhile: nothing is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_of_a_busy_stream_are_not_called_unequal() {
    let world = World::start(3).await;
    world.create("BUSY", 3, &json!({ "max_msgs": 500 })).await;
    let client = world.client.clone();
    let publishing = tokio::spawn(async move {
        loop {
            for _ in 0..20 {
                client.publish("BUSY.x", "x".into()).await.unwrap();
            }
            pause_for(Duration::from_millis(5)).await;
        }
    });
    world.wait_consumers("BUSY", 0).await;
    for _ in 0..3 {
        let called = audit_by_system(&world, &["--fail-on", "warning"]).expect_code(0);
        assert!(!called.stdout.contains("no answer"), "{}", called.stdout);
    }
    publishing.abort();
}

/// A standalone server has one copy of everything; a backup makes a warning of it, and says
/// how many messages came since.
async fn a_backup_says_what_would_be_lost(version: &str) {
    let world = World::start_version(1, version).await;
    for name in ["ONE", "BARE"] {
        world.create(name, 1, &json!({})).await;
        world.publish_bulk(name, 10, 100).await;
    }
    let account = world.path("all");
    let _saved = world
        .call(&["backup", "account", path(&account), "--include", "ONE"])
        .expect_code(0);
    world.publish_bulk("ONE", 3, 100).await;
    let directory = world.directory.path().to_owned();
    for backups in [&directory, &account, &account.join("ONE")] {
        let arguments = ["--json", "--backups", path(backups)];
        let called = audit(&world, &arguments).expect_code(10);
        let seen = called.json();
        let mut streams = found(&seen, "r1-stream");
        streams.sort_unstable();
        assert_eq!(streams, [("critical", "BARE"), ("warning", "ONE")]);
        assert_eq!(found(&seen, "backup-missing"), [("warning", "BARE")]);
        let one = finding(&seen, "r1-stream", "ONE");
        assert_eq!(one["node"], "n1");
        assert!(detail(one).contains(" old, 3 messages since"), "{one}");
        let told = stream(&seen, "ONE");
        assert_eq!(told["messages_since"], 3);
        assert_eq!(told["last_backup"]["last_sequence"], 10);
        assert_eq!(told["last_backup"]["fresh"], true);
    }
    let backups = ["--backups", path(&account), "--include", "ONE"];
    let _exit = audit(&world, &backups).expect_code(0);
    let _exit = audit(&world, &[&backups[..], &["--fail-on", "warning"]].concat()).expect_code(10);
    too_old_or_worthless_is_no_cover(&world, &account, &backups).await;
}

async fn too_old_or_worthless_is_no_cover(world: &World, account: &Path, backups: &[&str]) {
    let json = [backups, &["--json", "--max-age", "1h"]].concat();
    let _exit = audit(world, &json).expect_code(0);
    let manifest = account.join("ONE/lifeboat.json");
    let taken = fs::read_to_string(&manifest).unwrap();
    edit_json(&manifest, |manifest| {
        manifest["taken_at"] = json!("2026-01-02T03:04:05Z")
    });
    let seen = audit(world, &json).expect_code(10).json();
    assert_eq!(found(&seen, "r1-stream"), [("critical", "ONE")]);
    assert_eq!(found(&seen, "backup-stale"), [("warning", "ONE")]);
    assert_eq!(stream(&seen, "ONE")["messages_since"], 3);
    fs::write(&manifest, &taken).unwrap();
    // A later one that is not whole does not count, nor one that is being made, nor one whose
    // archive is cut off.
    let later = |name: &str| {
        let to = world.path(name);
        copy(&account.join("ONE"), &to);
        to
    };
    let (unsealed, partial) = (later("unsealed"), later(".lifeboat-partial-x"));
    let cut = later("cut");
    fs::remove_file(unsealed.join("lifeboat.json")).unwrap();
    fs::remove_dir_all(account).unwrap();
    let archive = cut.join(world.form().file_name());
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[1..]).unwrap();
    let all = [
        "--json",
        "--include",
        "ONE",
        "--backups",
        path(world.directory.path()),
    ];
    let called = audit(world, &all).expect_code(10);
    let seen = called.json();
    assert_eq!(found(&seen, "backup-missing"), [("warning", "ONE")]);
    assert_eq!(found(&seen, "backup-unsealed"), [("note", "ONE")]);
    assert_eq!(found(&seen, "backup-unusable"), [("warning", "ONE")]);
    assert_eq!(found(&seen, "backup-unfinished").len(), 1);
    for named in [&unsealed, &partial, &cut] {
        assert!(called.stdout.contains(path(named)), "{seen:#}");
    }
    // A stream that begins anew is not what was backed up.
    fs::write(&archive, &bytes).unwrap();
    world.remove("ONE").await;
    world.create("ONE", 1, &json!({})).await;
    let seen = audit(world, &all).expect_code(10).json();
    assert_eq!(found(&seen, "backup-ahead"), [("warning", "ONE")]);
    assert_eq!(found(&seen, "backup-of-earlier-stream"), [("note", "ONE")]);
    assert_eq!(found(&seen, "r1-stream"), [("critical", "ONE")]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[tokio::test]
async fn a_backup_says_what_would_be_lost_on_2_10() {
    a_backup_says_what_would_be_lost(VERSIONS[0]).await;
}

#[tokio::test]
async fn a_backup_says_what_would_be_lost_on_2_15() {
    a_backup_says_what_would_be_lost(VERSIONS[1]).await;
}

/// A replica that lost a block calls itself current, and its leader calls it so.
async fn a_replica_that_lost_messages_is_found_by_counts(version: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let builder = Cluster::builder()
        .version(parse_version(version).unwrap())
        .scratch_root(scratch.path());
    let world = World::launch(builder).await;
    // Enough for three blocks of 8 MiB.
    world.create("THREE", 3, &json!({})).await;
    world.publish_bulk("THREE", 200, 100_000).await;
    world.wait_copies("THREE", 3).await;
    let _exit = audit_by_system(&world, &[]).expect_code(0);
    let lead = leader(&world, "THREE").await;
    let node = if lead == "n1" { "n2" } else { "n1" };
    world.cluster.node(node).terminate().await.unwrap();
    let blocks = find(scratch.path(), &node.replace('n', "node-"), "THREE/msgs");
    fs::remove_file(blocks.join("2.blk")).unwrap();
    fs::remove_file(blocks.join("index.db")).unwrap();
    world.cluster.node(node).start().await.unwrap();
    world.cluster.wait_ready(PATIENCE).await.unwrap();
    until(PATIENCE, || async {
        let info = world.connection.stream_info("THREE").await.unwrap();
        let replicas = info.cluster.unwrap().replicas;
        if replicas.iter().all(|one| one.current && one.lag == 0) {
            Probe::Ready(())
        } else {
            Probe::Pending(format!("{replicas:?}"))
        }
    })
    .await
    .unwrap();
    let blind = audit(&world, &[]).expect_code(0);
    assert!(
        blind
            .stdout
            .contains("compared by their leaders' flags only")
    );
    let seen = audit_by_system(&world, &["--json"]).expect_code(10).json();
    assert_eq!(found(&seen, "replicas-unequal"), [("critical", "THREE")]);
    assert_eq!(finding(&seen, "replicas-unequal", "THREE")["node"], node);
}

/// The directory whose path ends so, below one whose path has `part` in it.
fn find(root: &Path, part: &str, end: &str) -> PathBuf {
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        if directory.ends_with(end) && path(&directory).contains(part) {
            return directory;
        }
        let entries = fs::read_dir(&directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        waiting.extend(paths.filter(|path| path.is_dir()));
    }
    panic!("no {end} below {}", root.display());
}

#[tokio::test]
async fn a_replica_that_lost_messages_is_found_by_counts_on_2_10() {
    a_replica_that_lost_messages_is_found_by_counts(VERSIONS[0]).await;
}

#[tokio::test]
async fn a_replica_that_lost_messages_is_found_by_counts_on_2_15() {
    a_replica_that_lost_messages_is_found_by_counts(VERSIONS[1]).await;
}

/// A context of the nats CLI may tell who asks the servers.
#[tokio::test]
async fn the_system_account_may_be_a_context() {
    let world = World::start(1).await;
    world.create("ONE", 1, &json!({})).await;
    let system = world.cluster.system_credentials();
    let context = world.path("system.json");
    let urls = world.cluster.client_urls().join(",");
    let text = json!({ "url": urls, "user": system.user, "password": system.password });
    fs::write(&context, text.to_string()).unwrap();
    let arguments = ["--json", "--sys-context", path(&context)];
    let seen = audit(&world, &arguments).expect_code(10).json();
    let servers = finding(&seen, "r1-stream", "ONE");
    assert!(
        detail(servers).contains("written to disk every 2m"),
        "{seen:#}"
    );
    assert_eq!(found(&seen, "sync-interval").len(), 1);
    let nowhere = ["--sys-context", "/no/such/context"];
    let _exit = audit(&world, &nowhere).expect_code(2);
}

/// A question that was asked and not answered is no success, even when all else is well.
#[tokio::test]
async fn a_user_who_may_not_ask_servers_makes_the_audit_inconclusive() {
    let world = World::start(1).await;
    let user = world.cluster.credentials();
    for password in [user.password.as_str(), "wrong"] {
        let login = ["--sys-user", &user.user, "--sys-password", password];
        let called = audit(&world, &login).expect_code(11);
        assert!(called.stdout.contains("no answer: "), "{}", called.stdout);
        assert!(called.stdout.ends_with("0 streams, 0 consumers\n"));
    }
    let _exit = audit(&world, &[]).expect_code(0);
}

#[test]
fn an_audit_without_a_server_or_with_wrong_arguments_says_so() {
    let lifeboat = Lifeboat::new();
    let called = lifeboat.call(&["audit", "--server", "nats://127.0.0.1:1"]);
    let _exit = called.expect_code(14);
    for wrong in [
        &["--fail-on", "anything"][..],
        &["--max-age", "1h"],
        &["--sys-user", "me", "--sys-creds", "file"],
        &["--sys-user", "me"],
    ] {
        let _exit = lifeboat.call(&[&["audit"], wrong].concat()).expect_code(2);
    }
}
