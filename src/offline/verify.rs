//! Verifying: everything that can be told of a backup without a server, and everything that is wrong.

use std::path::PathBuf;
use std::thread;

use serde::Serialize;

use super::digest::{sha256, sha256_of_file};
use super::error::{OfflineError, Result};
use super::look::Look;
use super::manifest::Manifest;
use super::saved_consumers::Why;
use crate::archive::{
    ArchiveError, Defect, Defects, Figures, Form, Kind, Level, OnRead, Packing, Severity, Survey,
};

/// What can be said of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is wrong with it.
    Sound,
    /// What is there is sound, but the stream had more.
    Incomplete,
    /// It is not what was written.
    Damaged,
}

impl Verdict {
    /// What follows from defects.
    pub(super) fn of(defects: &Defects) -> Self {
        match defects.worst() {
            Some(Severity::Damage) => Self::Damaged,
            Some(Severity::Lack) => Self::Incomplete,
            Some(Severity::Remark) | None => Self::Sound,
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was looked at.
    pub path: PathBuf,
    /// The conclusion.
    pub verdict: Verdict,
    /// How deep it was looked.
    pub level: Level,
    /// Whether a manifest proves that this is what was written.
    pub sealed: bool,
    /// The stream's name, when it is known.
    pub stream: Option<String>,
    /// What was read; nothing without an archive.
    pub read: Option<Read>,
    /// Everything that is wrong.
    pub defects: Defects,
}

/// What was read of an archive.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Read {
    /// Its generation.
    pub form: Form,
    /// What is wrapped around it.
    pub packing: Packing,
    /// Messages that a server which restores it has.
    pub messages: u64,
    /// Their first sequence.
    pub first_sequence: u64,
    /// The last sequence that was used.
    pub last_sequence: u64,
    /// Consumers.
    pub consumers: usize,
    /// How much was read.
    pub figures: Figures,
}

/// A backup that was read to its end.
pub(crate) struct Examined {
    /// What was found of the archive; nothing without one.
    pub(crate) survey: Option<Survey>,
    /// The SHA-256 of the archive's file, when there is a manifest to compare it with.
    pub(crate) archive_sha256: Option<String>,
    /// Everything that is wrong.
    pub(crate) defects: Defects,
    /// Whether a manifest proves that this is all that was written.
    pub(crate) sealed: bool,
}

impl Examined {
    /// Everything that the stream had and the backup lacks.
    pub(crate) fn lacks(&self) -> Vec<String> {
        let lacks = self.defects.kept().iter();
        let lacks = lacks.filter(|defect| defect.severity == Severity::Lack);
        lacks.map(ToString::to_string).collect()
    }

