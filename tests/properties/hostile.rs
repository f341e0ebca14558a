//! Archives made to do harm: paths that lead elsewhere, links and devices, lengths beyond all
//! measure, bombs. Always an error that says what is wrong, in bounded memory; nothing is written
//! outside the target, and nothing stays of what failed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use lifeboat::archive::{Archive, Kind, Level};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::archive::{MAGIC, put};
use crate::support::{Called, Lifeboat, entries};

const META: &[u8] = br#"{"name":"S","subjects":["s"]}"#;

/// A tar whose last entry is this one, with a path that no builder would write.
fn tar_with(path: &[u8], kind: EntryType, size: u64, content: &[u8]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(META.len() as u64);
    header.set_cksum();
    tar.append_data(&mut header, "meta.inf", META).unwrap();
    let mut bytes = tar.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.set_entry_type(kind);
    header.set_size(size);
    if kind == EntryType::Symlink || kind == EntryType::Link {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    bytes.extend(header.as_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    bytes
}

fn kinds(bytes: Vec<u8>) -> Vec<Kind> {
    let survey = Archive::in_memory(bytes).survey(Level::Content).unwrap();
    survey
        .defects
        .kept()
        .iter()
        .map(|defect| defect.kind)
        .collect()
}

/// Tries to extract and to convert an archive; neither may leave anything, nor write elsewhere.
#[track_caller]
fn leaves_nothing(bytes: &[u8]) {
    let home = TempDir::new().unwrap();
    let (archive, data) = (home.path().join("stream.tar.s2"), home.path().join("data"));
    fs::write(&archive, bytes).unwrap();
    fs::create_dir(&data).unwrap();
    let before = entries(home.path());
    let call = |arguments: &[&str]| Lifeboat::new().call(arguments);
    let (from, into) = (archive.to_str().unwrap(), data.to_str().unwrap());
    let target = home.path().join("target");
    for called in [
        call(&["extract", from, into]),
        call(&["convert", from, target.to_str().unwrap(), "--to", "tar"]),
        call(&["verify", from]),
    ] {
        let Called { code, stderr, .. } = called;
        assert_eq!(code, Some(13), "{stderr}");
    }
    assert_eq!(entries(&data), [""; 0]);
    assert_eq!(entries(home.path()), before);
    for outside in ["evil", "../evil", "/tmp/lifeboat-evil"] {
        assert!(!home.path().join(outside).exists());
    }
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for path in [
        &b"../evil"[..],
        b"msgs/../../evil",
        b"/tmp/lifeboat-evil",
        b"msgs/./1.blk",
        b"obs/../1.blk",
        b"msgs\\..\\evil",
    ] {
        let bytes = tar_with(path, EntryType::Regular, 4, b"evil");
        assert!(kinds(bytes.clone()).contains(&Kind::Entry), "{path:?}");
        leaves_nothing(&bytes);
    }
}

#[test]
fn links_devices_and_directories_are_refused() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Directory,
        EntryType::GNUSparse,
        EntryType::XGlobalHeader,
    ] {
        let bytes = tar_with(b"msgs/1.blk", kind, 0, b"");
        assert!(kinds(bytes.clone()).contains(&Kind::Entry), "{kind:?}");
        leaves_nothing(&bytes);
    }
}

#[test]
fn lengths_beyond_all_measure_are_not_believed() {
    for size in [1 << 33, 1 << 62, 1 << 63, u64::MAX] {
        let bytes = tar_with(b"msgs/1.blk", EntryType::Regular, size, b"x");
        assert!(kinds(bytes.clone()).contains(&Kind::TooLarge), "{size}");
        leaves_nothing(&bytes);
        let bytes = tar_with(b"x", EntryType::XHeader, size, b"x");
        assert!(kinds(bytes).contains(&Kind::TooLarge), "{size}");
        for field in 0..5 {
            let mut bytes = MAGIC.to_vec();
            (0..5).for_each(|at| put(&mut bytes, if at == field { size } else { 0 }));
            assert!(!kinds(bytes).is_empty(), "{size} in field {field}");
        }
    }
    let mut endless = MAGIC.to_vec();
    endless.extend([0xff; 20]);
    assert!(kinds(endless).contains(&Kind::TooLarge));
}

