//! A backup that is to be written again, in another form, under another name, or with another
//! configuration: everything but its messages, which are read from its archive on the way.

use std::io::Write;
use std::ops::ControlFlow;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::convert::ConvertOptions;
use super::error::{OfflineError, Result};
use super::info::deleted;
use super::look::Look;
use super::saved_consumers::SavedConsumer;
use crate::archive::{
    Archive, Form, Message, OnRead, Sequences, Stream, StreamMeta, StreamState, Sums, Survey,
    is_name, time_text, write_message_archive, write_tar,
};

/// A backup that is to be written again: everything but its messages.
pub(crate) struct Original {
    pub(crate) archive: Archive,
    pub(crate) survey: Survey,
    pub(crate) sums: Sums,
    pub(crate) meta: StreamMeta,
    pub(crate) state: StreamState,
    pub(crate) made_at: OffsetDateTime,
}

impl Original {
    /// Everything but the messages, of a backup that was examined and found sound.
    pub(crate) fn of(
        look: &Look,
        mut survey: Survey,
        options: &ConvertOptions,
        on_read: Option<&OnRead>,
    ) -> Result<Self> {
        let archive = look.require_archive()?.telling(on_read);
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
        if is_mirror(&meta.config) {
            // It goes on where its messages end, so that it gets all that its origin has: servers to
            // 2.14 save the index after the blocks, with sequences that came meanwhile.
            survey.indexed_sequence = survey.last_sequence;
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

    /// Puts a consumer that was saved beside the archive where a restore would put it, and takes what
    /// that mends out of what is missing.
    pub(super) fn take_in(&mut self, saved: &SavedConsumer, lacks: &mut Vec<String>) {
        saved.take_place(&mut self.survey.consumers, self.survey.last_sequence);
        lacks.retain(|lack| !saved.mends(lack));
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

    /// Writes it as an archive of that form. `see` is shown every message on the way.
    pub(crate) fn write<W: Write + Send + 'static>(
        &self,
        form: Form,
        output: W,
        see: &mut dyn FnMut(&Message<'_>),
    ) -> Result<W> {
        Ok(match form {
            Form::Tar => write_tar(self.stream(), output, see)?,
            Form::Message => write_message_archive(self.stream(), output, see)?,
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

/// Whether a stream of this configuration mirrors another.
pub(crate) fn is_mirror(config: &Map<String, Value>) -> bool {
    config.get("mirror").is_some_and(Value::is_object)
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
