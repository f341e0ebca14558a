//! Backups of real servers, damaged in every way there is a name for: each is told by its name.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lifeboat::archive::{BackupLayout, Form};
use lifeboat_harness::wait::{Probe, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::backup::world::{PATIENCE, STREAM, World, edit_json};
use crate::support::{Lifeboat, entries};

type Files = Vec<(String, Vec<u8>)>;

/// The files of a backup's tar.
fn files_of(backup: &Path) -> Files {
    let packed = fs::File::open(BackupLayout::at(backup).archive(Form::Tar)).unwrap();
    let mut tar = tar::Archive::new(minlz::s2::Reader::new(packed));
    let mut files = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.push((path, content));
    }
    files
}

/// Writes files as an archive: sound frames, a sound tar, and whatever is in them.
fn write(backup: &Path, files: &Files) -> PathBuf {
    let copy = backup.with_extension("changed");
    let _removed = fs::remove_dir_all(&copy);
    fs::create_dir(&copy).unwrap();
    fs::copy(backup.join("backup.json"), copy.join("backup.json")).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, &content[..]).unwrap();
    }
    let archive = fs::File::create(BackupLayout::at(&copy).archive(Form::Tar)).unwrap();
    let mut packed = minlz::s2::Writer::new(archive);
    packed.write_all(&tar.into_inner().unwrap()).unwrap();
    packed.flush().unwrap();
    copy
}

/// What `verify` tells: its exit code, and the kinds of what is wrong.
fn verify(backup: &Path) -> (i32, Vec<String>) {
    let called = Lifeboat::new().call(&["verify", backup.to_str().unwrap(), "--json"]);
    let (code, report) = (called.code.unwrap(), called.json());
    let defects = report["defects"].as_array().unwrap().iter();
    let text = |defect: &Value| defect["kind"].as_str().unwrap().to_owned();
    (code, defects.map(text).collect())
}

fn file<'a>(files: &'a mut Files, path: &str) -> &'a mut Vec<u8> {
    let found = files.iter_mut().find(|(name, _)| name == path);
    &mut found.unwrap_or_else(|| panic!("no {path}")).1
}

/// The length of a subject that is published in bulk: its lower byte.
fn subject_length(files: &mut Files) -> &mut u8 {
    let subject = format!("{STREAM}.bulk");
    let block = file(files, "msgs/1.blk");
    let found = block.windows(subject.len());
    let mut found = found.map(|bytes| bytes == subject.as_bytes());
    let at = found.position(|is_there| is_there).unwrap();
    &mut block[at - 2]
}

/// A way to damage a tar, and what it is called.
type Damage = (&'static str, fn(&mut Files), i32, &'static str);

const DAMAGES: [Damage; 16] = [
    ("nothing", |_| {}, 0, "no-manifest"),
    (
        "an error of the server",
        |files| {
            files.push((String::from("errors.txt"), b"could not read block".to_vec()));
        },
        13,
        "server-error",
    ),
    (
        "a block twice",
        |files| {
            let again = files[2].clone();
            files.insert(3, again);
        },
        13,
        "duplicate",
    ),
    (
        "a block in the middle left out",
        |files| {
            files.retain(|(path, _)| path != "msgs/2.blk");
        },
        13,
        "absent-block",
    ),
    (
        "the last blocks left out",
        |files| {
            files.retain(|(path, _)| path == "msgs/1.blk" || !path.ends_with(".blk"));
        },
        12,
        "fewer-messages",
    ),
    (
        "blocks in another order",
        |files| files.swap(2, 3),
        13,
        "sequence-order",
    ),
    (
        "a changed payload",
        |files| file(files, "msgs/1.blk")[5000] ^= 1,
        13,
        "record-checksum",
    ),
    (
        "a block cut off",
        |files| {
            file(files, "msgs/1.blk").pop();
        },
        13,
        "cut-off",
    ),
    (
        "another length in a record",
        |files| file(files, "msgs/1.blk")[3] = 0x7f,
        13,
        "record",
    ),
    // No hash covers where a subject ends, and servers read another one then.
    (
        "a shorter subject",
        |files| *subject_length(files) -= 1,
        0,
        "subjects-differ",
    ),
    (
        "a subject that ends in a point",
        |files| *subject_length(files) -= u8::try_from("bulk".len()).unwrap(),
        0,
        "odd-subject",
    ),
    (
        "another configuration",
        |files| {
            let meta = file(files, "meta.inf");
            let at = meta.windows(4).position(|word| word == b"file").unwrap();
            meta[at] = b'F';
        },
        13,
        "metadata-checksum",
    ),
    (
        "a changed index",
        |files| file(files, "msgs/index.db")[3] ^= 1,
        13,
        "index-checksum",
    ),
    (
        "no index",
        |files| files.retain(|(path, _)| path != "msgs/index.db"),
        0,
        "no-index",
    ),
    (
        "a consumer without its checksum",
        |files| {
            files.retain(|(path, _)| path != "obs/half/meta.sum");
        },
        13,
        "metadata",
    ),
    (
        "a consumer ahead of the stream",
        |files| {
            *file(files, "obs/half/o.dat") = vec![0x16, 2, 1, 1, 0xff, 0x7f, 0xff, 0x7f, 0, 0];
        },
        13,
        "consumer-ahead",
    ),
];

