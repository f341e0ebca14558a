//! Configurations saved and applied on real servers: what comes back, what is refused before
//! anything is changed, and that a second time does nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lifeboat::archive::Form;
use serde_json::{Value, json};

use crate::backup::world::{STREAM, World, edit_json, plain_config, read_json, sha256};
use crate::support::{Called, Lifeboat, entries, read_archive};

/// The configurations of streams and of consumers, by name.
type Configurations = BTreeMap<String, Value>;

/// What an account has, without what servers note of themselves.
async fn configurations(world: &World) -> Configurations {
    let mut all = BTreeMap::new();
    for stream in world.connection.stream_names().await.unwrap() {
        let info = world.connection.stream_info(&stream).await.unwrap();
        all.insert(stream.clone(), plain(info.config));
        let consumers = world.connection.list_consumers(&stream).await.unwrap();
        for consumer in consumers.infos {
            // Servers make these whenever they get round to it.
            if !consumer.name.starts_with("JS_SRC_") {
                let name = format!("{stream} > {}", consumer.name);
                all.insert(name, plain(Value::Object(consumer.config)));
            }
        }
    }
    all
}

fn plain(config: Value) -> Value {
    let mut config = plain_config(config);
    if config["metadata"]
        .as_object()
        .is_some_and(serde_json::Map::is_empty)
    {
        config.as_object_mut().unwrap().remove("metadata");
    }
    // Reading a field that is not there makes it.
    if config["metadata"].is_null() {
        config.as_object_mut().unwrap().remove("metadata");
    }
    config
}

/// Streams and consumers with settings of all sorts. AAA mirrors ZZZ, and is created after it.
async fn make(world: &World) {
    world
        .create(
            "ZZZ",
            1,
            &json!({
                "subjects": ["zzz.>", "größe.*"],
                "description": "größer 🛟",
                "max_age": 3_600_000_000_000_u64,
                "max_msgs_per_subject": 7,
                "duplicate_window": 60_000_000_000_u64,
                "compression": "s2",
                "discard": "new",
                "metadata": { "owner": "größe" },
                "subject_transform": { "src": "zzz.>", "dest": "z.>" },
                "republish": { "src": ">", "dest": "again.>" },
                "consumer_limits": { "max_ack_pending": 500 },
                "deny_delete": true,
            }),
        )
        .await;
    let mirror = json!({ "subjects": [], "mirror": { "name": "ZZZ" } });
    world.create("AAA", 1, &mirror).await;
    let memory = json!({ "storage": "memory", "retention": "workqueue" });
    world.create("JOBS", 1, &memory).await;
    let sources =
        json!({ "subjects": [], "sources": [{ "name": "JOBS", "filter_subject": "JOBS.a" }] });
    world.create("ALL", 1, &sources).await;
    for config in [
        json!({ "durable_name": "plain", "ack_policy": "explicit" }),
        json!({
            "durable_name": "odd", "ack_policy": "all", "deliver_policy": "by_start_sequence",
            "opt_start_seq": 5, "filter_subjects": ["z.a", "z.b"], "max_deliver": 4,
            "backoff": [1_000_000_000_u64, 2_000_000_000_u64], "description": "größe",
            "metadata": { "owner": "größe" }, "max_ack_pending": 50,
        }),
        json!({
            "durable_name": "push", "ack_policy": "explicit", "deliver_subject": "to.me",
            "deliver_group": "us", "idle_heartbeat": 5_000_000_000_u64, "flow_control": true,
        }),
    ] {
        world
            .connection
            .create_consumer("ZZZ", &config)
            .await
            .unwrap();
    }
    let job = json!({ "durable_name": "worker", "ack_policy": "explicit", "mem_storage": true });
    world
        .connection
        .create_consumer("JOBS", &job)
        .await
        .unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn save(world: &World, target: &Path, more: &[&str]) -> Called {
    world.call(&[&["config", "save", text(target)], more].concat())
}

fn apply(world: &World, source: &Path, more: &[&str]) -> Called {
    world.call(&[&["config", "apply", text(source)], more].concat())
}

/// What becomes of every stream and consumer, in the order of the plan.
fn steps(called: &Called) -> Vec<String> {
    let result = called.json();
    let steps = result["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            let consumer = step["consumer"].as_str().unwrap_or("-");
            let stream = step["stream"].as_str().unwrap();
            format!("{} {stream} {consumer}", step["action"].as_str().unwrap())
        })
        .collect()
}

