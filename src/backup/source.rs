//! Opening a backup: is it whole, is it still what it was, what does it hold.

use std::fs::{self, File};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::{BackupError, Result};
use super::manifest::{FORMAT, Manifest};
use crate::archive::{ArchiveError, BackupLayout, Contents, read_archive};

/// A backup that was opened and read to its end.
#[derive(Debug)]
pub struct StreamBackup {
    /// Where its files are.
    pub layout: BackupLayout,
    /// The stream's configuration.
    pub config: Value,
    /// The stream's state when the backup began.
    pub state: Value,
    /// What the archive holds.
    pub contents: Contents,
    /// Our record of it; none in a backup that another tool made, whose completeness can't be
    /// proven.
    pub manifest: Option<Manifest>,
}

#[derive(Deserialize)]
struct Metadata {
    config: Value,
    state: Value,
}

impl StreamBackup {
    /// Opens the backup in a directory and reads its archive to the end.
    ///
    /// # Errors
    /// [`BackupError::NotABackup`] when something is missing, doubled or changed;
    /// [`BackupError::Archive`] when the archive itself is damaged.
    pub async fn open(directory: &Path) -> Result<Self> {
        let layout = BackupLayout::at(directory);
        let wrong = |reason: String| BackupError::NotABackup {
            path: directory.to_owned(),
            reason,
        };
        let text =
            fs::read(layout.metadata()).map_err(|error| wrong(format!("backup.json: {error}")))?;
        let metadata: Metadata = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("backup.json: {error}")))?;
        if metadata.config["name"].as_str().is_none_or(str::is_empty) {
            return Err(wrong(String::from(
                "backup.json: its configuration has no name",
            )));
        }
        let form = match layout.forms()[..] {
            [form] => form,
            [] => return Err(wrong(String::from("it has no archive"))),
            _ => return Err(wrong(String::from("it has two archives"))),
        };
        let archive = layout.archive(form);
        let manifest = read_manifest(&layout)?;
        if let Some(manifest) = &manifest {
            let found = sha256_of(&archive).map_err(BackupError::io("reading", &archive))?;
            if found != manifest.archive_sha256 {
                return Err(wrong(format!(
                    "the archive's sha256 is {found}, its manifest says {}",
                    manifest.archive_sha256
                )));
            }
        }
        let contents = decode(&archive).await?;
        if let Some(manifest) = &manifest {
            let held = (contents.messages.len() as u64, contents.last_sequence);
            if hex(&Sha256::digest(&text)) != manifest.metadata_sha256 {
                return Err(wrong(String::from(
                    "backup.json is not the one its manifest describes",
                )));
            }
            if held != (manifest.messages, manifest.last_sequence) {
                return Err(wrong(String::from(
                    "the archive is not what its manifest says",
                )));
            }
        }
        Ok(Self {
            layout,
            config: metadata.config,
            state: metadata.state,
            contents,
            manifest,
        })
    }

    /// The stream's name.
    pub fn stream(&self) -> &str {
        self.config["name"].as_str().unwrap_or_default()
    }
}

fn read_manifest(layout: &BackupLayout) -> Result<Option<Manifest>> {
    let path = layout.manifest();
    let wrong = |reason: String| BackupError::NotABackup {
        path: layout.directory().to_owned(),
        reason,
    };
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BackupError::io("reading", &path)(error)),
    };
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| wrong(format!("lifeboat.json: {error}")))?;
    if manifest.format > FORMAT {
        return Err(BackupError::Archive(ArchiveError::Unsupported {
            what: String::from("lifeboat.json"),
            detail: format!(
                "it is of format {}, this version reads up to {FORMAT}",
                manifest.format
            ),
        }));
    }
    Ok(Some(manifest))
}

/// Reads an archive to its end, without blocking the runtime.
pub(super) async fn decode(archive: &Path) -> Result<Contents> {
    let path = archive.to_owned();
    let read = tokio::task::spawn_blocking(move || read_archive(&path)).await;
    match read {
        Ok(contents) => Ok(contents?),
        Err(error) => Err(BackupError::Io {
            what: String::from("reading the archive"),
            source: std::io::Error::other(error),
        }),
    }
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