#[tokio::test]
async fn every_damage_has_its_name() {
    let world = World::start_version(1, "2.12.8").await;
    world.fill(1, &json!({ "max_bytes": 16 << 20 })).await;
    world.publish_bulk(STREAM, 40, 300 << 10).await;
    let taken = world.back_up(STREAM, "backup").await;
    let files = files_of(&taken.directory);
    let blocks = files
        .iter()
        .filter(|(path, _)| path.ends_with(".blk"))
        .count();
    assert!(blocks >= 3, "{blocks} blocks");
    for (what, damage, code, kind) in DAMAGES {
        let mut files = files.clone();
        damage(&mut files);
        let (found, kinds) = verify(&write(&taken.directory, &files));
        assert_eq!(found, code, "{what}: {kinds:?}");
        assert!(kinds.iter().any(|found| found == kind), "{what}: {kinds:?}");
    }
    // All that is wrong is told, not the first alone.
    let mut several = files.clone();
    file(&mut several, "msgs/1.blk")[5000] ^= 1;
    file(&mut several, "msgs/2.blk")[5000] ^= 1;
    several.push((String::from("errors.txt"), Vec::new()));
    let (_, kinds) = verify(&write(&taken.directory, &several));
    let count = |kind| kinds.iter().filter(|found| *found == kind).count();
    assert_eq!(
        (count("record-checksum"), count("server-error")),
        (2, 1),
        "{kinds:?}"
    );
    // Cut between two files, where servers restore happily.
    let mut fewer = files.clone();
    fewer.truncate(4);
    let (code, _) = verify(&write(&taken.directory, &fewer));
    assert_eq!(code, 12);
    // A file that is not where it should be is looked at, and left out of what is extracted.
    let mut more = files;
    more.push((String::from("msgs/thing"), b"?".to_vec()));
    let changed = write(&taken.directory, &more);
    assert_eq!(verify(&changed).0, 0);
    let data = world.path("data");
    fs::create_dir(&data).unwrap();
    let call = ["extract", changed.to_str().unwrap(), data.to_str().unwrap()];
    drop(Lifeboat::new().call(&call).expect_code(0));
    let extracted = data.join("jetstream/$G/streams").join(STREAM);
    assert!(extracted.join("msgs/1.blk").is_file() && !extracted.join("msgs/thing").exists());
}

/// The manifest seals a backup: whatever is changed is noticed.
#[tokio::test]
async fn a_sealed_backup_is_known_by_its_digests() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    let taken = world.back_up(STREAM, "backup").await;
    let backup = &taken.directory;
    assert_eq!(verify(backup), (0, Vec::new()));
    let metadata = backup.join("backup.json");
    let text = fs::read(&metadata).unwrap();
    fs::write(&metadata, [&text[..], b" "].concat()).unwrap();
    assert_eq!(verify(backup), (13, vec![String::from("manifest")]));
    let mut changed: Value = serde_json::from_slice(&text).unwrap();
    changed["state"]["messages"] = json!(1000);
    fs::write(&metadata, changed.to_string()).unwrap();
    let (_, kinds) = verify(backup);
    // The archive says so of itself as well, when it is a message archive.
    assert!(kinds.contains(&String::from("manifest")), "{kinds:?}");
    assert!(kinds.contains(&String::from("fewer-messages")), "{kinds:?}");
    fs::write(&metadata, &text).unwrap();
    // How deep it is looked is chosen.
    let archive = BackupLayout::at(backup).archive(world.form());
    let mut bytes = fs::read(&archive).unwrap();
    let last = bytes.len() - 3;
    bytes[last / 2] ^= 0x10;
    fs::write(&archive, bytes).unwrap();
    let call = |level| {
        let call = ["verify", backup.to_str().unwrap(), "--level", level];
        Lifeboat::new().call(&call).code
    };
    assert_eq!((call("checksums"), call("content")), (Some(13), Some(13)));
}