/// Changes the configuration in a file, and its checksum with it.
fn edit(path: &Path, edit: impl FnOnce(&mut Value)) {
    edit_json(path, |record| {
        let configuration = record["configuration"].as_str().unwrap();
        let bytes = STANDARD.decode(configuration).unwrap();
        let mut value: Value = serde_json::from_slice(&bytes).unwrap();
        edit(&mut value);
        let text = value.to_string();
        record["checksum"] = json!(sha256(text.as_bytes()));
        record["configuration"] = json!(STANDARD.encode(text));
    });
}

/// Whether the files are what they should be: names, who may read them, checksums.
fn check_files(saved: &Path) {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(saved), 0o750);
    let mut files = entries(saved);
    files.sort();
    assert_eq!(
        files,
        [
            "stream_AAA.json",
            "stream_ALL.json",
            "stream_JOBS.json",
            "stream_JOBS_consumer_worker.json",
            "stream_ZZZ.json",
            "stream_ZZZ_consumer_odd.json",
            "stream_ZZZ_consumer_plain.json",
            "stream_ZZZ_consumer_push.json",
        ]
    );
    for file in &files {
        let path = saved.join(file);
        assert_eq!(mode(&path) & !0o640, 0, "{file}");
        let record = read_json(&path);
        let bytes = STANDARD.decode(record["configuration"].as_str().unwrap());
        assert_eq!(record["checksum"], sha256(&bytes.unwrap()), "{file}");
    }
}

/// Saves from a server of one version and applies to an empty one of another.
async fn there_and_back(from: &str, to: &str) {
    let world = World::start_version(1, from).await;
    make(&world).await;
    let ephemeral = json!({ "stream_name": "ZZZ", "config": { "ack_policy": "explicit" } });
    world.api("CONSUMER.CREATE.ZZZ", &ephemeral).await.unwrap();
    let saved = world.path("saved");
    let called = save(&world, &saved, &["--exclude", "nothing*"]).expect_code(0);
    assert!(
        called
            .stderr
            .contains("of stream ZZZ is ephemeral, and was not saved"),
        "{}",
        called.stderr
    );
    check_files(&saved);
    let mut expected = configurations(&world).await;
    expected.retain(|name, config| !name.contains(" > ") || config.get("durable_name").is_some());
    assert_eq!(expected.len(), 8);

    let fresh = World::start_version(1, to).await;
    let called = apply(&fresh, &saved, &["--dry-run"]).expect_code(0);
    assert!(
        called.stdout.contains("create stream AAA"),
        "{}",
        called.stdout
    );
    assert!(configurations(&fresh).await.is_empty());
    let called = apply(&fresh, &saved, &["--json"]).expect_code(0);
    assert_eq!(
        steps(&called),
        [
            "create JOBS -",
            "create ZZZ -",
            "create AAA -",
            "create ALL -",
            "create JOBS worker",
            "create ZZZ odd",
            "create ZZZ plain",
            "create ZZZ push",
        ]
    );
    assert_eq!(called.json()["created"], 8);
    let found = configurations(&fresh).await;
    if from == to {
        assert_eq!(found, expected);
    } else {
        // Versions fill in different defaults, but keep what was said.
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>()
        );
        for (name, config) in &expected {
            for (field, value) in config.as_object().unwrap() {
                let has = found[name].get(field).unwrap_or(&Value::Null);
                let is_empty = *value == json!({}) || *value == json!(false);
                assert!(
                    has == value || is_empty,
                    "{name}: {field}: {has}, not {value}"
                );
            }
        }
    }

    for more in [&["--update-streams"][..], &[]] {
        let again = apply(&fresh, &saved, more).expect_code(0);
        assert!(
            again.stdout.contains("nothing to do: all 8"),
            "{}",
            again.stdout
        );
    }
    assert_eq!(configurations(&fresh).await, found);
}

