//! Our own record of a backup, written last: with it a backup is whole, without it nothing is proven.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{OfflineError, Result};
use super::staging::replace_json;
use crate::archive::{BackupLayout, Consumer, Form, Survey};
use crate::model::ConsumerPosition;

/// The version of this file's format that we write.
pub(super) const FORMAT: u32 = 1;

/// What a backup holds, and how to tell that it still does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The stream.
    pub stream: String,
    /// The archive's generation.
    pub form: Form,
    /// The archive's size in bytes.
    pub archive_bytes: u64,
    /// SHA-256 of the archive, in hexadecimal.
    pub archive_sha256: String,
    /// Messages in it.
    pub messages: u64,
    /// Sequence of the first message.
    pub first_sequence: u64,
    /// The last sequence the stream had used.
    pub last_sequence: u64,
    /// Its consumers and where they stand.
    pub consumers: Vec<ConsumerPosition>,
    /// Consumers that the stream had and the archive lacks: servers to 2.14 leave out those
    /// whose only replica is on another node than the stream's leader, or in memory; and all are left
    /// out where 2.15 saves none, for nobody leads one of them.
    #[serde(default)]
    pub missing_consumers: Vec<String>,
    /// SHA-256 of the file with the consumers that were saved beside the archive, in hexadecimal;
    /// none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_consumers_sha256: Option<String>,
    /// Messages that were removed from the stream while the backup was made, before they were
    /// reached: neither the backup nor the stream has them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub removed_meanwhile: u64,
    /// When the stream was made, RFC 3339, which tells it from another of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_created: Option<String>,
    /// Whether its consumers were left out on purpose.
    #[serde(default)]
    pub without_consumers: bool,
    /// Whether it is what a restore replaced: the stream as it was then, for whatever reason it
    /// was not to stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
    /// How it was taken.
    #[serde(default)]
    pub method: Method,
    /// SHA-256 of `backup.json`, in hexadecimal.
    pub metadata_sha256: String,
    /// The archive that this one was made from, when it was converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted_from: Option<Origin>,
    /// What the archive that this one was made from lacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Version of the server we were connected to; that of the original, when it was converted.
    pub server: Option<semver::Version>,
    /// When the backup was complete, RFC 3339.
    pub taken_at: String,
    /// Version of Lifeboat.
    pub lifeboat: String,
}

impl Manifest {
    /// The manifest of an archive of that size and digest, of which a survey tells the rest; who it
    /// was taken from, and when, is not in it yet.
    pub(crate) fn of(
        stream: &str,
        survey: &Survey,
        archive_bytes: u64,
        archive_sha256: String,
    ) -> Self {
        Self {
            format: FORMAT,
            stream: stream.to_owned(),
            form: survey.form,
            archive_bytes,
            archive_sha256,
            messages: survey.live.len(),
            first_sequence: survey.first_sequence(),
            last_sequence: survey.last_sequence,
            consumers: survey.consumers.iter().map(Consumer::position).collect(),
            missing_consumers: Vec::new(),
            saved_consumers_sha256: None,
            removed_meanwhile: 0,
            stream_created: None,
            without_consumers: false,
            replaced: false,
            method: Method::Snapshot,
            metadata_sha256: String::new(),
            converted_from: None,
            lacks: Vec::new(),
            server: None,
            taken_at: String::new(),
            lifeboat: String::from(env!("CARGO_PKG_VERSION")),
        }
    }

    /// Whether it proves that the backup is all that the stream had: not when it was made from one
    /// of which nothing does.
    pub fn proves_completeness(&self) -> bool {
        self.converted_from
            .as_ref()
            .is_none_or(|origin| origin.sealed)
    }
}

/// Marks the backup in a directory as what a restore replaced, or not any more.
///
/// # Errors
/// When its manifest can't be read or written.
pub fn mark_replaced(directory: &Path, replaced: bool) -> Result<()> {
    let path = BackupLayout::at(directory).manifest();
    let text = fs::read(&path).map_err(OfflineError::io("reading", &path))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| OfflineError::io("reading", &path)(error.into()))?;
    let marked = Manifest {
        replaced,
        ..manifest
    };
    replace_json(&path, &marked)
}

/// How a backup was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The server's own snapshot.
    #[default]
    Snapshot,
    /// Message by message, where the server makes no snapshots.
    Messages,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The archive that another was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The stream's name there.
    pub stream: String,
    /// Its generation.
    pub form: Form,
    /// SHA-256 of the file that was read, in hexadecimal; none when it was a directory.
    pub archive_sha256: Option<String>,
    /// Whether a manifest proved that it was all that its stream had.
    #[serde(default)]
    pub sealed: bool,
}
