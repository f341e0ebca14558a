//! Verifying the backup of an account: each of its streams, and all of them against the record that
//! says what the account had.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::account::{AccountLook, StreamRecord};
use super::error::{OfflineError, Result};
use super::look::Look;
use super::verify::{Report, Verdict, verify};
use crate::archive::{Defect, Defects, Kind, Level, OnRead};

/// What the verification of an account's backup found.
#[derive(Debug, Clone)]
pub struct AccountReport {
    /// What was looked at.
    pub path: PathBuf,
    /// The conclusion, of the streams too.
    pub verdict: Verdict,
    /// Whether a record proves that these are all streams that were asked for.
    pub sealed: bool,
    /// Each stream's own verification, by name.
    pub streams: Vec<Report>,
    /// What is wrong with the whole.
    pub defects: Defects,
}

/// Verifies every stream of an account's backup, and the whole.
///
/// # Errors
/// When something can't be read. What is wrong is in the report.
pub fn verify_account(
    look: &AccountLook,
    level: Level,
    on_read: Option<&OnRead>,
) -> Result<AccountReport> {
    let (looks, defects) = examine_account(look)?;
    let mut streams = Vec::new();
    for own in looks.values() {
        streams.push(verify(own, level, on_read)?);
    }
    let mut all = defects.clone();
    for report in &streams {
        all.append(&report.defects);
    }
    Ok(AccountReport {
        path: look.path.clone(),
        verdict: Verdict::of(&all),
        sealed: look.record.is_some()
            && !look.is_unfinished
            && streams.iter().all(|report| report.sealed),
        streams,
        defects,
    })
}

/// Looks at every stream of an account's backup, by name, and tells what is wrong with the whole; no
/// archive is read.
///
/// # Errors
/// When something can't be read.
pub(crate) fn examine_account(look: &AccountLook) -> Result<(BTreeMap<String, Look>, Defects)> {
    let mut defects = Defects::default();
    let mut found = |kind, place: &str, detail: String| {
        defects.push(Defect::new(kind, place, detail));
    };
    if look.is_unfinished {
        let detail = String::from("it was interrupted; continue it with --resume");
        found(Kind::CutOff, "the backup", detail);
    }
    for stray in &look.strays {
        let detail = String::from("it is no stream's directory; the nats CLI would refuse it");
        found(Kind::UnexpectedFile, stray, detail);
    }
    let mut looks = BTreeMap::new();
    for name in &look.streams {
        let own = match Look::at(&look.path.join(name)) {
            Ok(own) => own,
            Err(error @ OfflineError::NotABackup { .. }) => {
                found(Kind::Metadata, name, error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        if own.stream().is_some_and(|stream| stream != name) {
            let detail = format!("it holds {}", own.stream().unwrap_or_default());
            found(Kind::Metadata, name, detail);
        }
        let taken = own.manifest.as_ref().map(|one| &one.archive_sha256);
        if let Some(StreamRecord::Saved { archive_sha256, .. }) = look.recorded(name)
            && taken != Some(archive_sha256)
        {
            let detail = String::from("it is not the one that was saved with the others");
            found(Kind::Manifest, name, detail);
        }
        looks.insert(name.clone(), own);
    }
    match &look.record {
        None => {
            let detail = "nothing proves that these are all streams that the account had";
            found(Kind::NoManifest, "the account", detail.to_owned());
        }
        Some(record) => {
            for name in record
                .saved()
                .filter(|name| !look.streams.iter().any(|one| one == name))
            {
                let detail = String::from("it was saved, and is not there any more");
                found(Kind::Manifest, name, detail);
            }
            // What a stream lacks is in its own report.
            for lack in record.missing_streams() {
                found(Kind::FewerStreams, "the account", lack);
            }
        }
    }
    Ok((looks, defects))
}
