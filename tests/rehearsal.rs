//! Rehearsals of backups: what comes back is compared and used, what does not is named, and nothing is
//! left or touched.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Cluster, StoreArea, parse_version};
use serde_json::{Value, json};

use crate::backup::world::{PATIENCE, STREAM, World};
use crate::support::{Called, Lifeboat, entries, expect_valid};

/// Rehearses a backup; a server that the environment asks for does not count.
fn rehearse(lifeboat: &Lifeboat, backup: &Path, more: &[&str]) -> Called {
    let arguments = ["drill", "backup", backup.to_str().unwrap(), "--no-progress"];
    let mut command = lifeboat.command(&[&arguments[..], more].concat());
    command.env_remove("LIFEBOAT_SERVER_VERSION");
    Called::from(command.output().unwrap())
}

fn stream<'a>(rehearsal: &'a Value, name: &str) -> &'a Value {
    let mut streams = rehearsal["streams"].as_array().unwrap().iter();
    streams.find(|one| one["stream"] == name).unwrap()
}

fn check<'a>(checked: &'a Value, name: &str) -> &'a Value {
    let mut checks = checked["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name).unwrap()
}

#[track_caller]
fn expect(checked: &Value, name: &str, outcome: &str, words: &str) {
    let check = check(checked, name);
    assert_eq!(check["outcome"], outcome, "{name}: {check}");
    let detail = check["detail"].as_str().unwrap();
    assert!(detail.contains(words), "{name}: {detail}");
    assert_eq!(check.get("means").is_some(), outcome == "broken", "{check}");
}

/// Backs an account up, and returns where.
fn save_account(world: &World) -> std::path::PathBuf {
    let target = world.path("account");
    let arguments = ["backup", "account", target.to_str().unwrap()];
    let _called = world.call(&arguments).expect_code(0);
    target
}