    /// Whether it can be written again: nothing of it is damaged but where consumers stand that were
    /// saved beside the archive, as they are to be.
    pub(crate) fn check(&self, look: &Look) -> Result<()> {
        let is_saved = |defect: &Defect| {
            let mut saved = look.saved_consumers.iter();
            saved.any(|one| one.why == Why::Ahead && defect.place == one.place())
        };
        let mut kept = self.defects.kept().iter();
        if kept.any(|defect| defect.kind == Kind::ConsumerAhead && !is_saved(defect)) {
            return Ok(self.defects.check()?);
        }
        match self.defects.first_damage_of_content() {
            Some(defect) => Err(ArchiveError::Damaged(defect.clone()).into()),
            None => Ok(()),
        }
    }
}

/// Verifies a backup. Every defect is told, not the first alone.
///
/// # Errors
/// When it can't be read: by us, or at all. What is wrong with it is in the report.
pub fn verify(look: &Look, level: Level, on_read: Option<&OnRead>) -> Result<Report> {
    let examined = examine(look, level, on_read)?;
    let stream = match &examined.survey {
        Some(survey) => look.name(survey),
        None => look.stream(),
    };
    Ok(Report {
        path: look.path.clone(),
        verdict: Verdict::of(&examined.defects),
        level,
        sealed: examined.sealed && examined.defects.first_damage().is_none(),
        stream: stream.map(str::to_owned),
        read: examined.survey.as_ref().map(Read::of),
        defects: examined.defects,
    })
}

/// Reads a backup to its end and compares everything that tells of it with everything else.
pub(crate) fn examine(look: &Look, level: Level, on_read: Option<&OnRead>) -> Result<Examined> {
    let mut defects = Defects::default();
    let shallow = look.defects.iter().filter(|defect| defect.level <= level);
    defects.extend(shallow.cloned());
    let mut examined = Examined {
        survey: None,
        archive_sha256: None,
        sealed: look
            .manifest
            .as_ref()
            .is_some_and(Manifest::proves_completeness),
        defects,
    };
    let Some(archive) = &look.archive else {
        examined.sealed = false;
        return Ok(examined);
    };
    let archive = archive.telling(on_read);
    // The digest of the file needs a core of its own.
    let hashed = match &look.manifest {
        Some(_) if level >= Level::Checksums => {
            let path = look.archive_path.clone();
            Some(thread::spawn(move || sha256_of_file(&path)))
        }
        Some(_) | None => None,
    };
    let survey = archive.survey(level);
    if let (Some(hashed), Some(manifest)) = (hashed, &look.manifest) {
        let digest = hashed
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the digest's thread panicked")))
            .map_err(OfflineError::io("reading", &look.archive_path))?;
        examined
            .defects
            .extend(compare_digests(look, manifest, &digest));
        examined.archive_sha256 = Some(digest);
    }
    let survey = survey?;
    examined.defects.append(&survey.defects);
    let found = compare_metadata(look, &survey);
    let found = found.into_iter().filter(|defect| defect.level <= level);
    examined.defects.extend(found);
    // A manifest that describes something else proves nothing.
    let is_contradicted = |defect: &Defect| defect.kind == Kind::Manifest;
    examined.sealed &= !examined.defects.kept().iter().any(is_contradicted);
    examined.survey = Some(survey);
    Ok(examined)
}

impl Read {
    fn of(survey: &Survey) -> Self {
        Self {
            form: survey.form,
            packing: survey.packing,
            messages: survey.live.len(),
            first_sequence: survey.first_sequence(),
            last_sequence: survey.last_sequence,
            consumers: survey.consumers.len(),
            figures: survey.figures,
        }
    }
}

/// Compares the files with the digests that their manifest has of them.
fn compare_digests(look: &Look, manifest: &Manifest, archive_sha256: &str) -> Vec<Defect> {
    let mut defects = Vec::new();
    if archive_sha256 != manifest.archive_sha256 {
        let detail = format!(
            "the archive's sha256 is {archive_sha256}, its manifest says {}",
            manifest.archive_sha256
        );
        defects.push(Defect::new(Kind::Manifest, "the archive", detail));
    }
    if sha256(&look.metadata_text) != manifest.metadata_sha256 {
        let detail = "it is not the one that its manifest describes";
        defects.push(Defect::new(Kind::Manifest, "backup.json", detail));
    }
    defects
}

/// Compares what the archive holds with what `backup.json` and the manifest say of it.
fn compare_metadata(look: &Look, survey: &Survey) -> Vec<Defect> {
    let mut defects = Vec::new();
    let mut found =
        |kind, place: &str, detail: String| defects.push(Defect::new(kind, place, detail));
    if look.named_form.is_some_and(|form| form != survey.form) {
        let detail = format!("its content is a {}, its name says otherwise", survey.form);
        let kind = match survey.form {
            Form::Message => Kind::ArchiveName,
            // No program is known that does the other.
            Form::Tar => Kind::Metadata,
        };
        found(kind, "the archive", detail);
    }
    if let (Some(stream), Some(meta)) = (look.stream(), &survey.meta)
        && stream != meta.name
    {
        let detail = format!("it is for stream {stream}, the archive holds {}", meta.name);
        found(Kind::Metadata, "backup.json", detail);
    }
    if look.state().is_none()
        && let Some(counted) = survey.indexed_messages
        && survey.live.len() < counted
        && !survey.is_exact
        && !survey.is_store
    {
        let detail = format!(
            "its index, which was written later, counts {counted} messages, {} are there",
            survey.live.len()
        );
        found(Kind::FewerMessages, "the archive", detail);
    }
    defects.extend(compare_states(look, survey));
    let mut found =
        |kind, place: &str, detail: String| defects.push(Defect::new(kind, place, detail));
    if let Some(manifest) = &look.manifest {
        let held = (survey.form, survey.live.len(), survey.last_sequence);
        let said = (manifest.form, manifest.messages, manifest.last_sequence);
        if held != said || survey.consumers.len() != manifest.consumers.len() {
            let detail = String::from("it does not hold what its manifest says");
            found(Kind::Manifest, "the archive", detail);
        }
        for lack in &manifest.lacks {
            found(Kind::FewerMessages, "the original", lack.clone());
        }
        for lack in look.missing_consumers() {
            found(Kind::FewerConsumers, "the archive", lack);
        }
    }
    defects
}

/// Compares the messages and consumers of the archive with the states that tell how many there were.
fn compare_states(look: &Look, survey: &Survey) -> Vec<Defect> {
    let mut defects = Vec::new();
    let mut found =
        |kind, place: &str, detail: String| defects.push(Defect::new(kind, place, detail));
    let removed_meanwhile = look
        .manifest
        .as_ref()
        .map_or(0, |manifest| manifest.removed_meanwhile);
    if let (None, Some(state)) = (look.state(), &survey.state)
        && survey.live.len().saturating_add(removed_meanwhile) < state.messages
    {
        let detail = format!(
            "it counts {} messages, {} are there: the others were removed while the backup was \
             made, or lost by the server",
            state.messages,
            survey.live.len()
        );
        found(Kind::FewerMessages, "state.json", detail);
    }
    if let Some(state) = look.state() {
        // What was published since then may be in a tar as well, and counts for nothing here.
        // What is evicted for newer messages was there.
        let held = survey.live.count_to(state.last_seq) + survey.evicted.count_to(state.last_seq);
        if let Some(own) = &survey.state
            && (own.messages, own.last_seq) != (state.messages, state.last_seq)
        {
            let detail = format!(
                "it speaks of {} messages up to sequence {}, the archive of {} up to {}: they do not \
                 belong together",
                state.messages, state.last_seq, own.messages, own.last_seq
            );
            found(Kind::Metadata, "backup.json", detail);
        }
        if held.saturating_add(removed_meanwhile) < state.messages {
            let detail = format!(
                "the stream had {} messages when the backup began, {held} of them are there: the \
                 others were removed meanwhile, or lost by the server",
                state.messages
            );
            found(Kind::FewerMessages, "the archive", detail);
        }
        let (had, has) = (state.consumer_count, survey.consumers.len() as u64);
        // A backup without any was made without them, and a manifest tells which are missing.
        if has > 0 && has < had && look.manifest.is_none() {
            let detail = format!("the stream had {had} consumers, {has} of them are there");
            found(Kind::FewerConsumers, "the archive", detail);
        }
    }
    defects
}
