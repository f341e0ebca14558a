//! Converting a backup into the other form: what 2.15 wrote for older servers, and back.
//!
//! The new backup is a whole one: it is written beside its place, read back to its end, compared
//! with the original message by message, described by a manifest, and only then named.

use std::fs::File;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::digest::{Digesting, MessageDigest, sha256_of_file};
use super::error::{OfflineError, Result};
use super::info::deleted;
use super::look::Look;
use super::manifest::{FORMAT, Manifest, Origin};
use super::staging::Staging;
use crate::archive::{
    Archive, BackupLayout, Consumer, Form, Level, MANIFEST_FILE, METADATA_FILE, Message, OnRead,
    Sequences, Severity, Stream, StreamMeta, StreamState, Sums, Survey, time_text,
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

/// `backup.json`.
#[derive(Serialize)]
struct WrittenMetadata<'a> {
    config: &'a Map<String, Value>,
    state: &'a StreamState,
}

/// A backup that is to be written again: everything but its messages.
pub(super) struct Original {
    pub(super) archive: Archive,
    pub(super) survey: Survey,
    pub(super) sums: Sums,
    pub(super) meta: StreamMeta,
    pub(super) state: StreamState,
    pub(super) made_at: OffsetDateTime,
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
    on_read: Option<OnRead>,
) -> Result<Converted> {
    let staging = Staging::begin(target)?;
    let original = Original::read(look, options, on_read)?;
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
    compare(&original, digest.finish(), &Archive::open(&path)?)?;
    let metadata = WrittenMetadata {
        config: &original.meta.config,
        state: &original.state,
    };
    let metadata_sha256 = staging.write_json(METADATA_FILE, &metadata)?;
    let survey = &original.survey;
    let manifest = Manifest {
        format: FORMAT,
        stream: original.meta.name.clone(),
        form: options.form,
        archive_bytes,
        archive_sha256,
        messages: survey.live.len(),
        first_sequence: survey.first_sequence(),
        last_sequence: original.state.last_seq,
        consumers: survey.consumers.iter().map(Consumer::position).collect(),
        missing_consumers: missing_consumers(look),
        metadata_sha256,
        converted_from: Some(origin(look, survey)?),
        server: look
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.server.clone()),
        taken_at: taken_at(look, original.made_at),
        lifeboat: String::from(env!("CARGO_PKG_VERSION")),
    };
    staging.write_json(MANIFEST_FILE, &manifest)?;
    staging.seal()?;
    let lacks = survey.defects.kept().iter();
    let lacks = lacks.filter(|defect| defect.severity == Severity::Lack);
    Ok(Converted {
        directory: target.to_owned(),
        manifest,
        lacks: lacks.map(ToString::to_string).collect(),
    })
}

impl Original {
    /// Reads everything but the messages, and refuses what is damaged.
    pub(super) fn read(
        look: &Look,
        options: &ConvertOptions,
        on_read: Option<OnRead>,
    ) -> Result<Self> {
        let archive = look.require_archive()?;
        let archive = match on_read {
            Some(tell) => archive.clone().on_read(tell),
            None => archive.clone(),
        };
        let survey = archive.survey(Level::Content)?;
        survey.check()?;
        let mut meta = metadata(look, options, &survey)?;
        if let Some(name) = &options.rename {
            if !crate::archive::is_name(name) {
                return Err(OfflineError::Argument {
                    what: format!("--rename {name}"),
                    reason: String::from("that is no stream's name"),
                });
            }
            meta.name.clone_from(name);
            meta.config
                .insert(String::from("name"), Value::from(&**name));
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
        })
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
    let (live, last_sequence) = (&survey.live, survey.last_sequence);
    let is_as_said = (said.messages, said.last_seq) == (live.len(), last_sequence);
    StreamState {
        messages: live.len(),
        bytes: sums.bytes,
        first_seq: live
            .first()
            .unwrap_or(last_sequence + u64::from(last_sequence > 0)),
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
fn compare(original: &Original, digest: [u64; 4], written: &Archive) -> Result<()> {
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
    let positions =
        |consumers: &[Consumer]| -> Vec<_> { consumers.iter().map(Consumer::position).collect() };
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

fn missing_consumers(look: &Look) -> Vec<String> {
    let manifest = look.manifest.as_ref();
    manifest.map_or_else(Vec::new, |manifest| manifest.missing_consumers.clone())
}

fn origin(look: &Look, survey: &Survey) -> Result<Origin> {
    let path = &look.archive_path;
    let sha256 = match &look.manifest {
        Some(manifest) => Some(manifest.archive_sha256.clone()),
        None if path.is_file() => {
            Some(sha256_of_file(path).map_err(OfflineError::io("reading", path))?)
        }
        None => None,
    };
    let name = survey.meta.as_ref().map(|meta| meta.name.as_str());
    Ok(Origin {
        stream: look.stream().or(name).unwrap_or_default().to_owned(),
        form: survey.form,
        archive_sha256: sha256,
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
