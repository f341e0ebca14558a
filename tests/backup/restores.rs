//! What a restore can be told: another name, another configuration, what to do with a stream that
//! exists, a whole account; and what it says before it does anything.

use std::time::Duration;

use lifeboat::archive::BackupLayout;
use lifeboat_harness::wait::{Probe, until};
use serde_json::{Value, json};

use super::world::{PATIENCE, STREAM, World, edit_json, read_json};
use crate::support::{Lifeboat, entries};

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// On 2.15 a stream in memory comes back as it was; older servers can keep it only in files.
#[tokio::test]
async fn a_stream_in_memory_comes_back() {
    for version in ["2.15.1", "2.14.6"] {
        let world = World::start_version(1, version).await;
        world.fill(1, &json!({ "storage": "memory" })).await;
        let before = world.picture(STREAM).await;
        let target = world.path("backup");
        let _taken = world.call_backup(STREAM, &target).expect_code(0);
        world.remove(STREAM).await;
        if version == "2.14.6" {
            let called = world.call_restore(&target, &[]).expect_code(15);
            assert!(called.stderr.contains("storage=file"), "{}", called.stderr);
            assert!(world.is_free(STREAM).await);
            let _restored = world
                .call_restore(&target, &["--set", "storage=file"])
                .expect_code(0);
        } else {
            let _restored = world.call_restore(&target, &[]).expect_code(0);
        }
        let after = world.picture(STREAM).await;
        assert_eq!(after.messages, before.messages, "{version}");
        assert_eq!(after.deleted, before.deleted, "{version}");
        world.wait_consumers(STREAM, 4).await;
        if version == "2.15.1" {
            assert_eq!(after.config, before.config);
        }
    }
}

/// The `nats` CLI gave the message archives of 2.15 servers a tar's name until it knew of them.
#[tokio::test]
async fn a_message_archive_under_a_tars_name_is_restored() {
    let world = World::start_version(1, "2.15.1").await;
    world.fill(1, &json!({})).await;
    let before = world.picture(STREAM).await;
    let target = world.path("backup");
    let _taken = world.call_backup(STREAM, &target).expect_code(0);
    let layout = BackupLayout::at(&target);
    std::fs::remove_file(layout.manifest()).unwrap();
    std::fs::rename(target.join("stream.arc.s2"), target.join("stream.tar.s2")).unwrap();
    let lifeboat = Lifeboat::new();
    let verified = lifeboat.call(&["verify", text(&target)]).expect_code(0);
    assert!(
        verified.stdout.contains("its name says otherwise"),
        "{}",
        verified.stdout
    );
    let tar = world.path("tar");
    let arguments = ["convert", text(&target), text(&tar), "--to", "tar"];
    let _converted = lifeboat.call(&arguments).expect_code(0);
    world.remove(STREAM).await;
    let _restored = world.call_restore(&target, &[]).expect_code(0);
    assert_eq!(world.picture(STREAM).await.messages, before.messages);
    world.wait_consumers(STREAM, 4).await;
}

/// Consumers that the archive lacks come back from what was saved beside it.
#[tokio::test]
async fn consumers_that_the_server_left_out_come_back_where_they_stood() {
    for version in ["2.14.6", "2.10.26"] {
        let world = World::start_version(3, version).await;
        world.create(STREAM, 3, &json!({})).await;
        world.publish_bulk(STREAM, 30, 100).await;
        for number in 0..6 {
            let name = format!("c{number}");
            let config = json!({
                "durable_name": name, "ack_policy": "explicit", "num_replicas": 1,
            });
            world
                .connection
                .create_consumer(STREAM, &config)
                .await
                .unwrap();
            world.read_from(STREAM, &name, 5, |_| true).await;
        }
        world.lead_elsewhere(STREAM, "c0").await;
        let target = world.path("backup");
        let _taken = world.call_backup(STREAM, &target).expect_code(12);
        let manifest = read_json(&target.join("lifeboat.json"));
        assert!(!manifest["missing_consumers"].as_array().unwrap().is_empty());
        world.remove(STREAM).await;
        let called = world.call_restore(&target, &["--json"]).expect_code(0);
        let restored = called.json();
        assert_eq!(restored["consumers"], 6, "{}", called.stderr);
        assert_eq!(restored["replicas"].as_array().unwrap().len(), 3);
        for number in 0..6 {
            let (position, pending, to_come) = world.standing(&format!("c{number}")).await;
            assert_eq!(position.ack_floor.stream, 5, "{version} c{number}");
            assert_eq!((pending, to_come), (0, 25), "{version} c{number}");
        }
    }
}

