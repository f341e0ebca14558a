//! What is refused before anything is touched, and what fails later and cleans up after itself.

use std::fs;
use std::future::pending;

use lifeboat::archive::{BackupLayout, Form};
use lifeboat::backup::{BackupError, IfExists, RestoreOptions, restore_stream};
use lifeboat_harness::wait::{Probe, until};
use semver::Version;
use serde_json::json;

use super::world::{PATIENCE, STREAM, World, edit_json, restore_options};
use crate::support::{Lifeboat, entries};

#[tokio::test]
async fn a_stream_that_exists_is_not_touched() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    let taken = world.back_up(STREAM, "backup").await;
    world.publish_bulk(STREAM, 1, 10).await;
    let before = world.picture(STREAM).await;
    let called = world.call_restore(&taken.directory, &[]).expect_code(15);
    assert!(
        called.stderr.contains("stream ORDERS exists already"),
        "{}",
        called.stderr
    );
    let options = RestoreOptions::default();
    let restored = restore_stream(
        &world.connection,
        &taken.directory,
        &options,
        &(),
        pending(),
    )
    .await;
    assert!(
        matches!(restored, Err(BackupError::StreamExists { .. })),
        "{restored:?}"
    );
    assert_eq!(world.picture(STREAM).await, before);
}

#[tokio::test]
async fn a_target_that_exists_is_not_touched() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    let (directory, file) = (world.path("taken"), world.path("file"));
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("mine"), "mine").unwrap();
    fs::write(&file, "mine").unwrap();
    for target in [&directory, &file] {
        let called = world.call_backup(STREAM, target).expect_code(15);
        assert!(
            called.stderr.contains("exists already"),
            "{}",
            called.stderr
        );
    }
    assert_eq!(entries(&directory), ["mine"]);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert_eq!(
        entries(world.directory.path()).len(),
        2,
        "something was left behind"
    );
}

#[tokio::test]
async fn an_unknown_stream_is_refused_at_once_and_leaves_nothing() {
    for nodes in [1, 3] {
        let world = World::start(nodes).await;
        world.create("SOMEBODY", 1, &json!({})).await;
        for (name, said) in [
            (
                "SOMEBODDY",
                "there is no stream SOMEBODDY; did you mean `SOMEBODY`?\n",
            ),
            ("ORDERS", "there is no stream ORDERS\n"),
        ] {
            let called = world.call_backup(name, &world.path("backup"));
            let stderr = called.expect_code(2).stderr;
            assert!(stderr.ends_with(said), "{stderr}");
        }
        assert_eq!(entries(world.directory.path()), [""; 0]);
    }
}

#[test]
fn without_a_server_nothing_can_be_had() {
    // Port 1 has no server anywhere, and no ordinary process can listen on it by chance.
    let server = "nats://127.0.0.1:1";
    let lifeboat = Lifeboat::new();
    for verb in ["backup", "restore"] {
        let mut arguments = vec![verb, "stream"];
        arguments.extend((verb == "backup").then_some(STREAM));
        arguments.extend(["there", "--server", server]);
        let called = lifeboat.call(&arguments).expect_code(14);
        assert!(called.stderr.contains(server), "{}", called.stderr);
    }
    assert_eq!(entries(lifeboat.home.path()), [""; 0]);
}

/// What a server refuses leaves the name free, whether it refuses at once, as a cluster does,
/// or once everything was sent.
#[tokio::test]
async fn what_a_server_refuses_leaves_the_name_free() {
    for (nodes, replicas) in [(1, "3"), (3, "5")] {
        let world = World::start(nodes).await;
        world.fill(1, &json!({})).await;
        let taken = world.back_up(STREAM, "backup").await;
        world.remove(STREAM).await;
        let called = world.call_restore(&taken.directory, &["--replicas", replicas]);
        let _refused = called.expect_code(15);
        assert!(world.is_free(STREAM).await);
        // Another stream has the subjects.
        world
            .create("OTHER", 1, &json!({ "subjects": [format!("{STREAM}.>")] }))
            .await;
        let called = world.call_restore(&taken.directory, &[]).expect_code(15);
        assert!(called.stderr.contains("overlap"), "{}", called.stderr);
        assert!(world.is_free(STREAM).await);
        world.remove("OTHER").await;
        // And then it succeeds, as if nothing had happened.
        assert_eq!(world.restore(&taken.directory, None).await.messages, 54);
    }
}

/// The server takes it and says that all is well, and it is not what the backup holds: here the
/// configuration lets it keep only five messages.
#[tokio::test]
async fn what_does_not_compare_equal_is_deleted_again() {
    for nodes in [1, 3] {
        let world = World::start(nodes).await;
        world.fill(1, &json!({})).await;
        let taken = world.back_up(STREAM, "backup").await;
        world.remove(STREAM).await;
        // With its manifest, a changed configuration would be refused at once.
        std::fs::remove_file(BackupLayout::at(&taken.directory).manifest()).unwrap();
        edit_json(&BackupLayout::at(&taken.directory).metadata(), |metadata| {
            metadata["config"]["max_msgs"] = json!(5);
        });
        let called = world.call_restore(&taken.directory, &[]).expect_code(10);
        let difference = "it holds 5 messages up to sequence 60, the backup 54 up to 60";
        assert!(called.stderr.contains(difference), "{}", called.stderr);
        assert!(world.is_free(STREAM).await);
        edit_json(&BackupLayout::at(&taken.directory).metadata(), |metadata| {
            metadata["config"]["max_msgs"] = json!(-1);
        });
        assert_eq!(world.restore(&taken.directory, None).await.messages, 54);
    }
}

