//! Where things are in a backup of one stream: the `nats` CLI's directory, and our manifest in it.

use std::path::{Path, PathBuf};

use super::form::Form;

/// Configuration and state of the stream, as the server gave them: `{"config":…,"state":…}`.
pub const METADATA_FILE: &str = "backup.json";
/// Our own record, written last; the `nats` CLI does not look at it.
pub const MANIFEST_FILE: &str = "lifeboat.json";
/// Consumers as the server told them, where the archive does not hold them so.
pub const CONSUMERS_FILE: &str = "lifeboat-consumers.json";
/// Our record of an account's backup. It is in one of its streams' directories, for the `nats` CLI
/// restores no account from a directory with anything but streams in it.
pub const ACCOUNT_FILE: &str = "lifeboat-account.json";

impl Form {
    /// The archive's file name, as the `nats` CLI calls it.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Tar => "stream.tar.s2",
            Self::Message => "stream.arc.s2",
        }
    }
}

/// The files of one stream's backup.
#[derive(Debug, Clone)]
pub struct BackupLayout {
    directory: PathBuf,
}

impl BackupLayout {
    /// The backup in that directory.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `backup.json`.
    pub fn metadata(&self) -> PathBuf {
        self.directory.join(METADATA_FILE)
    }

    /// Our manifest.
    pub fn manifest(&self) -> PathBuf {
        self.directory.join(MANIFEST_FILE)
    }

    /// The consumers that were saved beside the archive.
    pub fn consumers(&self) -> PathBuf {
        self.directory.join(CONSUMERS_FILE)
    }

    /// The archive, in that form.
    pub fn archive(&self, form: Form) -> PathBuf {
        self.directory.join(form.file_name())
    }

    /// The forms whose archive is there; a sound backup has exactly one.
    pub fn forms(&self) -> Vec<Form> {
        [Form::Tar, Form::Message]
            .into_iter()
            .filter(|form| self.archive(*form).is_file())
            .collect()
    }
}
