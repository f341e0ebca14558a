//! A backup that is not what it was is noticed before anything is sent, with our manifest and
//! without.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use lifeboat::archive::{BackupLayout, Form};
use lifeboat::backup::{BackupError, StreamBackup};
use serde_json::json;

use super::world::{STREAM, World, edit_json, sha256};
use crate::support::read_archive;

/// A directory with a copy of a backup in it, to be damaged.
fn copy(from: &Path, to: &Path) -> BackupLayout {
    fs::create_dir(to).unwrap();
    for name in crate::support::entries(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
    BackupLayout::at(to)
}

/// What damage does to a backup, given the form of its archive.
type Damage = fn(&BackupLayout, Form);

fn change_archive(layout: &BackupLayout, form: Form, change: impl FnOnce(&mut Vec<u8>)) {
    let path = layout.archive(form);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn flip(layout: &BackupLayout, form: Form) {
    change_archive(layout, form, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
}

fn cut(layout: &BackupLayout, form: Form) {
    change_archive(layout, form, |bytes| bytes.truncate(bytes.len() - 7));
}

fn unseal(layout: &BackupLayout) {
    fs::remove_file(layout.manifest()).unwrap();
}

/// Every damage, and the words that tell it.
const DAMAGES: [(&str, Damage, &str); 10] = [
    ("flipped", flip, "sha256"),
    ("cut", cut, "sha256"),
    (
        "flipped-unsealed",
        |layout, form| (flip(layout, form), unseal(layout)).1,
        "",
    ),
    (
        "cut-unsealed",
        |layout, form| (cut(layout, form), unseal(layout)).1,
        "",
    ),
    (
        "two-archives",
        |layout, form| {
            let other = if form == Form::Tar {
                Form::Message
            } else {
                Form::Tar
            };
            fs::write(layout.archive(other), "").unwrap();
        },
        "it has two archives",
    ),
    (
        "no-archive",
        |layout, form| fs::remove_file(layout.archive(form)).unwrap(),
        "it has no archive",
    ),
    (
        "no-metadata",
        |layout, _| fs::remove_file(layout.metadata()).unwrap(),
        "backup.json",
    ),
    (
        "bad-metadata",
        |layout, _| fs::write(layout.metadata(), "{").unwrap(),
        "backup.json",
    ),
    (
        "no-name",
        |layout, _| {
            edit_json(&layout.metadata(), |metadata| {
                metadata["config"] = json!({})
            })
        },
        "backup.json",
    ),
    (
        "bad-manifest",
        |layout, _| fs::write(layout.manifest(), "{}").unwrap(),
        "lifeboat.json",
    ),
];

#[tokio::test]
async fn damage_is_noticed_before_anything_is_sent() {
    for version in ["2.15.1", "2.12.8"] {
        let world = World::start_version(1, version).await;
        world.fill(1, &json!({})).await;
        let taken = world.back_up(STREAM, "backup").await;
        world.remove(STREAM).await;
        for (name, damage, words) in DAMAGES {
            let path = world.path(name);
            damage(&copy(&taken.directory, &path), world.form());
            let called = world.call_restore(&path, &[]).expect_code(13);
            assert!(called.stderr.contains(words), "{name}: {}", called.stderr);
            assert!(world.is_free(STREAM).await, "{name}");
        }
        let _nowhere = world
            .call_restore(&world.path("nowhere"), &[])
            .expect_code(2);
        // A manifest of a later format is no damage: a later program reads it.
        let path = world.path("newer-manifest");
        let layout = copy(&taken.directory, &path);
        edit_json(&layout.manifest(), |manifest| {
            manifest["format"] = json!(99)
        });
        let called = world.call_restore(&path, &[]).expect_code(16);
        assert!(
            called.stderr.contains("it is of format 99"),
            "{}",
            called.stderr
        );
    }
}

/// Without a manifest only the archive speaks for itself: its S2 frames and its own structure.
/// No flipped bit that changes anything goes unnoticed, and no cut.
#[tokio::test]
async fn no_changed_bit_and_no_cut_goes_unnoticed() {
    for version in ["2.15.1", "2.12.8"] {
        let world = World::start_version(1, version).await;
        world.create(STREAM, 1, &json!({})).await;
        world.publish_bulk(STREAM, 3, 40).await;
        let taken = world.back_up(STREAM, "backup").await;
        let whole = fs::read(BackupLayout::at(&taken.directory).archive(world.form())).unwrap();
        assert_eq!(sha256(&whole), taken.manifest.archive_sha256);
        assert!(whole.len() < 4096, "{} bytes take too long", whole.len());
        let archive = BackupLayout::at(&taken.directory).archive(world.form());
        let held = read_archive(&archive).unwrap();
        // Changed in place: thousands of new files would keep the disk busy.
        let path = world.path("changed");
        fs::write(&path, &whole).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut noticed = 0;
        for bit in 0..whole.len() * 8 {
            let (place, byte) = ((bit / 8) as u64, whole[bit / 8]);
            file.write_all_at(&[byte ^ (1 << (bit % 8))], place)
                .unwrap();
            // A few bits may stand one way or the other: where a run of zeros is copied from.
            match read_archive(&path) {
                Ok(found) => assert_eq!(found, held, "bit {bit}"),
                Err(_) => noticed += 1,
            }
            file.write_all_at(&[byte], place).unwrap();
        }
        let (bits, least) = (whole.len() * 8, whole.len() * 8 * 95 / 100);
        assert!(noticed > least, "{noticed} of {bits} bits");
        for length in (0..whole.len()).rev() {
            file.set_len(length as u64).unwrap();
            assert!(read_archive(&path).is_err(), "cut at {length}");
        }
    }
}

#[tokio::test]
async fn a_backup_of_another_tool_is_restored_but_not_sealed() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    let before = world.picture(STREAM).await;
    let taken = world.back_up(STREAM, "backup").await;
    unseal(&BackupLayout::at(&taken.directory));
    let opened = StreamBackup::open(&taken.directory).await.unwrap();
    assert!(opened.manifest.is_none());
    world.remove(STREAM).await;
    let restored = world.restore(&taken.directory, None).await;
    assert!(!restored.sealed);
    assert_eq!(world.picture(STREAM).await, before);
}

/// The manifest is what a backup without the archive's damage is known by.
#[tokio::test]
async fn an_opened_backup_tells_what_is_wrong() {
    let world = World::start(1).await;
    world.fill(1, &json!({})).await;
    let taken = world.back_up(STREAM, "backup").await;
    let opened = StreamBackup::open(&taken.directory).await.unwrap();
    assert_eq!(opened.stream(), STREAM);
    assert_eq!(opened.manifest, Some(taken.manifest));
    for (name, damage, _) in DAMAGES {
        let path = world.path(name);
        damage(&copy(&taken.directory, &path), world.form());
        let error = StreamBackup::open(&path).await.unwrap_err();
        let is_damage = matches!(
            error,
            BackupError::NotABackup { .. } | BackupError::Archive(_)
        );
        assert!(is_damage, "{name}: {error:?}");
    }
}