#[test]
fn deep_nesting_and_wrong_metadata_are_refused() {
    let deep = "[".repeat(200_000);
    for content in [
        deep.as_bytes(),
        b"",
        b"{",
        b"null",
        b"{\"name\":7}",
        b"\xff\xfe",
    ] {
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, "meta.inf", content).unwrap();
        let bytes = tar.into_inner().unwrap();
        assert!(kinds(bytes.clone()).contains(&Kind::Metadata));
        leaves_nothing(&bytes);
    }
    for name in ["../x", "a/b", "a.b", "", "*", "x y"] {
        let meta = format!(r#"{{"name":"{name}"}}"#);
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(meta.len() as u64);
        tar.append_data(&mut header, "meta.inf", meta.as_bytes())
            .unwrap();
        leaves_nothing(&tar.into_inner().unwrap());
    }
}

/// The upper two bits of a sequence are marks in a block.
#[test]
fn sequences_beyond_what_servers_store_are_refused() {
    for (sequence, last) in [((1 << 62) + 5, 1 << 62), (1 << 63, 9), (3, u64::MAX)] {
        let state = format!(r#"{{"messages":1,"last_seq":{last},"consumer_count":0}}"#);
        let mut bytes = MAGIC.to_vec();
        for value in [10, 0, 0, 0, state.len() as u64] {
            put(&mut bytes, value);
        }
        bytes.extend(b"state.json");
        bytes.extend(state.bytes());
        for value in [1, 0, sequence, 0, 1] {
            put(&mut bytes, value);
        }
        bytes.extend(b"axNATSARC");
        bytes.truncate(bytes.len() - 7);
        bytes.extend([0; 5]);
        assert!(
            kinds(bytes).contains(&Kind::TooLarge),
            "{sequence} of {last}"
        );
    }
}

/// An index that servers would believe, of a stream without messages that has used every sequence.
#[test]
fn an_index_beyond_what_servers_store_is_refused() {
    use highway::{HighwayHash as _, HighwayHasher, Key};
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(b"S");
    let words = digest
        .chunks_exact(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    let key = Key(words.collect::<Vec<_>>().try_into().unwrap());
    let hash = |bytes: &[u8]| HighwayHasher::new(key).hash64(bytes).to_le_bytes();
    let sum: String = hash(META)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let index = |last: u64| {
        let mut index = vec![11, 3];
        [0, 0, 0, 0, last, 0, 0, 0, 1]
            .into_iter()
            .for_each(|value| put(&mut index, value));
        index.extend([0; 8]);
        index.extend(hash(&index));
        index
    };
    for (last, code) in [(5, 0), (u64::MAX, 13)] {
        let home = TempDir::new().unwrap();
        let mut tar = Builder::new(fs::File::create(home.path().join("tar")).unwrap());
        let index = index(last);
        for (path, content) in [
            ("meta.inf", META),
            ("meta.sum", sum.as_bytes()),
            ("msgs/1.blk", b""),
            ("msgs/index.db", &index),
        ] {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, content).unwrap();
        }
        tar.into_inner().unwrap();
        let (from, target) = (home.path().join("tar"), home.path().join("target"));
        let call = [
            "convert",
            from.to_str().unwrap(),
            target.to_str().unwrap(),
            "--to",
            "message",
        ];
        drop(Lifeboat::new().call(&call).expect_code(code));
    }
}

/// A million entries of consumers, or of files that have no place there, in bounded memory and time.
#[test]
fn many_small_things_are_no_harm() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("many.tgz");
    let file = fs::File::create(&path).unwrap();
    let mut tar = Builder::new(flate2::write::GzEncoder::new(
        file,
        flate2::Compression::fast(),
    ));
    for number in 0..60_000 {
        let mut header = Header::new_gnu();
        header.set_size(0);
        tar.append_data(
            &mut header,
            format!("msgs/{number}-{}", "x".repeat(4000)),
            &b""[..],
        )
        .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    drop(in_little_memory(&["verify", path.to_str().unwrap()]).expect_code(13));
}

/// A file that is a gigabyte and more when it is unpacked is read in little memory.
#[test]
fn bombs_do_not_go_off() {
    const UNPACKED: usize = 1 << 30;
    let home = TempDir::new().unwrap();
    let zeros = vec![0; 1 << 20];
    let mut block = Vec::new();
    minlz::s2::Writer::new(&mut block)
        .write_all(&zeros)
        .unwrap();
    let frame = &block[10..];
    let bomb = |name: &str, begin: &[u8]| {
        let mut bytes = Vec::new();
        minlz::s2::Writer::new(&mut bytes).write_all(begin).unwrap();
        (0..UNPACKED >> 20).for_each(|_| bytes.extend(frame));
        let path = home.path().join(name);
        fs::write(&path, &bytes).unwrap();
        assert!(bytes.len() < UNPACKED / 1000);
        path
    };
    let tar = tar_with(b"msgs/1.blk", EntryType::Regular, UNPACKED as u64, b"");
    let mut entry = MAGIC.to_vec();
    [2, 0, 1, 0, UNPACKED as u64]
        .into_iter()
        .for_each(|value| put(&mut entry, value));
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(&tar[..1024]).unwrap();
    (0..UNPACKED >> 20).for_each(|_| zipped.write_all(&zeros).unwrap());
    let gzip = home.path().join("bomb.tgz");
    fs::write(&gzip, zipped.finish().unwrap()).unwrap();
    for path in [
        bomb("tar", &tar[..tar.len() - 1024]),
        bomb("entries", &entry),
        bomb("nothing", b"x"),
        gzip,
    ] {
        let called = in_little_memory(&["verify", path.to_str().unwrap()]);
        assert_eq!(
            called.code,
            Some(13),
            "{}: {}",
            path.display(),
            called.stderr
        );
    }
}

/// Runs the program with 640 MiB of address space, which is much more than memory.
fn in_little_memory(arguments: &[&str]) -> Called {
    let program = env!("CARGO_BIN_EXE_lifeboat");
    let script = "ulimit -v 655360; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, program]).args(arguments);
    // Threads reserve address space for memory of their own.
    command
        .env("MALLOC_ARENA_MAX", "2")
        .env("TOKIO_WORKER_THREADS", "2");
    Called::from(command.output().unwrap())
}

/// Nothing at all, one byte, a directory without anything, a name that leads nowhere.
#[test]
fn what_is_no_backup_is_told_to_be_none() {
    let home = TempDir::new().unwrap();
    let call = |path: &Path| Lifeboat::new().call(&["verify", path.to_str().unwrap()]);
    for content in [
        &b""[..],
        b"x",
        b"\xff\x06\0\0S2sTwO",
        b"\x1f\x8b",
        b"NATSARC1",
    ] {
        let path = home.path().join("file");
        fs::write(&path, content).unwrap();
        drop(call(&path).expect_code(13));
    }
    drop(call(home.path().join("file/..").as_path()).expect_code(1));
    let other = home.path().join("picture.png");
    fs::write(&other, [7; 2000]).unwrap();
    let called = call(&other).expect_code(16);
    assert!(
        called.stderr.contains("neither S2, gzip"),
        "{}",
        called.stderr
    );
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let called = call(&empty).expect_code(13);
    assert!(
        called.stderr.contains("neither backup.json nor an archive"),
        "{}",
        called.stderr
    );
    // What was interrupted while it was made says so.
    let unfinished = home.path().join(".lifeboat-partial-x");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("backup.json"), "{}").unwrap();
    let called = call(&unfinished).expect_code(13);
    assert!(called.stdout.contains("interrupted"), "{}", called.stdout);
}