/// Messages in memory have no block form that servers restore.
#[tokio::test]
async fn a_memory_stream_is_not_converted_into_nothing() {
    let world = World::start_version(1, "2.15.1").await;
    world
        .create("MEMORY", 1, &json!({ "storage": "memory" }))
        .await;
    world.publish_bulk("MEMORY", 10, 100).await;
    let before = world.picture("MEMORY").await;
    let backup = world.path("backup");
    drop(world.call_backup("MEMORY", &backup).expect_code(0));
    let target = world.path("target");
    let call = [
        "convert",
        backup.to_str().unwrap(),
        target.to_str().unwrap(),
        "--to",
        "tar",
    ];
    let called = Lifeboat::new().call(&call).expect_code(15);
    assert!(
        called.stderr.contains("--storage file"),
        "{}",
        called.stderr
    );
    assert!(!target.exists());
    let call = [&call[..], &["--storage", "file"]].concat();
    drop(Lifeboat::new().call(&call).expect_code(0));
    world.remove("MEMORY").await;
    drop(world.call_restore(&target, &[]).expect_code(0));
    assert!(world.picture("MEMORY").await.messages == before.messages);
}

/// Runs a command on a backup, with a target of its own.
fn call(command: &str, backup: &Path, more: &[&str]) -> (Option<i32>, PathBuf) {
    let home = TempDir::new().unwrap().keep();
    let target = home.join("target");
    if command == "extract" {
        fs::create_dir(&target).unwrap();
    }
    let arguments = [command, backup.to_str().unwrap(), target.to_str().unwrap()];
    let called = Lifeboat::new().call(&[&arguments[..], more].concat());
    (called.code, target)
}

/// What is damaged, incomplete or not sealed does not become sound, whole or sealed by being
/// converted or extracted.
#[tokio::test]
async fn nothing_is_laundered() {
    let world = World::start_version(1, "2.12.8").await;
    world.fill(1, &json!({})).await;
    let early = world.back_up(STREAM, "early").await.directory;
    world.publish_bulk(STREAM, 5, 100).await;
    let taken = world.back_up(STREAM, "taken").await.directory;
    let copy = |name: &str| {
        let copy = world.path(name);
        fs::create_dir(&copy).unwrap();
        for file in entries(&taken) {
            fs::copy(taken.join(&file), copy.join(&file)).unwrap();
        }
        copy
    };
    // An older archive in a sealed backup.
    let swapped = copy("swapped");
    fs::copy(early.join("stream.tar.s2"), swapped.join("stream.tar.s2")).unwrap();
    for (command, more) in [("convert", &["--to", "message"][..]), ("extract", &[])] {
        assert_eq!(call(command, &swapped, more).0, Some(13), "{command}");
    }
    let info = Lifeboat::new().call(&["info", swapped.to_str().unwrap(), "--json"]);
    assert_eq!(
        (info.code, &info.json()["sealed"]),
        (Some(13), &json!(false))
    );
    // The same without a manifest: it lacks messages, and says so ever after.
    fs::remove_file(swapped.join("lifeboat.json")).unwrap();
    assert_eq!(verify(&swapped).0, 12);
    let (code, converted) = call("convert", &swapped, &["--to", "message"]);
    assert_eq!(code, Some(12));
    let report = Lifeboat::new().call(&["verify", converted.to_str().unwrap(), "--json"]);
    let report = report.expect_code(12).json();
    assert_eq!(
        (&report["verdict"], &report["sealed"]),
        (&json!("incomplete"), &json!(false))
    );
    assert_eq!(call("extract", &swapped, &[]).0, Some(12));
    // Of the stream as it is restored as well; by the name of the archive's file too.
    world.remove(STREAM).await;
    drop(world.call_restore(&swapped, &[]).expect_code(12));
    world.remove(STREAM).await;
    drop(
        world
            .call_restore(&taken.join("stream.tar.s2"), &[])
            .expect_code(0),
    );
    // A message archive says of itself what backup.json must say as well.
    let (_, message) = call("convert", &taken, &["--to", "message"]);
    fs::remove_file(message.join("lifeboat.json")).unwrap();
    fs::copy(early.join("backup.json"), message.join("backup.json")).unwrap();
    assert_eq!(verify(&message).0, 13);
    // A whole one without a manifest does not become a sealed one.
    let unsealed = copy("unsealed");
    fs::remove_file(unsealed.join("lifeboat.json")).unwrap();
    let (code, converted) = call("convert", &unsealed, &["--to", "tar"]);
    let report = Lifeboat::new().call(&["verify", converted.to_str().unwrap(), "--json"]);
    assert_eq!(
        (code, &report.expect_code(0).json()["sealed"]),
        (Some(0), &json!(false))
    );
}

