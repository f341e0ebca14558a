//! Streams of every sort, as applications leave them: made on a server, looked at, compared.

use async_nats::HeaderMap;
use bytes::Bytes;
use lifeboat::archive::{Archive, Consumer, Defect, Kind, Level, Survey};
use lifeboat::model::StoredMessage;
use lifeboat_harness::wait::{Probe, until};
use semver::Version;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;

use crate::backup::world::{PATIENCE, Picture, STREAM, World};

/// The first version with times to live for single messages.
const TTLS_SINCE: Version = Version::new(2, 11, 0);

/// The first version that deletes messages of compressed blocks without damage.
const ERASES_IN_COMPRESSED_BLOCKS_SINCE: Version = Version::new(2, 11, 0);

/// A stream as a server had it.
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) picture: Picture,
}

/// Makes the streams, and looks at each of them.
pub(super) async fn make(world: &World) -> Vec<Seen> {
    world.fill(1, &json!({})).await;
    many_blocks(world).await;
    key_value(world).await;
    object_store(world).await;
    work_queue(world).await;
    interest(world).await;
    capped(world).await;
    emptied(world).await;
    let mut names = vec![
        STREAM,
        "PACKED",
        "KV_settings",
        "OBJ_files",
        "JOBS",
        "EVENTS",
        "CAPPED",
        "EMPTIED",
    ];
    if world.cluster.binary().version >= TTLS_SINCE {
        with_ttls(world).await;
        names.push("SHORT");
    }
    let mut seen = Vec::new();
    for name in names {
        seen.push(Seen {
            name: name.to_owned(),
            picture: world.picture(name).await,
        });
    }
    seen
}

async fn publish(
    world: &World,
    subject: &str,
    headers: &[(&str, &str)],
    payload: impl Into<Bytes>,
) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, *value);
    }
    let subject = subject.to_owned();
    let sent = if headers.is_empty() {
        world.client.request(subject, payload.into()).await
    } else {
        world
            .client
            .request_with_headers(subject, map, payload.into())
            .await
    };
    let answer: Value = serde_json::from_slice(&sent.unwrap().payload).unwrap();
    assert!(answer["seq"].is_u64(), "{answer}");
}

async fn delete(world: &World, stream: &str, sequence: u64) {
    let call = format!("STREAM.MSG.DELETE.{stream}");
    world.api(&call, &json!({ "seq": sequence })).await.unwrap();
}

/// Several blocks, compressed on disk, with messages deleted in each and a block that has none left.
async fn many_blocks(world: &World) {
    world
        .create("PACKED", 1, &json!({ "compression": "s2" }))
        .await;
    world.publish_bulk("PACKED", 60, 400 << 10).await;
    for number in 0..200 {
        publish(
            world,
            "PACKED.text",
            &[],
            format!("text number {number} ").repeat(50),
        )
        .await;
    }
    for sequence in [70, 71, 72, 200, 259] {
        delete(world, "PACKED", sequence).await;
    }
    // Servers of 2.10 erase a message of a compressed block at the place it had before: the file
    // is damaged from there on, which every later reading finds (seen on 2.10.26).
    if world.cluster.binary().version >= ERASES_IN_COMPRESSED_BLOCKS_SINCE {
        for sequence in [1, 2, 3, 20, 21, 59].into_iter().chain(22..45) {
            delete(world, "PACKED", sequence).await;
        }
    }
}

/// A bucket with keys that were written several times, deleted, and purged.
async fn key_value(world: &World) {
    let more = json!({
        "subjects": ["$KV.settings.>"],
        "max_msgs_per_subject": 3,
        "discard": "new",
        "allow_rollup_hdrs": true,
        "deny_delete": true,
        "allow_direct": true,
    });
    world.create("KV_settings", 1, &more).await;
    for round in 0..5 {
        for key in ["a", "b.c", "größe", "gone", "purged"] {
            publish(
                world,
                &format!("$KV.settings.{key}"),
                &[],
                format!("{key} {round}"),
            )
            .await;
        }
    }
    publish(world, "$KV.settings.gone", &[("KV-Operation", "DEL")], "").await;
    let purge = [("KV-Operation", "PURGE"), ("Nats-Rollup", "sub")];
    publish(world, "$KV.settings.purged", &purge, "").await;
}

