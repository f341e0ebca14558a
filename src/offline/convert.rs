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
use super::info::deleted;
use super::look::Look;
use super::manifest::{Manifest, Origin};
use super::staging::Staging;
use super::verify::examine;
use crate::archive::{
    Archive, BackupLayout, Consumer, Form, Level, MANIFEST_FILE, Message, OnRead, Sequences,
    Severity, Stream, StreamMeta, StreamState, Sums, Survey, is_name, time_text,
    write_message_archive, write_tar,
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

/// A backup that is to be written again: everything but its messages.
pub(super) struct Original {
    pub(super) archive: Archive,
    pub(super) survey: Survey,
    pub(super) sums: Sums,
    pub(super) meta: StreamMeta,
    pub(super) state: StreamState,
    pub(super) made_at: OffsetDateTime,
    /// What it lacks.
    pub(super) lacks: Vec<String>,
    origin: Origin,
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
    let original = Original::read(look, options, on_read)?;
    let staging = Staging::begin(target)?;
    let layout = BackupLayout::at(staging.path());
    let path = layout.archive(options.form);
    let file = File::create_new(&path).map_err(OfflineError::io("creating", &path))?;
    let output = Digesting::new(BufWriter::new(file));
    let stream = original.stream();
    let mut digest = MessageDigest::new();
    let mut see = |message: &Message<'_>| digest.add(message);
    let output = match options.form {
        Form::Tar => write_tar(stream, output, &mut see)?,
        Form::Message => write_message_archive(stream, output, &mut see)?,
    };
    let (output, archive_sha256, archive_bytes) = output.finish();
    let file = output.into_inner().map_err(|error| error.into_error());
    file.and_then(|file| file.sync_all())
        .map_err(OfflineError::io("writing", &path))?;
    let written = Archive::open(&path)?.telling(on_read);
    compare(&original, digest.finish(), &written)?;
    let metadata_sha256 = staging.write_metadata(&original.meta.config, &original.state)?;
    let taken = look.manifest.as_ref();
    let manifest = Manifest {
        form: options.form,
        last_sequence: original.state.last_seq,
        missing_consumers: taken.map_or_else(Vec::new, |taken| taken.missing_consumers.clone()),
        metadata_sha256,
        converted_from: Some(original.origin.clone()),
        lacks: original.lacks.clone(),
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
        lacks: original.lacks,
    })
}

impl Original {
    /// Reads everything but the messages, and refuses what is damaged.
    pub(super) fn read(
        look: &Look,
        options: &ConvertOptions,
        on_read: Option<&OnRead>,
    ) -> Result<Self> {
        let archive = look.require_archive()?;
        let archive = archive.telling(on_read);
        let examined = examine(look, Level::Content, on_read)?;
        examined.defects.check()?;
        let (lacks, sealed) = (examined.lacks(), examined.sealed);
        let sha256 = examined.archive_sha256;
        let survey = examined.survey.ok_or_else(|| look.not_a_backup())?;
        let origin = origin(look, &survey, sha256, sealed)?;
        let mut meta = metadata(look, options, &survey)?;
        if let Some(name) = &options.rename {
            rename(&mut meta, name)?;
        }
        if !is_name(&meta.name) {
            let reason = String::from("that is no stream's name");
            return Err(OfflineError::Argument {
                what: meta.name,
                reason,
            });
        }
        if options.to_file {
            meta.config
                .insert(String::from("storage"), Value::from("file"));
        }
        let is_memory = meta
            .config
            .get("storage")
            .is_some_and(|storage| storage == "memory");
        if options.form == Form::Tar && is_memory {
            let name = meta.name;
            return Err(OfflineError::InMemory { name });
        }
        let sums = match survey.sums {
            Some(sums) => sums,
            None => sum_up(&archive, &survey.live)?,
        };
        let state = state(look, &survey, sums);
        Ok(Self {
            archive,
            survey,
            sums,
            meta,
            state,
            made_at: OffsetDateTime::now_utc(),
            lacks,
            origin,
        })
    }