#[tokio::test]
async fn what_is_saved_is_applied_on_a_fresh_server_of_2_15() {
    there_and_back("2.15.1", "2.15.1").await;
}

#[tokio::test]
async fn what_is_saved_is_applied_on_a_fresh_server_of_2_10() {
    there_and_back("2.10.26", "2.10.26").await;
}

#[tokio::test]
async fn what_2_10_saved_is_applied_on_2_15() {
    there_and_back("2.10.26", "2.15.1").await;
}

#[tokio::test]
async fn what_2_15_saved_is_applied_on_2_10() {
    there_and_back("2.15.1", "2.10.26").await;
}

#[tokio::test]
async fn what_an_older_server_does_not_know_is_told() {
    let world = World::start_version(1, "2.15.1").await;
    let config = json!({ "allow_msg_ttl": true });
    world.create("TTL", 1, &config).await;
    let saved = world.path("saved");
    let _called = save(&world, &saved, &[]).expect_code(0);
    let older = World::start_version(1, "2.10.26").await;
    let called = apply(&older, &saved, &[]).expect_code(12);
    let told = "stream TTL: the server took allow_msg_ttl as null, not true";
    assert!(called.stderr.contains(told), "{}", called.stderr);
    let called = apply(&older, &saved, &[]).expect_code(15);
    assert!(
        called.stderr.contains(": allow_msg_ttl"),
        "{}",
        called.stderr
    );
}

/// A server with streams, and what was saved of it.
async fn saved_world() -> (World, PathBuf) {
    let world = World::start(1).await;
    make(&world).await;
    let saved = world.path("saved");
    let called = save(&world, &saved, &[]).expect_code(0);
    assert!(
        called.stdout.contains("4 streams and 4 consumers"),
        "{}",
        called.stdout
    );
    (world, saved)
}

#[tokio::test]
async fn a_file_that_was_changed_is_refused_and_nothing_is_made() {
    let (_world, saved) = saved_world().await;
    let fresh = World::start(1).await;
    // The last file that is read, so that others were good.
    let file = saved.join("stream_ZZZ_consumer_push.json");
    let whole = fs::read(&file).unwrap();
    edit_json(&file, |record| {
        let changed =
            json!({ "stream": "ZZZ", "name": "push", "config": { "durable_name": "push" } });
        record["configuration"] = json!(STANDARD.encode(changed.to_string()));
    });
    let called = apply(&fresh, &saved, &[]).expect_code(13);
    assert!(
        called
            .stderr
            .contains("stream_ZZZ_consumer_push.json: checksum: "),
        "{}",
        called.stderr
    );
    fs::write(&file, &whole).unwrap();
    for (name, content, told) in [
        ("stream_ZZZ_consumer_push.json", "{}", "type: it is missing"),
        ("backup.json", "{\"config\":{}}", "backup.json: type: "),
        (
            "stream_Z.json",
            "not JSON",
            "the file: it is no JSON object",
        ),
    ] {
        fs::write(saved.join(name), content).unwrap();
        let called = apply(&fresh, &saved, &[]).expect_code(2);
        assert!(called.stderr.contains(told), "{}", called.stderr);
        fs::remove_file(saved.join(name)).unwrap();
    }
    fs::remove_file(saved.join("stream_ZZZ.json")).unwrap();
    let called = apply(&fresh, &saved, &[]).expect_code(15);
    assert!(
        called
            .stderr
            .contains("consumer odd is of stream ZZZ, which is neither"),
        "{}",
        called.stderr
    );
    assert!(configurations(&fresh).await.is_empty());
}