/// One consumer that nobody leads fails every snapshot of 2.15 that has consumers. Everything else is saved
/// all the same, and comes back.
#[tokio::test]
async fn a_consumer_that_nobody_leads_keeps_nothing_else_from_being_saved() {
    let world = World::start_version(3, "2.15.1").await;
    world.create(STREAM, 3, &json!({})).await;
    world.publish_bulk(STREAM, 30, 100).await;
    for (name, replicas) in [("whole", 3), ("single", 1)] {
        let config = json!({
            "durable_name": name, "ack_policy": "explicit", "num_replicas": replicas,
        });
        let made = world.connection.create_consumer(STREAM, &config).await;
        made.unwrap();
        world.read_from(STREAM, name, 5, |_| true).await;
    }
    let single = world.connection.consumer(STREAM, "single");
    let holder = single.leader().await.unwrap().unwrap();
    world.cluster.node(&holder).kill().await.unwrap();
    until(PATIENCE, || async {
        match world.connection.stream_info(STREAM).await {
            Ok(info) if info.leader().is_some_and(|leader| leader != holder) => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    let target = world.path("backup");
    let backup = ["backup", "stream", STREAM, text(&target), "--retries", "0"];
    let called = world.call(&backup).expect_code(12);
    let said = "consumer single has no leader";
    assert!(called.stderr.contains(said), "{}", called.stderr);
    let manifest = read_json(&target.join("lifeboat.json"));
    assert_eq!(manifest["messages"], 30);
    assert_eq!(manifest["without_consumers"], false);
    let mut missing: Vec<_> = manifest["missing_consumers"].as_array().unwrap().clone();
    missing.sort_by_key(ToString::to_string);
    assert_eq!(missing, [json!("single"), json!("whole")]);
    world.cluster.node(&holder).start().await.unwrap();
    world.remove(STREAM).await;
    let called = world.call_restore(&target, &["--json"]).expect_code(12);
    assert_eq!(called.json()["consumers"], 1, "{}", called.stderr);
    let (position, pending, to_come) = world.standing("whole").await;
    assert_eq!(position.ack_floor.stream, 5);
    assert_eq!((pending, to_come), (0, 25));
}

#[tokio::test]
async fn a_stream_is_restored_under_another_name() {
    for version in ["2.15.1", "2.12.8"] {
        let world = World::start_version(1, version).await;
        world.fill(1, &json!({})).await;
        let before = world.picture(STREAM).await;
        let taken = world.back_up(STREAM, "backup").await;
        // The subjects are still taken.
        let rename = ["--rename", "COPY"];
        let called = world
            .call_restore(&taken.directory, &rename)
            .expect_code(15);
        assert!(called.stderr.contains("overlap"), "{}", called.stderr);
        let other = [&rename[..], &["--set", r#"subjects=["copy.>"]"#]].concat();
        let _restored = world.call_restore(&taken.directory, &other).expect_code(0);
        let after = world.picture("COPY").await;
        assert_eq!(after.messages, before.messages, "{version}");
        assert_eq!(after.state.consumer_count, 4);
        assert_eq!(world.picture(STREAM).await, before);
    }
}

#[tokio::test]
async fn a_stream_that_exists_is_left_or_replaced() {
    let world = World::start(3).await;
    world.fill(3, &json!({})).await;
    let before = world.picture(STREAM).await;
    let taken = world.back_up(STREAM, "backup").await;
    world.publish_bulk(STREAM, 5, 100).await;
    let newer = world.picture(STREAM).await;
    let skip = ["--if-exists", "skip"];
    let called = world.call_restore(&taken.directory, &skip).expect_code(0);
    assert!(
        called.stdout.contains("stays as it is"),
        "{}",
        called.stdout
    );
    assert_eq!(world.picture(STREAM).await.messages, newer.messages);
    let old = world.path("old");
    let replace = ["--if-exists", "replace", "--keep-old", text(&old)];
    let _replaced = world
        .call_restore(&taken.directory, &replace)
        .expect_code(0);
    assert_eq!(world.picture(STREAM).await.messages, before.messages);
    // What was replaced is no backup that anybody counts on, although it is the newest.
    let backups = text(world.directory.path());
    let seen = world.call(&["audit", "--json", "--backups", backups]);
    let seen = seen.json();
    let findings = seen["findings"].as_array().unwrap();
    let mut replaced = findings.iter();
    let replaced = replaced.find(|finding| finding["kind"] == "backup-replaced");
    let detail = replaced.unwrap()["detail"].as_str().unwrap();
    assert!(detail.starts_with(text(&old)), "{detail}");
    let streams = seen["streams"].as_array().unwrap();
    let newest = &streams[0]["last_backup"]["path"];
    assert_eq!(*newest, text(&taken.directory), "{streams:?}");
    let info = world.offline(&["info", text(&old)]).expect_code(0);
    assert!(
        info.stdout.contains("a restore replaced"),
        "{}",
        info.stdout
    );
    // What was there is safe.
    world.remove(STREAM).await;
    let _restored = world.call_restore(&old, &[]).expect_code(0);
    assert_eq!(world.picture(STREAM).await.messages, newer.messages);
}

/// The new one turns out to be another one, so that the old one is put back.
#[tokio::test]
async fn what_can_not_be_replaced_is_put_back() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    let taken = world.back_up(STREAM, "backup").await;
    std::fs::remove_file(BackupLayout::at(&taken.directory).manifest()).unwrap();
    edit_json(&BackupLayout::at(&taken.directory).metadata(), |metadata| {
        metadata["config"]["max_msgs"] = json!(5);
    });
    world.publish_bulk(STREAM, 5, 100).await;
    let before = world.picture(STREAM).await;
    let replace = ["--if-exists", "replace"];
    let called = world
        .call_restore(&taken.directory, &replace)
        .expect_code(10);
    assert!(called.stderr.contains("is back"), "{}", called.stderr);
    let after = world.picture(STREAM).await;
    assert_eq!(after.messages, before.messages);
    let saved = entries(world.directory.path());
    let mut saved = saved.iter();
    let saved = saved.find(|name| name.starts_with("ORDERS-replaced-"));
    let manifest = world.path(saved.unwrap()).join("lifeboat.json");
    assert_eq!(read_json(&manifest)["replaced"], Value::Null);
}

/// Everything that stands against a restore is told at once, and nothing is done.
#[tokio::test]
async fn a_dry_run_tells_everything_and_does_nothing() {
    let world = World::start_version(1, "2.14.6").await;
    world.fill(1, &json!({})).await;
    let taken = world.back_up(STREAM, "backup").await;
    let plan = world
        .call_restore(&taken.directory, &["--dry-run", "--json"])
        .expect_code(15)
        .json();
    assert_eq!(
        (&plan["action"], &plan["messages"]),
        (&json!("taken"), &json!(54))
    );
    let called = world.call_restore(&taken.directory, &["--dry-run"]);
    let stdout = called.expect_code(15).stdout;
    assert!(stdout.contains("--if-exists replace"), "{stdout}");
    world.remove(STREAM).await;
    let plan = world
        .call_restore(&taken.directory, &["--dry-run", "--json"])
        .expect_code(0)
        .json();
    assert_eq!(plan["action"], "create");
    assert_eq!(plan["messages"], 54);
    assert_eq!(plan["form"], "tar");
    assert_eq!(plan["rewritten"], Value::Null);
    assert!(world.is_free(STREAM).await);
    world
        .create("OTHER", 1, &json!({ "subjects": ["ORDERS.a"] }))
        .await;
    let arguments = [
        "--dry-run",
        "--json",
        "--replicas",
        "3",
        "--set",
        "max_msgs=7",
        "--set",
        "storage=memory",
    ];
    let called = world
        .call_restore(&taken.directory, &arguments)
        .expect_code(15);
    let plan = called.json();
    let obstacles = plan["obstacles"].as_array().unwrap();
    for part in ["overlap", "3 replicas", "max_msgs 7", "in memory"] {
        let is_told = obstacles
            .iter()
            .any(|one| one.as_str().unwrap().contains(part));
        assert!(is_told, "{part}: {plan}");
    }
    let called = world
        .call_restore(&taken.directory, &["--set", "max_mgs=7"])
        .expect_code(2);
    assert!(called.stderr.contains("max_msgs"), "{}", called.stderr);
    assert!(world.is_free(STREAM).await);
}

/// Messages whose time has come since they were saved are no difference.
#[tokio::test]
async fn what_has_expired_since_is_not_missed() {
    for version in ["2.15.1", "2.12.8"] {
        let world = World::start_version(1, version).await;
        // Long enough for the backup, and short enough to be over soon.
        let config = json!({ "max_age": 4_000_000_000_u64 });
        world.create(STREAM, 1, &config).await;
        world.publish_bulk(STREAM, 20, 100).await;
        let taken = world.back_up(STREAM, "backup").await;
        until(PATIENCE, || async {
            match world.connection.stream_info(STREAM).await {
                Ok(info) if info.state.messages == 0 => Probe::Ready(()),
                seen => Probe::Pending(format!("{seen:?}")),
            }
        })
        .await
        .unwrap();
        world.remove(STREAM).await;
        let called = world
            .call_restore(&taken.directory, &["--json"])
            .expect_code(0);
        let restored = called.json();
        assert!(
            restored["remarks"]
                .to_string()
                .contains("20 messages have expired"),
            "{version}: {restored}"
        );
        assert_eq!(
            world
                .connection
                .stream_info(STREAM)
                .await
                .unwrap()
                .state
                .last_seq,
            20
        );
    }
}

async fn an_account_comes_back(version: &str, nodes: usize) {
    let world = World::start_version(nodes, version).await;
    world.fill(nodes, &json!({})).await;
    world.create("BULK", 1, &json!({})).await;
    world.publish_bulk("BULK", 200, 20 << 10).await;
    // Sorted by name, the mirror would come before its origin.
    let mirror = json!({ "subjects": [], "mirror": { "name": "BULK" } });
    world.create("A-MIRROR", 1, &mirror).await;
    until(PATIENCE, || async {
        match world.connection.stream_info("A-MIRROR").await {
            Ok(info) if info.state.messages == 200 => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    let streams = ["A-MIRROR", "BULK", STREAM];
    let mut before = Vec::new();
    for stream in streams {
        before.push(world.picture(stream).await);
    }
    let target = world.path("account");
    let _taken = world
        .call(&["backup", "account", text(&target)])
        .expect_code(0);
    let restore = ["restore", "account", text(&target)];
    let dry = [&restore[..], &["--dry-run", "--json"]].concat();
    let plan = world.call(&dry).expect_code(15).json();
    for one in plan["streams"].as_array().unwrap() {
        assert_eq!(one["action"], "taken", "{one}");
    }
    let called = world.call(&restore).expect_code(15);
    for stream in streams {
        assert!(called.stderr.contains(stream), "{}", called.stderr);
        world.remove(stream).await;
    }
    let plan = world.call(&dry).expect_code(0).json();
    let order: Vec<_> = plan["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["stream"].clone())
        .collect();
    assert_eq!(order.last(), Some(&json!("A-MIRROR")));
    let _restored = world.call(&restore).expect_code(0);
    for (stream, before) in streams.iter().zip(before) {
        let after = world.picture(stream).await;
        assert_eq!(after.messages, before.messages, "{version} {stream}");
        assert_eq!(after.config, before.config, "{version} {stream}");
    }
    let again = [&restore[..], &["--if-exists", "skip"]].concat();
    let called = world.call(&again).expect_code(0);
    assert!(
        called.stdout.contains("3 left as they are"),
        "{}",
        called.stdout
    );
}

#[tokio::test]
async fn an_account_comes_back_on_2_15() {
    an_account_comes_back("2.15.1", 3).await;
}

#[tokio::test]
async fn an_account_comes_back_on_2_10() {
    an_account_comes_back("2.10.26", 1).await;
}

/// Stopped in the middle, an account's restore deletes what was under way, and is continued.
#[tokio::test]
async fn an_account_restore_that_is_stopped_leaves_whole_streams() {
    let world = World::start(1).await;
    for stream in ["A", "B", "C", "D"] {
        world.create(stream, 1, &json!({})).await;
        world.publish_bulk(stream, 300, 40 << 10).await;
    }
    let target = world.path("account");
    let _taken = world
        .call(&["backup", "account", text(&target)])
        .expect_code(0);
    for stream in ["A", "B", "C", "D"] {
        world.remove(stream).await;
    }
    let lifeboat = crate::support::Lifeboat::new();
    let connect = world.connect_arguments();
    let connect: Vec<&str> = connect.iter().map(String::as_str).collect();
    let restore = ["restore", "account", text(&target), "--jobs", "1"];
    let mut child = lifeboat
        .command(&[&restore[..], &connect].concat())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until(Duration::from_secs(20), || async {
        match world.connection.stream_names().await {
            Ok(names) if !names.is_empty() => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    for stream in world.connection.stream_names().await.unwrap() {
        let info = world.connection.stream_info(&stream).await.unwrap();
        assert_eq!(info.state.messages, 300, "{stream}");
    }
    let again = [&restore[..], &["--if-exists", "skip"]].concat();
    let _restored = world.call(&again).expect_code(0);
    for stream in ["A", "B", "C", "D"] {
        let info = world.connection.stream_info(stream).await.unwrap();
        assert_eq!(info.state.messages, 300, "{stream}");
    }
}

/// The `.tgz` of a saved configuration is a backup of its stream.
#[tokio::test]
async fn what_was_saved_with_a_configuration_is_restored() {
    for version in ["2.15.1", "2.12.8"] {
        let world = World::start_version(1, version).await;
        world.fill(1, &json!({})).await;
        let before = world.picture(STREAM).await;
        let target = world.path("config");
        let _saved = world
            .call(&["config", "save", text(&target), "--data"])
            .expect_code(0);
        world.remove(STREAM).await;
        let archive = target.join("stream_ORDERS.tgz");
        let called = world.call_restore(&archive, &[]).expect_code(0);
        assert!(
            called.stderr.contains("can't be proven"),
            "{}",
            called.stderr
        );
        let after = world.picture(STREAM).await;
        assert_eq!(after.messages, before.messages, "{version}");
        assert_eq!(after.config, before.config, "{version}");
        world.wait_consumers(STREAM, 4).await;
        let applied = world.call(&["config", "apply", text(&target)]);
        let _applied = applied.expect_code(0);
    }
}
