//! What is in a backup, in figures: messages, subjects, times, consumers.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Serialize;

use super::error::Result;
use super::look::Look;
use super::verify::examine;
use crate::archive::{
    Archive, Consumer, Form, Level, Message, OnRead, Packing, Sequences, Severity, Sums, Survey,
};

/// So many different subjects are counted one by one.
const MOST_SUBJECTS: usize = 1_000_000;
/// So much memory may their names take.
const MOST_SUBJECT_BYTES: usize = 256 << 20;

/// What is in a backup.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// The stream.
    pub stream: Option<String>,
    /// Its configuration, from `backup.json` or the archive.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// The archive's generation.
    pub form: Form,
    /// What is wrapped around it.
    pub packing: Packing,
    /// Size of the archive's file in bytes; 0 for a directory.
    pub archive_bytes: u64,
    /// Bytes of it after decompression.
    pub content_bytes: u64,
    /// Whether a manifest proves what it holds.
    pub sealed: bool,
    /// Whether it is what a restore replaced.
    pub replaced: bool,
    /// Version of the server that it was taken from, when it is known.
    pub server: Option<String>,
    /// When it was taken, when it is known.
    pub taken_at: Option<String>,
    /// The messages.
    pub totals: Totals,
    /// Sequences between the first and the last that hold no message.
    pub deleted: u64,
    /// The last sequence that was used.
    pub last_sequence: u64,
    /// The consumers.
    pub consumers: Vec<ConsumerInfo>,
    /// The worst that was found on the way, when it is more than a remark.
    pub worst: Option<Severity>,
    /// How many defects were found on the way, that are more than remarks.
    pub defects: usize,
}

/// A consumer in a backup.
#[derive(Debug, Clone, Serialize)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: String,
    /// The last stream sequence it delivered.
    pub delivered: u64,
    /// Everything up to this stream sequence was acknowledged.
    pub ack_floor: u64,
    /// Delivered and not acknowledged.
    pub pending: u64,
    /// Of those, delivered more than once.
    pub redelivered: u64,
    /// What it filters by.
    pub filters: Vec<String>,
}

/// Messages, summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// How many.
    pub messages: u64,
    /// What they take, and their times.
    #[serde(flatten)]
    pub sums: Sums,
    /// Sequence of the first.
    pub first_sequence: u64,
    /// Sequence of the last that is there.
    pub last_message: u64,
    /// How many messages each subject has, the most first.
    pub subjects: Vec<(String, u64)>,
    /// Whether all subjects were counted; beyond a million they are not told apart.
    pub subjects_complete: bool,
}

/// Reads a backup and tells what is in it. Damage stops nothing, but is counted.
///
/// # Errors
/// When it can't be read: by us, or at all.
pub fn inspect(look: &Look, on_read: Option<&OnRead>) -> Result<Info> {
    let archive = look.require_archive()?;
    let archive = archive.telling(on_read);
    let examined = examine(look, Level::Content, on_read)?;
    let (sealed, worst) = (examined.sealed, examined.defects.worst());
    let defects = examined.defects.kept().iter();
    let defects = defects
        .filter(|defect| defect.severity > Severity::Remark)
        .count();
    let survey = examined.survey.ok_or_else(|| look.not_a_backup())?;
    let totals = Totals::of(&archive, &survey.live)?;
    let config = look.config().cloned();
    let config = config.or_else(|| survey.meta.as_ref().map(|meta| meta.config.clone()));
    let config = config.unwrap_or_default();
    let written_by = config
        .get("metadata")
        .and_then(|metadata| metadata.get("_nats.ver"));
    let server = match &look.manifest {
        Some(manifest) => manifest.server.as_ref().map(ToString::to_string),
        None => written_by.and_then(|version| version.as_str().map(str::to_owned)),
    };
    Ok(Info {
        stream: look.name(&survey).map(str::to_owned),
        config,
        form: survey.form,
        packing: survey.packing,
        archive_bytes: file_size(look),
        content_bytes: survey.figures.bytes,
        sealed,
        replaced: look
            .manifest
            .as_ref()
            .is_some_and(|manifest| manifest.replaced),
        server,
        taken_at: look
            .manifest
            .as_ref()
            .map(|manifest| manifest.taken_at.clone()),
        deleted: deleted(&survey),
        last_sequence: survey.last_sequence,
        consumers: survey.consumers.iter().map(ConsumerInfo::of).collect(),
        worst: worst.filter(|worst| *worst > Severity::Remark),
        defects,
        totals,
    })
}

fn file_size(look: &Look) -> u64 {
    std::fs::metadata(&look.archive_path)
        .map(|file| if file.is_file() { file.len() } else { 0 })
        .unwrap_or(0)
}

/// How many sequences between the first and the last hold no message.
pub(super) fn deleted(survey: &Survey) -> u64 {
    match survey.live.first() {
        Some(first) => (survey.indexed_sequence.saturating_add(1))
            .saturating_sub(first)
            .saturating_sub(survey.live.len()),
        None => 0,
    }
}

impl ConsumerInfo {
    fn of(consumer: &Consumer) -> Self {
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let one = consumer.config.get("filter_subject").and_then(text);
        let many = consumer
            .config
            .get("filter_subjects")
            .and_then(|value| value.as_array());
        let many = many.into_iter().flatten().filter_map(text);
        Self {
            name: consumer.name.clone(),
            delivered: consumer.state.delivered.stream,
            ack_floor: consumer.state.ack_floor.stream,
            pending: consumer.state.pending.len() as u64,
            redelivered: consumer.state.redelivered.len() as u64,
            filters: one.into_iter().chain(many).collect(),
        }
    }
}

impl Totals {
    /// Sums up the messages of an archive that can be read.
    fn of(archive: &Archive, live: &Sequences) -> Result<Self> {
        let mut counting = Counting::default();
        archive.readable_messages(live, &mut |message| {
            counting.add(message);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(counting.finish())
    }
}

/// Sums messages up as they come.
#[derive(Default)]
struct Counting {
    totals: Totals,
    subjects: HashMap<Box<[u8]>, u64>,
    subject_bytes: usize,
    is_incomplete: bool,
}

impl Counting {
    fn add(&mut self, message: &Message<'_>) {
        let totals = &mut self.totals;
        if totals.messages == 0 {
            totals.first_sequence = message.sequence;
        }
        totals.messages += 1;
        totals.sums.add(message);
        totals.last_message = message.sequence;
        if let Some(count) = self.subjects.get_mut(message.subject) {
            *count += 1;
        } else if self.subjects.len() < MOST_SUBJECTS
            && self.subject_bytes + message.subject.len() <= MOST_SUBJECT_BYTES
        {
            self.subject_bytes += message.subject.len();
            self.subjects.insert(message.subject.into(), 1);
        } else {
            self.is_incomplete = true;
        }
    }

    fn finish(mut self) -> Totals {
        let mut subjects: Vec<_> = self.subjects.into_iter().collect();
        subjects.sort_unstable_by(|(a, most), (b, more)| more.cmp(most).then_with(|| a.cmp(b)));
        let text = |subject: Box<[u8]>| String::from_utf8_lossy(&subject).into_owned();
        self.totals.subjects = subjects
            .into_iter()
            .map(|(subject, count)| (text(subject), count))
            .collect();
        self.totals.subjects_complete = !self.is_incomplete;
        self.totals
    }
}