#[tokio::test]
async fn what_differs_is_changed_in_place_when_that_is_asked_for() {
    let (world, saved) = saved_world().await;
    let before = configurations(&world).await;
    let mut config = before["ZZZ"].clone();
    config["max_age"] = json!(7_200_000_000_000_u64);
    config["description"] = json!("another");
    config["subjects"] = json!(["zzz.>", "größe.*", "more"]);
    config.as_object_mut().unwrap().remove("republish");
    world.api("STREAM.UPDATE.ZZZ", &config).await.unwrap();
    let mut consumer = before["ZZZ > odd"].clone();
    consumer["max_deliver"] = json!(9);
    let body = json!({ "stream_name": "ZZZ", "config": consumer });
    world
        .api("CONSUMER.DURABLE.CREATE.ZZZ.odd", &body)
        .await
        .unwrap();
    // What the file does not have is something that differs too.
    let mut mirror = before["AAA"].clone();
    mirror["description"] = json!("a mirror");
    world.api("STREAM.UPDATE.AAA", &mirror).await.unwrap();
    world
        .api("CONSUMER.DELETE.ZZZ.plain", &json!({}))
        .await
        .unwrap();
    let changed = configurations(&world).await;

    let called = apply(&world, &saved, &[]).expect_code(15);
    for told in [
        "stream ZZZ exists and differs (--update-streams changes it): subjects, max_age",
        "stream AAA exists and differs (--update-streams changes it): description",
        "consumer odd of stream ZZZ exists and differs",
        "nothing was changed",
    ] {
        let unfolded = called.stderr.replace("description, ", "");
        assert!(
            called.stderr.contains(told) || unfolded.contains(told),
            "{told}: {}",
            called.stderr
        );
    }
    assert_eq!(configurations(&world).await, changed);

    let dry = ["--update-streams", "--dry-run"];
    let called = apply(&world, &saved, &dry).expect_code(0);
    for told in [
        "update stream ZZZ: ",
        "max_age 7200000000000 -> 3600000000000",
        "republish null -> {",
        "update consumer odd of stream ZZZ: max_deliver 9 -> 4",
        "create consumer plain of stream ZZZ",
        "leave  stream JOBS",
        "1 to create, 3 to update, 4 to leave",
    ] {
        assert!(called.stdout.contains(told), "{told}: {}", called.stdout);
    }
    assert_eq!(configurations(&world).await, changed);

    let called = apply(&world, &saved, &["--update-streams"]).expect_code(0);
    assert!(
        called.stdout.contains("1 created, 3 updated, 4 left"),
        "{}",
        called.stdout
    );
    assert_eq!(configurations(&world).await, before);
    let again = apply(&world, &saved, &["--update-streams"]).expect_code(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

#[tokio::test]
async fn what_a_server_refuses_is_told_with_what_was_done() {
    let (world, saved) = saved_world().await;
    // A consumer's policy can't be changed, and keeps nothing else from being done.
    edit(&saved.join("stream_ZZZ_consumer_odd.json"), |record| {
        record["config"]["ack_policy"] = json!("explicit");
    });
    edit(&saved.join("stream_ZZZ_consumer_plain.json"), |record| {
        record["config"]["max_deliver"] = json!(3);
    });
    let called = apply(&world, &saved, &["--update-streams"]).expect_code(15);
    assert!(
        called
            .stderr
            .contains("refused: consumer odd of stream ZZZ exists, differs, and can't be changed"),
        "{}",
        called.stderr
    );
    let found = configurations(&world).await;
    assert_eq!(found["ZZZ > odd"]["ack_policy"], "all");
    assert_eq!(found["ZZZ > plain"]["max_deliver"], 3);

    // A stream that can't be made ends it halfway.
    let fresh = World::start(1).await;
    edit(&saved.join("stream_AAA.json"), |config| {
        config["subjects"] = json!(["a.mirror.has.none"]);
    });
    let called = apply(&fresh, &saved, &[]).expect_code(15);
    for told in [
        "creating stream AAA: ",
        "done before: stream JOBS, stream ZZZ",
        "not done: stream ALL, consumer worker of stream JOBS",
    ] {
        assert!(called.stderr.contains(told), "{told}: {}", called.stderr);
    }
    let names: Vec<String> = configurations(&fresh).await.into_keys().collect();
    assert_eq!(names, ["JOBS", "ZZZ"]);

    let sealed = World::start(1).await;
    edit(&saved.join("stream_ALL.json"), |config| {
        config["sealed"] = json!(true)
    });
    let called = apply(&sealed, &saved, &[]).expect_code(15);
    assert!(
        called.stderr.contains("stream ALL is sealed"),
        "{}",
        called.stderr
    );
    assert!(configurations(&sealed).await.is_empty());
}

/// The messages of file streams are in archives that hold what the streams hold.
async fn data(version: &str) {
    let world = World::start_version(1, version).await;
    world.fill(1, &json!({})).await;
    world
        .create("MEMORY", 1, &json!({ "storage": "memory" }))
        .await;
    world.publish_bulk("MEMORY", 3, 10).await;
    let saved = world.path("saved");
    let called = save(&world, &saved, &["--data", "--json"]).expect_code(12);
    assert!(
        called
            .stderr
            .contains("stream MEMORY is kept in memory: none of its messages are saved"),
        "{}",
        called.stderr
    );
    let picture = world.picture(STREAM).await;
    let result = called.json();
    assert_eq!(
        result["data"][0]["messages"], picture.state.messages,
        "{result}"
    );
    assert_eq!(
        entries(world.directory.path()),
        ["saved"],
        "something was left behind"
    );
    let file = saved.join("stream_ORDERS.tgz");
    assert!(!saved.join("stream_MEMORY.tgz").exists());

    let called = Lifeboat::new()
        .call(&["verify", text(&file)])
        .expect_code(0);
    assert!(
        called.stdout.contains("sound: ORDERS: 54 messages"),
        "{}",
        called.stdout
    );
    assert!(
        called.stdout.contains(&format!("{}, gzipped", Form::Tar)),
        "{}",
        called.stdout
    );
    let held = read_archive(&file).unwrap();
    let messages: Vec<_> = held.messages.into_values().collect();
    assert!(messages == picture.messages);
    assert_eq!((held.last_sequence, held.consumers.len()), (60, 4));

    let fresh = World::start_version(1, version).await;
    let called = apply(&fresh, &saved, &[]).expect_code(0);
    let told = format!("`lifeboat restore stream {}`", file.display());
    assert!(called.stderr.contains(&told), "{}", called.stderr);
    assert_eq!(fresh.picture(STREAM).await.state.messages, 0);
}

#[tokio::test]
async fn data_of_2_15_is_saved_as_a_tar() {
    data("2.15.1").await;
}

#[tokio::test]
async fn data_of_2_10_is_saved_as_a_tar() {
    data("2.10.26").await;
}

#[tokio::test]
async fn only_what_is_asked_for_is_saved() {
    let (world, saved) = saved_world().await;
    let called = save(&world, &saved, &[]).expect_code(15);
    assert!(
        called.stderr.contains("exists already"),
        "{}",
        called.stderr
    );
    let some = world.path("some");
    let patterns = ["--include", "A*", "--include", "ZZZ", "--exclude", "AL?"];
    let called = save(&world, &some, &patterns).expect_code(0);
    assert!(
        called.stdout.contains("2 streams and 3 consumers"),
        "{}",
        called.stdout
    );
    let called = save(&world, &world.path("none"), &["--include", "x*"]).expect_code(2);
    assert!(
        called.stderr.contains("none of the account's 4 streams"),
        "{}",
        called.stderr
    );
    assert_eq!(
        entries(world.directory.path()).len(),
        2,
        "something was left behind"
    );
}

#[tokio::test]
async fn a_name_that_two_files_would_have_is_told() {
    let world = World::start(1).await;
    for stream in ["A", "A_consumer_B"] {
        world.create(stream, 1, &json!({})).await;
    }
    for name in ["B", "C"] {
        let config = json!({ "durable_name": name, "ack_policy": "explicit" });
        world
            .connection
            .create_consumer("A", &config)
            .await
            .unwrap();
    }
    let saved = world.path("saved");
    let called = save(&world, &saved, &[]).expect_code(12);
    assert!(
        called
            .stderr
            .contains("incomplete: consumer B of stream A is not saved"),
        "{}",
        called.stderr
    );
    let fresh = World::start(1).await;
    let _called = apply(&fresh, &saved, &[]).expect_code(0);
    let names: Vec<String> = configurations(&fresh).await.into_keys().collect();
    assert_eq!(names, ["A", "A > C", "A_consumer_B"]);
}
