//! What an account's backup says of itself, stream by stream; no archive is read.

use std::path::PathBuf;

use serde::Serialize;

use super::account::{AccountLook, AccountRecord};
use super::error::{OfflineError, Result};
use super::look::Look;
use super::manifest::Manifest;

/// What an account's backup says of itself.
#[derive(Debug, Clone, Serialize)]
pub struct AccountInfo {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was interrupted while it was made.
    pub is_unfinished: bool,
    /// Its streams, by name, with what their manifests say; nothing for a stream without one.
    pub streams: Vec<(String, Option<Manifest>)>,
    /// What the account had and the backup lacks.
    pub lacks: Vec<String>,
    /// The record; none when another tool made it, or it was interrupted.
    pub record: Option<AccountRecord>,
}

/// Looks at every stream's directory.
///
/// # Errors
/// When one can't be read.
pub fn inspect_account(look: &AccountLook) -> Result<AccountInfo> {
    let mut streams = Vec::new();
    for name in &look.streams {
        let manifest = match Look::at(&look.path.join(name)) {
            Ok(own) => own.manifest,
            Err(OfflineError::NotABackup { .. }) => None,
            Err(error) => return Err(error),
        };
        streams.push((name.clone(), manifest));
    }
    let record = look.record.clone();
    Ok(AccountInfo {
        path: look.path.clone(),
        is_unfinished: look.is_unfinished,
        streams,
        lacks: record.as_ref().map_or_else(Vec::new, AccountRecord::lacks),
        record,
    })
}