/// A stream whose only node is down is there all the same: nothing may delete it.
#[tokio::test]
async fn a_stream_that_is_out_of_reach_is_not_deleted() {
    let world = World::start(3).await;
    world.fill(1, &json!({})).await;
    let taken = world.back_up(STREAM, "backup").await;
    let before = world.picture(STREAM).await;
    let info = world.connection.stream_info(STREAM).await.unwrap();
    let node = world.cluster.node(info.leader().unwrap());
    node.kill().await.unwrap();
    until(PATIENCE, || async {
        match world.cluster.meta_leader().await {
            Some(leader) if leader != node.name() => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
    let options = restore_options(Some(5));
    let restored = restore_stream(
        &world.connection,
        &taken.directory,
        &options,
        &(),
        pending(),
    )
    .await;
    let error = restored.unwrap_err();
    assert!(matches!(error, BackupError::Unanswered { .. }), "{error:?}");
    let advice = error.to_string();
    assert!(advice.contains("cluster peer-remove"), "{advice}");
    node.start().await.unwrap();
    world.wait_consumers(STREAM, 4).await;
    assert_eq!(world.picture(STREAM).await.messages, before.messages);
}

/// The program that comes second must not delete what the first one has restored. Servers take
/// both at once, write what comes into the same files, and remove them when the second fails, also
/// when the first one had been whole: so one of the two has to wait. Clusters of 2.10 lose what came,
/// and nobody can help them.
#[tokio::test]
async fn of_two_restores_at_once_one_wins_or_neither_and_the_name_is_free() {
    for nodes in [1, 3] {
        let world = World::start(nodes).await;
        world.fill(1, &json!({})).await;
        if nodes > 1 && world.cluster.binary().version < Version::new(2, 12, 0) {
            continue;
        }
        let before = world.picture(STREAM).await;
        let taken = world.back_up(STREAM, "backup").await;
        world.remove(STREAM).await;
        let options = RestoreOptions::default();
        let restore = || {
            restore_stream(
                &world.connection,
                &taken.directory,
                &options,
                &(),
                pending(),
            )
        };
        let (one, other) = tokio::join!(restore(), restore());
        match (&one, &other) {
            (Ok(_), Ok(_)) => panic!("both were called restored: {one:?}\n{other:?}"),
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => {}
            (Err(_), Err(_)) => {
                assert_eq!(world.connection.stream_names().await.unwrap(), [""; 0]);
                restore().await.unwrap();
            }
        }
        let after = world.picture(STREAM).await;
        assert!(
            after.messages == before.messages,
            "{nodes} nodes hold {} of {} messages after {one:?}\nand {other:?}",
            after.messages.len(),
            before.messages.len()
        );
    }
}

/// Who comes second must not remove what the first one is just putting there.
#[tokio::test]
async fn of_two_replacements_at_once_at_most_one_touches_the_stream() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    let before = world.picture(STREAM).await;
    let taken = world.back_up(STREAM, "backup").await;
    for round in 0..5 {
        let options = ["one", "two"].map(|name| RestoreOptions {
            if_exists: IfExists::Replace,
            keep_old: Some(world.path(&format!("{name}-{round}"))),
            ..RestoreOptions::default()
        });
        let other = world.connect().await;
        let [first, second] = &options;
        let (one, two) = tokio::join!(
            restore_stream(&world.connection, &taken.directory, first, &(), pending()),
            restore_stream(&other, &taken.directory, second, &(), pending()),
        );
        for refused in [&one, &two]
            .into_iter()
            .filter_map(|done| done.as_ref().err())
        {
            assert!(
                matches!(refused, BackupError::RestoredByAnother { .. }),
                "{refused:?}"
            );
        }
        assert_eq!(world.picture(STREAM).await.messages, before.messages);
    }
}

/// A server alone restores both of two at once, so they have to tell each other.
#[tokio::test]
async fn of_two_that_claim_a_name_at_most_one_gets_it() {
    let world = World::start(1).await;
    let other = world.connect().await;
    let mut held = 0;
    for round in 0..200 {
        let name = format!("S{}", round % 3);
        let (one, two) = tokio::join!(world.connection.claim(&name), other.claim(&name));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(
            one.is_none() || two.is_none(),
            "both hold {name} in round {round}"
        );
        if one.is_some() || two.is_some() {
            held += 1;
            let late = [
                world.connection.claim(&name).await,
                other.claim(&name).await,
            ];
            assert!(late.iter().all(|late| late.as_ref().unwrap().is_none()));
        }
        for (connection, claim) in [(&world.connection, one), (&other, two)] {
            if let Some(claim) = claim {
                claim.release().await;
                let again = connection.claim(&name).await.unwrap();
                again.expect("it was given up").release().await;
            }
        }
    }
    assert!(held > 0, "nobody ever got a name");
}

/// Memory streams are in message archives alone.
#[tokio::test]
async fn a_memory_stream_comes_back_or_is_refused() {
    let world = World::start(1).await;
    world
        .create("MEM", 1, &json!({ "storage": "memory" }))
        .await;
    world.publish_bulk("MEM", 20, 100).await;
    let target = world.path("backup");
    if world.form() == Form::Message {
        let before = world.picture("MEM").await;
        let _done = world.call_backup("MEM", &target).expect_code(0);
        world.remove("MEM").await;
        assert_eq!(world.restore(&target, None).await.messages, 20);
        assert_eq!(world.picture("MEM").await, before);
    } else {
        let called = world.call_backup("MEM", &target).expect_code(15);
        assert!(
            called.stderr.contains("snapshot failed"),
            "{}",
            called.stderr
        );
        assert_eq!(entries(world.directory.path()), [""; 0]);
    }
}