/// The name of a stream is a part of paths.
#[tokio::test]
async fn a_name_that_leads_elsewhere_is_refused() {
    let world = World::start_version(1, "2.15.1").await;
    world.fill(1, &json!({})).await;
    let taken = world.back_up(STREAM, "backup").await.directory;
    fs::remove_file(taken.join("lifeboat.json")).unwrap();
    for name in [
        "../../../../escaped",
        "/tmp/lifeboat-escaped",
        "a/b",
        "..",
        "",
    ] {
        edit_json(&taken.join("backup.json"), |metadata| {
            metadata["config"]["name"] = json!(name)
        });
        assert_eq!(verify(&taken).0, 13, "{name}");
        for (command, more) in [("convert", &["--to", "tar"][..]), ("extract", &[])] {
            let (code, target) = call(command, &taken, more);
            assert_eq!(code, Some(13), "{command} {name}");
            let left = if target.exists() {
                entries(&target)
            } else {
                Vec::new()
            };
            assert_eq!(left, [""; 0]);
            assert_eq!(
                entries(target.parent().unwrap()).len(),
                usize::from(command == "extract")
            );
        }
    }
    assert!(!Path::new("/tmp/lifeboat-escaped").exists());
}

/// Where the index is missing, or of another moment, servers rebuild it and apply the limits anew:
/// what is read here is what they then have.
#[tokio::test]
async fn without_its_index_a_stream_is_what_servers_make_of_it() {
    let world = World::start_version(1, "2.12.8").await;
    let limits = json!({ "subjects": ["kv.>"], "max_msgs_per_subject": 1 });
    for name in ["KEYS", "LAST"] {
        let more = if name == "KEYS" {
            limits.clone()
        } else {
            json!({ "max_msgs": 10 })
        };
        world.create(name, 1, &more).await;
    }
    for round in 0..3 {
        for key in 0..20 {
            let text = format!("{round}");
            world
                .client
                .request(format!("kv.{key}"), text.clone().into())
                .await
                .unwrap();
            world.client.request("LAST.x", text.into()).await.unwrap();
        }
        world.back_up("KEYS", &format!("keys-{round}")).await;
    }
    world.back_up("LAST", "last").await;
    // Blocks of one moment, and the index of a later one.
    let mut files = files_of(&world.path("keys-1"));
    let later = files_of(&world.path("keys-2"));
    *file(&mut files, "msgs/index.db") = file(&mut later.clone(), "msgs/index.db").clone();
    let busy = write(&world.path("keys-1"), &files);
    let mut files = files_of(&world.path("last"));
    files.retain(|(path, _)| path != "msgs/index.db");
    let bare = write(&world.path("last"), &files);
    // `extract` too gives a server what it would make of it.
    let (code, data) = call("extract", &busy, &[]);
    assert_eq!(code, Some(0));
    let extracted = crate::support::read_archive(&data.join("jetstream/$G/streams/KEYS"));
    assert_eq!(extracted.unwrap().messages.len(), 20);
    for (stream, backup, messages) in [("KEYS", busy, 20), ("LAST", bare, 10)] {
        let read = crate::support::read_archive(&BackupLayout::at(&backup).archive(Form::Tar));
        assert_eq!(read.unwrap().messages.len(), messages, "{stream}");
        world.remove(stream).await;
        drop(world.call_restore(&backup, &[]).expect_code(0));
        let restored = world.picture(stream).await;
        assert_eq!(restored.messages.len(), messages, "{stream}");
        for form in ["tar", "message"] {
            let (code, converted) = call("convert", &backup, &["--to", form]);
            assert_eq!(code, Some(0), "{stream} as {form}");
            let again = World::start_version(1, "2.15.1").await;
            drop(again.call_restore(&converted, &[]).expect_code(0));
            assert!(again.picture(stream).await.messages == restored.messages);
        }
    }
}