    /// Makes it a stream that a server without a cluster starts: with one replica.
    pub(super) fn stand_alone(&mut self) {
        let several = |value: &Value| value.as_u64().is_some_and(|replicas| replicas > 1);
        let consumers = self
            .survey
            .consumers
            .iter_mut()
            .map(|consumer| &mut consumer.config);
        for config in consumers.chain([&mut self.meta.config]) {
            if config.get("num_replicas").is_some_and(several) {
                config.insert(String::from("num_replicas"), Value::from(1));
            }
        }
    }

    /// What is to be written.
    pub(super) fn stream(&self) -> Stream<'_> {
        Stream {
            meta: &self.meta,
            state: &self.state,
            consumers: &self.survey.consumers,
            source: &self.archive,
            live: &self.survey.live,
            last_time_ns: self.sums.last_time_ns.unwrap_or(0),
            made_at_ns: i64::try_from(self.made_at.unix_timestamp_nanos()).unwrap_or(0),
        }
    }
}

/// Gives the stream another name. A bucket's name is in its subjects too, and clients find nothing
/// in it under another one.
fn rename(meta: &mut StreamMeta, name: &str) -> Result<()> {
    let is_bucket = ["KV_", "OBJ_"]
        .iter()
        .any(|prefix| meta.name.starts_with(prefix));
    let reason = if is_bucket {
        "a bucket's name is in its subjects as well, which stay as they are: it would be unusable"
    } else if !is_name(name) {
        "that is no stream's name"
    } else {
        name.clone_into(&mut meta.name);
        meta.config.insert(String::from("name"), Value::from(name));
        return Ok(());
    };
    Err(OfflineError::Argument {
        what: format!("--rename {name}"),
        reason: String::from(reason),
    })
}

/// The stream's metadata: what the caller gives, what `backup.json` says, or the archive.
fn metadata(look: &Look, options: &ConvertOptions, survey: &Survey) -> Result<StreamMeta> {
    let stated = options.config.as_ref().or_else(|| look.config());
    let config = stated.or_else(|| survey.meta.as_ref().map(|meta| &meta.config));
    let name = config.and_then(|config| config.get("name")?.as_str());
    let (Some(config), Some(name)) = (config, name) else {
        let path = look.path.clone();
        return Err(OfflineError::NoConfiguration { path });
    };
    Ok(StreamMeta {
        name: name.to_owned(),
        config: config.clone(),
        created: survey.meta.as_ref().and_then(|meta| meta.created.clone()),
    })
}

/// Sums up the live messages, where some of those that are read are deleted.
fn sum_up(archive: &Archive, live: &Sequences) -> Result<Sums> {
    let mut sums = Sums::default();
    archive.messages(Some(live), &mut |message| {
        sums.add(message);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sums)
}

/// The stream's state, from what is really there.
fn state(look: &Look, survey: &Survey, sums: Sums) -> StreamState {
    let said = survey
        .state
        .clone()
        .or_else(|| look.state())
        .unwrap_or_default();
    // What was published while the backup was made has used its sequences, and consumers that were
    // saved later than the messages stand there.
    let (live, last_sequence) = (&survey.live, survey.indexed_sequence);
    let is_as_said = (said.messages, said.last_seq) == (live.len(), last_sequence);
    StreamState {
        messages: live.len(),
        bytes: sums.bytes,
        first_seq: live
            .first()
            .unwrap_or(last_sequence.saturating_add(u64::from(last_sequence > 0))),
        first_ts: time_text(sums.first_time_ns),
        last_seq: last_sequence,
        // A last sequence that is deleted had a time that messages no longer tell.
        last_ts: if live.last() == Some(last_sequence) || said.last_seq != last_sequence {
            time_text(sums.last_time_ns)
        } else {
            said.last_ts
        },
        num_subjects: said.num_subjects.filter(|_| is_as_said),
        num_deleted: Some(deleted(survey)).filter(|deleted| *deleted > 0),
        consumer_count: survey.consumers.len() as u64,
    }
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
