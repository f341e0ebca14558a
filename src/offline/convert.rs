//! Converting a backup into the other form: what 2.15 wrote for older servers, and back.
//!
//! The new backup is a whole one: it is written beside its place, read back to its end, compared
//! with the original message by message, described by a manifest, and only then named.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::digest::{Digesting, MessageDigest, sha256_of_file};
use super::error::{OfflineError, Result};
use super::look::Look;
use super::manifest::{Manifest, Origin};
use super::original::Original;
use super::saved_consumers::{SavedConsumer, Why};
use super::staging::Staging;
use super::verify::examine;
use crate::archive::{
    Archive, BackupLayout, CONSUMERS_FILE, Consumer, Form, Level, MANIFEST_FILE, OnRead, Severity,
    Survey,
};

/// How to convert.
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// Into which form. It may be the one it has: then the backup is repacked.
    pub form: Form,
    /// Give the stream another name.
    pub rename: Option<String>,
    /// The stream's configuration, where the backup does not tell it.
    pub config: Option<Map<String, Value>>,
    /// Keep the stream in files from now on: servers restore a block archive of a memory stream
    /// without its messages.
    pub to_file: bool,
    /// Put all consumers that were saved beside the archive into it, where a restore would put them:
    /// what is written has no place beside it. Those that stand ahead of the stream always are.
    pub take_in_consumers: bool,
}

/// A backup that was converted.
#[derive(Debug, Clone)]
pub struct Converted {
    /// Where it is.
    pub directory: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// What the original lacks, and so does this one.
    pub lacks: Vec<String>,
}

/// Converts a backup into a new directory, in the layout of the `nats` CLI.
///
/// # Errors
/// When the target is taken, the original is damaged, or the form can't hold what is in it. Nothing
/// is left behind then.
pub fn convert(
    look: &Look,
    target: &Path,
    options: &ConvertOptions,
    on_read: Option<&OnRead>,
) -> Result<Converted> {
    Staging::check_free(target)?;
    if target.starts_with(&look.path) && look.path.is_dir() {
        return Err(OfflineError::Argument {
            what: target.display().to_string(),
            reason: String::from("it would be inside the backup that is converted"),
        });
    }
    let examined = examine(look, Level::Content, on_read)?;
    examined.check(look)?;
    let (mut lacks, sealed) = (examined.lacks(), examined.sealed);
    let sha256 = examined.archive_sha256;
    let survey = examined.survey.ok_or_else(|| look.not_a_backup())?;
    let origin = origin(look, &survey, sha256, sealed)?;
    let mut original = Original::of(look, survey, options, on_read)?;
    // Where it stands ahead of the stream nobody can use it.
    let is_taken_in = |saved: &&SavedConsumer| options.take_in_consumers || saved.why == Why::Ahead;
    let (taken_in, beside): (Vec<_>, Vec<_>) = look.saved_consumers.iter().partition(is_taken_in);
    for saved in &taken_in {
        original.take_in(saved, &mut lacks);
    }
    let mut missing = look
        .manifest
        .as_ref()
        .map_or_else(Vec::new, |taken| taken.missing_consumers.clone());
    missing.retain(|name| !taken_in.iter().any(|saved| saved.name == *name));
    let staging = Staging::begin(target)?;
    let layout = BackupLayout::at(staging.path());
    let path = layout.archive(options.form);
    let file = File::create_new(&path).map_err(OfflineError::io("creating", &path))?;
    let output = Digesting::new(BufWriter::new(file));
    let mut digest = MessageDigest::new();
    let output = original.write(options.form, output, &mut |message| digest.add(message))?;
    let (output, archive_sha256, archive_bytes) = output.finish();
    let file = output.into_inner().map_err(|error| error.into_error());
    file.and_then(|file| file.sync_all())
        .map_err(OfflineError::io("writing", &path))?;
    let written = Archive::open(&path)?.telling(on_read);
    compare(&original, digest.finish(), &written)?;
    let metadata_sha256 = staging.write_metadata(&original.meta.config, &original.state)?;
    let taken = look.manifest.as_ref();
    let saved_consumers_sha256 = match &beside[..] {
        [] => None,
        saved => Some(staging.write_json(CONSUMERS_FILE, &saved)?),
    };
    let manifest = Manifest {
        form: options.form,
        saved_consumers_sha256,
        last_sequence: original.state.last_seq,
        missing_consumers: missing,
        metadata_sha256,
        converted_from: Some(origin),
        replaced: taken.is_some_and(|taken| taken.replaced),
        lacks: lacks.clone(),
        server: taken.and_then(|taken| taken.server.clone()),
        taken_at: taken_at(look, original.made_at),
        ..Manifest::of(
            &original.meta.name,
            &original.survey,
            archive_bytes,
            archive_sha256,
        )
    };
    staging.write_json(MANIFEST_FILE, &manifest)?;
    staging.seal(on_read)?;
    Ok(Converted {
        directory: target.to_owned(),
        manifest,
        lacks,
    })
}

/// Reads what was written and compares it, message by message, with what was read.
pub(super) fn compare(original: &Original, digest: [u64; 4], written: &Archive) -> Result<()> {
    let differs = |difference: String| Err(OfflineError::Differs { difference });
    let survey = written.survey(Level::Content)?;
    let defects = survey.defects.kept().iter();
    if let Some(defect) = defects
        .clone()
        .find(|defect| defect.severity > Severity::Remark)
    {
        return differs(defect.to_string());
    }
    if survey.live != original.survey.live || survey.last_sequence != original.state.last_seq {
        return differs(String::from("other sequences are in it"));
    }
    // A directory has them in another order.
    let positions = |consumers: &[Consumer]| -> BTreeMap<_, _> {
        let named = consumers
            .iter()
            .map(|one| (one.name.clone(), one.position()));
        named.collect()
    };
    if positions(&survey.consumers) != positions(&original.survey.consumers) {
        return differs(String::from("a consumer stands elsewhere in it"));
    }
    let mut found = MessageDigest::new();
    written.messages(Some(&survey.live), &mut |message| {
        found.add(message);
        Ok(ControlFlow::Continue(()))
    })?;
    if found.finish() != digest {
        return differs(String::from("a message is another one in it"));
    }
    Ok(())
}

fn origin(look: &Look, survey: &Survey, sha256: Option<String>, sealed: bool) -> Result<Origin> {
    let path = &look.archive_path;
    let archive_sha256 = match sha256 {
        None if path.is_file() => {
            Some(sha256_of_file(path).map_err(OfflineError::io("reading", path))?)
        }
        known => known,
    };
    Ok(Origin {
        stream: look.name(survey).unwrap_or_default().to_owned(),
        form: survey.form,
        archive_sha256,
        sealed,
    })
}

/// When the original was taken; without a record of that, when it was converted.
fn taken_at(look: &Look, now: OffsetDateTime) -> String {
    let manifest = look.manifest.as_ref();
    manifest.map_or_else(
        || now.format(&Rfc3339).unwrap_or_default(),
        |manifest| manifest.taken_at.clone(),
    )
}