/// A block that is not there is missed, wherever it was, and by whoever reads.
#[tokio::test]
async fn a_missing_block_is_missed() {
    let world = World::start_version(1, "2.12.8").await;
    world
        .create(STREAM, 1, &json!({ "max_bytes": 16 << 20 }))
        .await;
    world.publish_bulk(STREAM, 40, 300 << 10).await;
    let taken = world.back_up(STREAM, "backup").await.directory;
    let files = files_of(&taken);
    let blocks = files
        .iter()
        .filter(|(path, _)| path.ends_with(".blk"))
        .count();
    assert!(blocks >= 3, "{blocks} blocks");
    for number in 1..=blocks {
        let mut fewer = files.clone();
        fewer.retain(|(path, _)| *path != format!("msgs/{number}.blk"));
        let changed = write(&taken, &fewer);
        let is_last = number == blocks;
        assert_eq!(
            verify(&changed).0,
            if is_last { 12 } else { 13 },
            "block {number}"
        );
        // As a store's own directory nothing can have come later.
        let store = world.path(&format!("store-{number}"));
        for (path, content) in &fewer {
            let path = store.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        assert_eq!(verify(&store).0, 13, "block {number}");
        let called = Lifeboat::new().call(&["cat", store.to_str().unwrap()]);
        assert_eq!(called.code, Some(13));
    }
}

/// After a crash the index of a store may be an old one: blocks that it lists may be gone by now, as
/// those of a queue that was worked off.
#[tokio::test]
async fn an_old_index_proves_nothing_of_blocks_that_are_gone() {
    let world = World::start_version(1, "2.12.8").await;
    world
        .create(STREAM, 1, &json!({ "max_bytes": 16 << 20 }))
        .await;
    world.publish_bulk(STREAM, 20, 300 << 10).await;
    let early = files_of(&world.back_up(STREAM, "early").await.directory);
    world.publish_bulk(STREAM, 20, 300 << 10).await;
    let mut files = files_of(&world.back_up(STREAM, "later").await.directory);
    *file(&mut files, "msgs/index.db") = file(&mut early.clone(), "msgs/index.db").clone();
    files.retain(|(path, _)| path != "msgs/1.blk");
    let store = world.path("store");
    for (path, content) in &files {
        let path = store.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let (code, kinds) = verify(&store);
    assert_eq!(code, 0, "{kinds:?}");
    assert!(kinds.contains(&String::from("index-differs")), "{kinds:?}");
}

/// A stream of three replicas is one that a server by itself starts.
#[tokio::test]
async fn extracted_streams_have_one_replica() {
    for version in ["2.12.8", "2.15.1"] {
        let world = World::start_version(3, version).await;
        world.fill(3, &json!({})).await;
        let taken = world.back_up(STREAM, "backup").await.directory;
        let (code, data) = call("extract", &taken, &[]);
        assert_eq!(code, Some(0));
        let stream = data.join("jetstream/$G/streams").join(STREAM);
        let meta = crate::backup::world::read_json(&stream.join("meta.inf"));
        assert_eq!(meta["num_replicas"], 1);
        assert_eq!(verify(&stream).0, 0);
        // Another stream with the same subjects would make one of them vanish.
        let (_, renamed) = call("convert", &taken, &["--to", "tar", "--rename", "OTHER"]);
        let call = ["extract", renamed.to_str().unwrap(), data.to_str().unwrap()];
        let called = Lifeboat::new().call(&call).expect_code(15);
        assert!(called.stderr.contains("overlaps"), "{}", called.stderr);
    }
}

/// Ctrl-C, and a kill: nothing is left that looks like a backup.
#[tokio::test]
async fn an_interrupted_conversion_leaves_nothing() {
    let world = World::start(1).await;
    world.create(STREAM, 1, &json!({})).await;
    world.publish_bulk(STREAM, 300, 500 << 10).await;
    let taken = world.back_up(STREAM, "backup").await;
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let home = TempDir::new().unwrap();
        let target = home.path().join("target");
        let call = [
            "convert",
            taken.directory.to_str().unwrap(),
            target.to_str().unwrap(),
        ];
        let lifeboat = Lifeboat::new();
        let mut command = lifeboat.command(&[&call[..], &["--to", "tar"]].concat());
        let mut running = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until(PATIENCE, || async {
            let written = entries(home.path()).into_iter().any(|name| {
                let file = home.path().join(name).join("stream.tar.s2");
                fs::metadata(file).is_ok_and(|file| file.len() > 1 << 20)
            });
            if written {
                Probe::Ready(())
            } else {
                Probe::Pending(String::from("nothing yet"))
            }
        })
        .await
        .unwrap();
        kill_process(Pid::from_child(&running), signal).unwrap();
        let status = running.wait().unwrap();
        assert!(!status.success());
        assert!(!target.exists());
        if signal == Signal::KILL {
            // What is left says what it is.
            let [left] = &entries(home.path())[..] else {
                panic!()
            };
            let (code, kinds) = verify(&home.path().join(left));
            assert_eq!((code, kinds.contains(&String::from("cut-off"))), (13, true));
        } else {
            assert_eq!(status.code(), Some(130));
            assert_eq!(entries(home.path()), [""; 0], "{signal:?}");
        }
    }
}