/// An account with a stream of each kind that is used in another way.
async fn fill_account(world: &World) {
    world.fill(3, &json!({})).await;
    world
        .create("QUEUE", 1, &json!({ "retention": "workqueue" }))
        .await;
    world.publish_bulk("QUEUE", 20, 100).await;
    let worker = json!({ "durable_name": "worker", "ack_policy": "explicit" });
    world
        .connection
        .create_consumer("QUEUE", &worker)
        .await
        .unwrap();
    world
        .create("FULL", 1, &json!({ "max_msgs": 5, "discard": "new" }))
        .await;
    world.publish_bulk("FULL", 5, 10).await;
    // A production cluster has that much; whoever rehearses need not.
    let placed = json!({ "max_bytes": 1_u64 << 42, "placement": { "tags": ["az:1"] } });
    world.create("PLACED", 1, &placed).await;
    let mirror = json!({ "mirror": { "name": STREAM }, "subjects": [] });
    world.create("MIRROR", 1, &mirror).await;
    // Deleted at its end are some that a mirror never sees.
    let held = world.connection.stream_info(STREAM).await.unwrap().state;
    until(PATIENCE, || async {
        match world.connection.stream_info("MIRROR").await {
            Ok(info) if info.state.messages == held.messages => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_accounts_backup_is_rehearsed_on_the_version_that_made_it() {
    let builder = Cluster::builder()
        .nodes(3)
        .version(parse_version("2.14.6").unwrap())
        .reserve(1 << 50, 1 << 50)
        .tags(["az:1"]);
    let world = World::launch(builder).await;
    fill_account(&world).await;
    let target = save_account(&world);
    let lifeboat = Lifeboat::new();
    let called = rehearse(&lifeboat, &target, &["--json", "--max-age", "1h"]).expect_code(0);
    let rehearsal = called.json();
    expect_valid("rehearsal", &rehearsal);
    assert_eq!(rehearsal["verdict"], "held");
    assert_eq!(rehearsal["server"], "2.14.6");
    assert_eq!(rehearsal["nodes"], 3);
    expect(&rehearsal, "fresh", "held", "at most");
    expect(&rehearsal, "complete", "held", "record");
    let own = stream(&rehearsal, STREAM);
    for name in ["sound", "complete", "restored"] {
        expect(own, name, "held", "");
    }
    for node in ["n1", "n2", "n3"] {
        expect(own, "equal", "held", node);
    }
    expect(own, "consumers", "held", "where they stood");
    expect(own, "usable", "held", "consumed and acknowledged");
    let queue = stream(&rehearsal, "QUEUE");
    expect(queue, "usable", "held", "no consumer more");
    expect(
        stream(&rehearsal, "FULL"),
        "usable",
        "not-applicable",
        "full",
    );
    expect(stream(&rehearsal, "PLACED"), "usable", "held", "");
    expect(stream(&rehearsal, "MIRROR"), "usable", "held", "reaches it");
    let kept = lifeboat.home.path().join("lifeboat-runs");
    let run = kept.join(&entries(&kept)[0]);
    assert_eq!(entries(&run), ["rehearsal.json"], "logs are for failures");
    assert_eq!(lifeboat.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_bare_backup_of_the_cli_is_rehearsed_as_far_as_it_tells() {
    let world = World::start_version(1, "2.15.1").await;
    world.fill(1, &json!({})).await;
    let target = world.path("bare");
    let _called = world.call_backup(STREAM, &target).expect_code(0);
    std::fs::remove_file(target.join("lifeboat.json")).unwrap();
    let lifeboat = Lifeboat::new();
    let called = rehearse(&lifeboat, &target, &["--json", "--max-age", "1h"]).expect_code(0);
    let rehearsal = called.json();
    assert_eq!(rehearsal["made_by"], Value::Null);
    assert_eq!(rehearsal["server"], "2.15.1", "as its form tells");
    let own = stream(&rehearsal, STREAM);
    expect(own, "sound", "held", "not sealed");
    expect(own, "complete", "held", "no manifest proves");
    expect(&rehearsal, "fresh", "held", "");
    // Nothing in it tells that it is not as young as its last message is old.
    let called = rehearse(&lifeboat, &target, &["--max-age", "1ms"]).expect_code(10);
    assert!(called.stdout.contains("fresh"), "{}", called.stdout);
}

#[tokio::test]
async fn what_is_damaged_is_named_and_the_rest_is_rehearsed() {
    let world = World::start_version(1, "2.12.8").await;
    world.create("A", 1, &json!({})).await;
    world.create("B", 1, &json!({})).await;
    world.publish_bulk("A", 50, 1000).await;
    world.publish_bulk("B", 50, 1000).await;
    let target = save_account(&world);
    let archive = target.join("A").join("stream.tar.s2");
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let lifeboat = Lifeboat::new();
    let home = lifeboat.home.path();
    let junit = home.join("junit.xml");
    let (markdown, metrics) = (home.join("summary.md"), home.join("metrics.prom"));
    std::fs::write(&markdown, "before\n").unwrap();
    let mut more = vec!["--json", "--junit", junit.to_str().unwrap()];
    more.extend(["--markdown", markdown.to_str().unwrap()]);
    more.extend(["--metrics", metrics.to_str().unwrap()]);
    let called = rehearse(&lifeboat, &target, &more).expect_code(10);
    let rehearsal = called.json();
    expect_valid("rehearsal", &rehearsal);
    let summary = std::fs::read_to_string(&markdown).unwrap();
    assert!(
        summary.starts_with("before\n### Lifeboat rehearsal: broken"),
        "{summary}"
    );
    assert!(summary.contains("- **sound broken** of A: "), "{summary}");
    let text = std::fs::read_to_string(&metrics).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for wanted in [
        r#"verdict="broken"} 1.0"#,
        r#"stream="A",check="sound",outcome="broken"} 1.0"#,
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    assert_eq!(rehearsal["verdict"], "broken");
    let damaged = stream(&rehearsal, "A");
    expect(damaged, "sound", "broken", "");
    expect(damaged, "restored", "not-run", "sound is broken");
    assert_eq!(stream(&rehearsal, "B")["verdict"], "held");
    let report = std::fs::read_to_string(&junit).unwrap();
    assert!(
        report.contains("can&apos;t be restored from it"),
        "{report}"
    );
    let called = rehearse(&lifeboat, &target, &[]).expect_code(10);
    let text = &called.stdout;
    assert!(text.contains("broken       A > sound: "), "{text}");
    assert!(text.contains("take a new one"), "{text}");
    assert_eq!(lifeboat.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_policy_and_a_sample_are_part_of_the_verdict() {
    let world = World::start_version(1, "2.14.6").await;
    for name in ["A", "B", "C", "D"] {
        world.create(name, 1, &json!({})).await;
        world.publish_bulk(name, 5, 100).await;
    }
    let target = save_account(&world);
    let lifeboat = Lifeboat::new();
    let late = ["--json", "--max-age", "1ms", "--max-recovery-time", "1ms"];
    let rehearsal = rehearse(&lifeboat, &target, &late).expect_code(10).json();
    expect(&rehearsal, "fresh", "broken", "allowed");
    expect(&rehearsal, "in-time", "broken", "allowed");
    assert_eq!(stream(&rehearsal, "A")["verdict"], "held");
    let sample = ["--json", "--sample", "50%", "--seed", "3"];
    let rehearsal = rehearse(&lifeboat, &target, &sample).expect_code(0).json();
    assert_eq!(rehearsal["streams"].as_array().unwrap().len(), 2);
    assert_eq!(rehearsal["sample"]["left_out"].as_array().unwrap().len(), 2);
    // What a part takes does not tell what all take.
    let more = ["--sample", "2", "--seed", "3", "--max-recovery-time", "1h"];
    let called = rehearse(&lifeboat, &target, &more).expect_code(11);
    assert!(called.stdout.contains("for a sample"), "{}", called.stdout);
    assert!(
        called.stdout.contains("2 of 4 streams"),
        "{}",
        called.stdout
    );
    let called = rehearse(&lifeboat, &target, &["--include", "X*"]).expect_code(2);
    assert!(called.stderr.contains("no stream"), "{}", called.stderr);
    let called = rehearse(&lifeboat, &target, &["--sample", "some"]).expect_code(2);
    assert!(called.stderr.contains("--sample"), "{}", called.stderr);
}

/// A stream's own directory has its configuration inside.
#[tokio::test]
async fn a_stopped_servers_stream_is_rehearsed_as_it_lies_on_its_disk() {
    let world = World::start_version(3, "2.14.6").await;
    let transformed = json!({
        "subject_transform": { "src": "ORDERS.>", "dest": "stored.>" }, "no_ack": true,
    });
    world.create(STREAM, 3, &transformed).await;
    world.publish_bulk(STREAM, 20, 100).await;
    let node = world.cluster.node("n1");
    node.stop().await.unwrap();
    let store = world.path("store");
    let area = StoreArea::Stream {
        account: world.cluster.credentials().account.clone(),
        stream: STREAM.to_owned(),
    };
    assert!(node.copy_store(&area, &store).await.unwrap());
    let lifeboat = Lifeboat::new();
    let more = ["--json", "--max-age", "1h"];
    let rehearsal = rehearse(&lifeboat, &store, &more).expect_code(0).json();
    assert_eq!(rehearsal["server"], "2.14.6", "as its form tells");
    assert_eq!(rehearsal["nodes"], 3);
    let own = stream(&rehearsal, STREAM);
    expect(own, "equal", "held", "20 messages");
    expect(own, "usable", "held", "consumed and acknowledged");
    let one = ["--json", "--set", "num_replicas=1"];
    let rehearsal = rehearse(&lifeboat, &store, &one).expect_code(0).json();
    assert_eq!(rehearsal["nodes"], 1);
}

/// Work that waits in a queue is given first, and a stream that gets messages from others gets them once.
#[tokio::test]
async fn queues_and_sources_are_used_as_they_are() {
    let world = World::start_version(1, "2.12.8").await;
    let queue = json!({ "retention": "workqueue", "subjects": ["work"] });
    world.create("QUEUE", 1, &queue).await;
    for number in 0..400_u32 {
        let payload = number.to_string();
        world.client.publish("work", payload.into()).await.unwrap();
    }
    world.create("A", 1, &json!({})).await;
    world.publish_bulk("A", 30, 100).await;
    let all = json!({ "sources": [{ "name": "A" }], "subjects": [] });
    world.create("ALL", 1, &all).await;
    let some = json!({ "mirror": { "name": "A", "filter_subject": "A.x" }, "subjects": [] });
    world.create("SOME", 1, &some).await;
    for (name, messages) in [("QUEUE", 400), ("ALL", 30)] {
        until(PATIENCE, || async {
            match world.connection.stream_info(name).await {
                Ok(info) if info.state.messages == messages => Probe::Ready(()),
                seen => Probe::Pending(format!("{seen:?}")),
            }
        })
        .await
        .unwrap();
    }
    let target = save_account(&world);
    let lifeboat = Lifeboat::new();
    let rehearsal = rehearse(&lifeboat, &target, &["--json"])
        .expect_code(0)
        .json();
    expect(stream(&rehearsal, "QUEUE"), "usable", "held", "consumed");
    expect(stream(&rehearsal, "ALL"), "usable", "held", "A reaches it");
    expect(
        stream(&rehearsal, "SOME"),
        "usable",
        "not-applicable",
        "a part of A",
    );
    // What is wrong with a stream that is not asked for is nobody's business.
    std::fs::remove_dir_all(target.join("QUEUE")).unwrap();
    let called = rehearse(&lifeboat, &target, &[]).expect_code(10);
    assert!(
        called.stdout.contains("is not there any more"),
        "{}",
        called.stdout
    );
    let _called = rehearse(&lifeboat, &target, &["--exclude", "QUEUE"]).expect_code(0);
}

/// A mirror that was saved later than its origin does not get what the restored origin takes next.
#[tokio::test]
async fn a_mirror_that_is_ahead_of_its_restored_origin_is_found() {
    let world = World::start_version(1, "2.14.6").await;
    world.create("ORIGIN", 1, &json!({})).await;
    world.publish_bulk("ORIGIN", 10, 100).await;
    let target = world.path("account");
    std::fs::create_dir(&target).unwrap();
    let _called = world
        .call_backup("ORIGIN", &target.join("ORIGIN"))
        .expect_code(0);
    let mirror = json!({ "mirror": { "name": "ORIGIN" }, "subjects": [] });
    world.create("MIRROR", 1, &mirror).await;
    world.publish_bulk("ORIGIN", 10, 100).await;
    until(PATIENCE, || async {
        match world.connection.stream_info("MIRROR").await {
            Ok(info) if info.state.messages == 20 => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    let _called = world
        .call_backup("MIRROR", &target.join("MIRROR"))
        .expect_code(0);
    let lifeboat = Lifeboat::new();
    let rehearsal = rehearse(&lifeboat, &target, &["--json"])
        .expect_code(10)
        .json();
    let own = stream(&rehearsal, "MIRROR");
    expect(own, "equal", "held", "");
    expect(own, "usable", "broken", "ahead of its origin");
    assert_eq!(stream(&rehearsal, "ORIGIN")["verdict"], "held");
}

/// Servers to 2.14 restore no message of a stream in memory.
#[tokio::test]
async fn what_a_server_does_not_restore_is_told_with_what_helps() {
    let world = World::start_version(1, "2.14.6").await;
    let config = json!({ "storage": "memory", "placement": { "cluster": "elsewhere" } });
    world.create("MEMORY", 1, &config).await;
    world.publish_bulk("MEMORY", 10, 100).await;
    let target = world.path("memory");
    let _called = world.call_backup("MEMORY", &target).expect_code(0);
    let lifeboat = Lifeboat::new();
    let rehearsal = rehearse(&lifeboat, &target, &["--json"])
        .expect_code(10)
        .json();
    let own = stream(&rehearsal, "MEMORY");
    expect(own, "restored", "broken", "--set storage=file");
    expect(own, "equal", "not-run", "restored is broken");
    let more = ["--json", "--set", "storage=file", "--replicas", "2"];
    let rehearsal = rehearse(&lifeboat, &target, &more).expect_code(0).json();
    assert_eq!(rehearsal["nodes"], 2);
    let newer = ["--json", "--server-version", "2.15.1"];
    let rehearsal = rehearse(&lifeboat, &target, &newer).expect_code(0).json();
    assert_eq!(rehearsal["server"], "2.15.1");
}

#[tokio::test]
async fn a_live_system_is_read_and_its_recovery_point_told() {
    let world = World::start_version(3, "2.14.6").await;
    world.fill(3, &json!({})).await;
    world.create("OTHER", 1, &json!({})).await;
    let before = world.picture(STREAM).await;
    let lifeboat = Lifeboat::new();
    let nights = lifeboat.home.path().join("nights");
    let kept = nights.join("kept");
    let mut arguments = vec!["drill", "live", STREAM, "--json", "--no-progress", "--keep"];
    arguments.push(kept.to_str().unwrap());
    let connect = world.connect_arguments();
    arguments.extend(connect.iter().map(String::as_str));
    let called = lifeboat.call(&arguments).expect_code(0);
    let rehearsal = called.json();
    expect_valid("rehearsal", &rehearsal);
    assert_eq!(rehearsal["server"], "2.14.6");
    assert_eq!(rehearsal["streams"].as_array().unwrap().len(), 1);
    expect(stream(&rehearsal, STREAM), "equal", "held", "n3");
    let point = &rehearsal["live"]["recovery_points"][0];
    assert_eq!(
        (&point["stream"], &point["messages_since"]),
        (&json!(STREAM), &json!(0))
    );
    assert!(point["age_seconds"].as_f64().unwrap() > 0.0, "{point}");
    assert_eq!(world.picture(STREAM).await, before, "it was only read");
    assert!(kept.join(STREAM).join("lifeboat.json").exists());
    // What holds backups is none, and tells which is the newest.
    let stderr = rehearse(&lifeboat, &nights, &[]).expect_code(13).stderr;
    let newest = format!("the newest backup below it is {}", kept.display());
    assert!(stderr.contains(&newest), "{stderr}");
    // Without --keep the backup goes with a rehearsal that held.
    let mut arguments = vec!["drill", "live", "OTHER", "--no-progress"];
    arguments.extend(connect.iter().map(String::as_str));
    let called = lifeboat.call(&arguments).expect_code(0);
    assert!(
        called.stdout.contains("recovery point: 0 messages"),
        "{}",
        called.stdout
    );
    let runs = lifeboat.home.path().join("lifeboat-runs");
    for run in entries(&runs) {
        assert_eq!(entries(&runs.join(run)), ["rehearsal.json"]);
    }
    assert_eq!(lifeboat.leftovers(), [""; 0]);
}

/// What is wrong with the arguments is told before the live system is read, and nothing stays of it.
#[tokio::test]
async fn a_live_rehearsal_that_can_not_begin_leaves_nothing() {
    let world = World::start_version(1, "2.15.1").await;
    world.create("A", 1, &json!({})).await;
    let lifeboat = Lifeboat::new();
    let connect = world.connect_arguments();
    let call = |more: &[&str]| {
        let connect: Vec<&str> = connect.iter().map(String::as_str).collect();
        let arguments = [&["drill", "live", "--no-progress"], more, &connect[..]].concat();
        lifeboat.call(&arguments)
    };
    for (more, code) in [
        (&["--sample", "some"][..], 2),
        (&["--set", "max_age=banana"], 2),
        (&["--rehearse-on", "2.99.0"], 14),
        (&["NOBODY"], 2),
        (&["A", "--include", "B"], 2),
    ] {
        let _called = call(more).expect_code(code);
        let runs = lifeboat.home.path().join("lifeboat-runs");
        assert!(!runs.exists() || entries(&runs).is_empty(), "{more:?}");
    }
    let kept = lifeboat.home.path().join(".lifeboat-partial-kept");
    std::fs::create_dir(&kept).unwrap();
    let target = lifeboat.home.path().join("kept");
    let _called = call(&["--keep", target.to_str().unwrap()]).expect_code(15);
    assert!(kept.exists(), "it is of somebody else");
}

#[tokio::test]
async fn a_rehearsal_that_is_interrupted_leaves_nothing() {
    let world = World::start_version(1, "2.15.1").await;
    world.create("A", 1, &json!({})).await;
    world.publish_bulk("A", 200, 100 << 10).await;
    let target = world.path("backup");
    let _called = world.call_backup("A", &target).expect_code(0);
    let lifeboat = Lifeboat::new();
    let arguments = [
        "drill",
        "backup",
        target.to_str().unwrap(),
        "--replicas",
        "3",
    ];
    let evidence = lifeboat.home.path().join("lifeboat-runs");
    let child = lifeboat
        .command(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let scratch = lifeboat.scratch.path();
    until(Duration::from_secs(20), || async {
        if entries(scratch).is_empty() {
            Probe::Pending(String::from("no cluster yet"))
        } else {
            Probe::Ready(())
        }
    })
    .await
    .unwrap();
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    assert_eq!(lifeboat.leftovers(), [""; 0]);
    assert_eq!(entries(&evidence), [""; 0]);
}

#[test]
fn what_is_no_backup_is_refused_before_anything_starts() {
    let lifeboat = Lifeboat::new();
    let called = rehearse(&lifeboat, Path::new("nowhere"), &[]).expect_code(2);
    assert!(called.stderr.contains("nowhere"), "{}", called.stderr);
    let empty = lifeboat.home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let called = rehearse(&lifeboat, &empty, &[]);
    assert_ne!(called.code, Some(0));
    assert_eq!(lifeboat.leftovers(), [""; 0]);
}