/// An object in chunks, and its description, written twice.
async fn object_store(world: &World) {
    let more = json!({
        "subjects": ["$O.files.C.>", "$O.files.M.>"],
        "discard": "new",
        "allow_rollup_hdrs": true,
        "allow_direct": true,
    });
    world.create("OBJ_files", 1, &more).await;
    for number in 0..10_u8 {
        publish(world, "$O.files.C.abc", &[], vec![number; 128 << 10]).await;
    }
    for digest in ["SHA-256=one", "SHA-256=two"] {
        let description = json!({ "name": "file", "nuid": "abc", "chunks": 10, "digest": digest });
        let rollup = [("Nats-Rollup", "sub")];
        publish(
            world,
            "$O.files.M.ZmlsZQ==",
            &rollup,
            description.to_string(),
        )
        .await;
    }
}

/// A queue of which some jobs are done, out of order.
async fn work_queue(world: &World) {
    world
        .create("JOBS", 1, &json!({ "retention": "workqueue" }))
        .await;
    let consumer = json!({ "durable_name": "worker", "ack_policy": "explicit" });
    world
        .connection
        .create_consumer("JOBS", &consumer)
        .await
        .unwrap();
    for number in 0..30 {
        publish(world, "JOBS.new", &[], format!("job {number}")).await;
    }
    world
        .read_from("JOBS", "worker", 12, |number| number % 3 != 1)
        .await;
    wait_messages(world, "JOBS", 22).await;
}

/// Events that are kept while somebody is interested.
async fn interest(world: &World) {
    world
        .create("EVENTS", 1, &json!({ "retention": "interest" }))
        .await;
    for name in ["fast", "slow"] {
        let consumer = json!({ "durable_name": name, "ack_policy": "explicit" });
        world
            .connection
            .create_consumer("EVENTS", &consumer)
            .await
            .unwrap();
    }
    for number in 0..20 {
        publish(world, "EVENTS.new", &[], format!("event {number}")).await;
    }
    world.read_from("EVENTS", "fast", 15, |_| true).await;
    world
        .read_from("EVENTS", "slow", 6, |number| number != 2)
        .await;
    wait_messages(world, "EVENTS", 15).await;
}

/// More messages than the stream keeps.
async fn capped(world: &World) {
    world.create("CAPPED", 1, &json!({ "max_msgs": 50 })).await;
    for number in 0..120 {
        publish(
            world,
            "CAPPED.new",
            &[("Number", &number.to_string())],
            "x".repeat(number),
        )
        .await;
    }
}

/// Nothing is left but the count.
async fn emptied(world: &World) {
    world.create("EMPTIED", 1, &json!({})).await;
    for _ in 0..5 {
        publish(world, "EMPTIED.new", &[], "gone").await;
    }
    world.api("STREAM.PURGE.EMPTIED", &json!({})).await.unwrap();
}

/// Messages with a time to live: an hour, or none.
async fn with_ttls(world: &World) {
    world
        .create("SHORT", 1, &json!({ "allow_msg_ttl": true }))
        .await;
    for ttl in ["1h", "never", "2h"] {
        publish(world, "SHORT.new", &[("Nats-TTL", ttl)], ttl).await;
    }
}

/// Waits until acknowledgements have taken their messages out.
async fn wait_messages(world: &World, stream: &str, messages: u64) {
    until(PATIENCE, || async {
        match world.connection.stream_info(stream).await {
            Ok(info) if info.state.messages == messages => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
}

/// Reads an archive that must be sound, and its messages.
#[track_caller]
pub(super) fn read(path: &Path) -> (Survey, Vec<StoredMessage>) {
    let archive = Archive::open(path).unwrap();
    let survey = archive.survey(Level::Content).unwrap();
    let wrong = survey.defects.kept().iter();
    let is_wrong = |defect: &&Defect| {
        defect.is_damage() || matches!(defect.kind, Kind::OddSubject | Kind::SubjectsDiffer)
    };
    let wrong: Vec<_> = wrong.filter(is_wrong).collect();
    assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
    let mut messages = Vec::new();
    let live = Some(&survey.live);
    archive
        .messages(live, &mut |message| {
            messages.push(message.to_stored());
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    (survey, messages)
}

/// An archive must hold what the server had.
#[track_caller]
pub(super) fn compare(path: &Path, seen: &Seen) -> Vec<Consumer> {
    let (survey, messages) = read(path);
    assert_eq!(messages.len(), seen.picture.messages.len(), "{}", seen.name);
    for (found, expected) in messages.iter().zip(&seen.picture.messages) {
        assert!(
            found == expected,
            "{}: {:?}\n{:?}",
            seen.name,
            found.fingerprint(),
            expected.fingerprint()
        );
    }
    assert_eq!(
        survey.last_sequence, seen.picture.state.last_seq,
        "{}",
        seen.name
    );
    assert_eq!(
        survey.live.len(),
        seen.picture.state.messages,
        "{}",
        seen.name
    );
    survey.consumers
}
