//! Backing a whole account up: its streams side by side, each into a directory of its own, and at the
//! end an account of every stream and every consumer that it has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use glob::Pattern;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Progress;
use super::account_place::Place;
use super::error::{BackupError, Result};
use super::restore::RestoreSummary;
use super::take::{BackupSummary, back_up_stream};
use super::tries::BackupOptions;
use crate::archive::is_name;
use crate::jetstream::{AccountTotals, Connection};
use crate::model::NameFilter;
use crate::offline::{AccountRecord, Counts, Look, Manifest, StreamRecord};

/// How to back an account up.
#[derive(Debug, Clone)]
pub struct AccountOptions {
    /// Which streams.
    pub names: NameFilter,
    /// So many streams side by side.
    pub jobs: usize,
    /// Whether an interrupted or incomplete backup is continued.
    pub resume: bool,
    /// How every stream is taken.
    pub stream: BackupOptions,
}

/// Told how far the backup or the restore of an account is.
pub trait AccountProgress: Send + Sync {
    /// The backup begins, of so many streams.
    fn begin(&self, streams: usize);
    /// A stream begins; what it is told goes to what is returned.
    fn stream(&self, name: &str) -> Arc<dyn Progress>;
    /// A stream is saved.
    fn saved(&self, taken: &BackupSummary);
    /// A stream was saved by an earlier run, and is not taken again.
    fn kept(&self, name: &str);
    /// A stream is restored.
    fn restored(&self, restored: &RestoreSummary);
    /// A stream could not be saved, or restored.
    fn failed(&self, name: &str, error: &BackupError);
}

/// The backup of an account.
#[derive(Debug, Clone)]
pub struct AccountSummary {
    /// Where it is.
    pub directory: PathBuf,
    /// What the account had, and what became of it.
    pub record: AccountRecord,
    /// The streams that were taken now, by name.
    pub taken: BTreeMap<String, BackupSummary>,
    /// The streams that an earlier run had saved.
    pub kept: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Backs an account up into a directory.
///
/// Until every stream was tried it has a hidden name beside its own, under which `resume` finds it.
/// Streams that can't be saved are named in the record, and do not keep the others from being
/// saved; whoever calls should look at [`AccountRecord::lacks`].
///
/// # Errors
/// [`BackupError::Unfinished`] when an interrupted backup is there and is not to be continued; when
/// the account can't be asked; when no stream could be saved at all. Interrupted, by dropping the
/// future, it leaves the streams that are saved for `resume`.
pub async fn back_up_account(
    connection: &Connection,
    target: &Path,
    options: &AccountOptions,
    progress: &dyn AccountProgress,
) -> Result<AccountSummary> {
    let began = Instant::now();
    let mut place = Place::open(target, options.resume)?;
    let options = &place.remember(options)?;
    let plan = Plan::make(connection, options).await?;
    progress.begin(plan.names.len());
    let record = begin_record(&place, &plan, options)?;
    let mut summary = AccountSummary {
        directory: target.to_owned(),
        record,
        taken: BTreeMap::new(),
        kept: Vec::new(),
        elapsed: Duration::ZERO,
    };
    let mut first_failure = None;
    let (within, is_new) = (place.path.clone(), place.earlier.is_none());
    let work = plan.names.iter().map(|name| {
        let path = within.join(name);
        async move {
            let outcome = one_stream(connection, name, (&path, is_new), options, progress).await;
            (name.clone(), outcome)
        }
    });
    let mut work = futures_util::stream::iter(work).buffer_unordered(options.jobs.max(1));
    while let Some((name, outcome)) = work.next().await {
        let streams = &mut summary.record.streams;
        match outcome {
            Ok(Outcome::Taken(mut taken)) => {
                taken.directory = target.join(&name);
                progress.saved(&taken);
                streams.insert(name.clone(), recorded(&taken.manifest, taken.lacks()));
                summary.taken.insert(name, *taken);
            }
            Ok(Outcome::Kept(manifest, lacks)) => {
                progress.kept(&name);
                streams.insert(name.clone(), recorded(&manifest, lacks));
                summary.kept.push(name);
            }
            Err(error) if error.is_stream_not_found() => {
                streams.entry(name).or_insert(StreamRecord::Deleted);
            }
            Err(error) => {
                progress.failed(&name, &error);
                let reason = error.to_string();
                streams.insert(name, StreamRecord::Failed { reason });
                first_failure.get_or_insert(error);
            }
        }
    }
    summary.kept.sort_unstable();
    if let Some(error) = first_failure
        && summary.record.saved().next().is_none()
    {
        return Err(error);
    }
    reconcile(connection, options, &plan, &place.path, &mut summary.record).await?;
    summary.record.server = connection.server_version();
    summary.record.ended_at = now();
    summary.record.write(&place.path)?;
    place.finish(target)?;
    summary.elapsed = began.elapsed();
    Ok(summary)
}

/// A record with nothing saved yet but what an earlier run saved; it tells what was asked for, should
/// this one be interrupted.
fn begin_record(place: &Place, plan: &Plan, options: &AccountOptions) -> Result<AccountRecord> {
    let mut record = AccountRecord::begin(plan.counts, now());
    let texts = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect();
    record.include = texts(&options.names.include);
    record.exclude = texts(&options.names.exclude);
    place.note(&record)?;
    if let Some(earlier) = &place.earlier {
        record.began_at.clone_from(&earlier.began_at);
        // What was saved then and is there still counts, whatever is asked for now.
        for (name, stream) in &earlier.streams {
            if matches!(stream, StreamRecord::Saved { .. }) && place.path.join(name).is_dir() {
                record.streams.insert(name.clone(), stream.clone());
            }
        }
    }
    Ok(record)
}

/// What the account has, and what of that is asked for.
struct Plan {
    counts: Counts,
    /// The streams to be saved.
    names: Vec<String>,
    /// All streams.
    all: Vec<String>,
}

impl Plan {
    async fn make(connection: &Connection, options: &AccountOptions) -> Result<Self> {
        let (totals, all) = ask(connection).await?;
        let names: Vec<String> = all
            .iter()
            .filter(|name| options.names.chooses(name))
            .cloned()
            .collect();
        if names.is_empty() && options.names.is_choosy() && !all.is_empty() {
            return Err(BackupError::NothingToDo {
                reason: options.names.chooses_none_of(&all),
            });
        }
        Ok(Self {
            counts: counts(totals),
            names,
            all,
        })
    }
}

async fn ask(connection: &Connection) -> Result<(AccountTotals, Vec<String>)> {
    let asking = BackupError::request("asking what the account has");
    connection.account_overview().await.map_err(asking)
}

fn counts(totals: AccountTotals) -> Counts {
    Counts {
        streams: totals.streams,
        consumers: totals.consumers,
    }
}

/// Holds what was saved against what the account has now by its own word.
async fn reconcile(
    connection: &Connection,
    options: &AccountOptions,
    plan: &Plan,
    path: &Path,
    record: &mut AccountRecord,
) -> Result<()> {
    let (totals, names) = ask(connection).await?;
    record.has = counts(totals);
    for name in &plan.all {
        if !options.names.chooses(name) {
            let streams = &mut record.streams;
            streams
                .entry(name.clone())
                .or_insert(StreamRecord::Excluded);
        }
    }
    for name in &names {
        let made = || {
            if options.names.chooses(name) {
                StreamRecord::Made
            } else {
                StreamRecord::Excluded
            }
        };
        let stream = record.streams.entry(name.clone()).or_insert_with(made);
        if *stream == StreamRecord::Deleted {
            let reason = String::from("it was not found, and is listed all the same");
            *stream = StreamRecord::Failed { reason };
        }
    }
    // Both at the beginning and at the end: what was made or deleted meanwhile explains one of
    // them, not both.
    let listed = (plan.all.len() as u64, names.len() as u64);
    if record.had.streams > listed.0 && record.has.streams > listed.1 {
        record.unexplained.push(format!(
            "the account counts {} streams, and lists {}",
            record.has.streams, listed.1
        ));
    }
    if !options.stream.snapshot.no_consumers {
        record
            .unexplained
            .extend(unexplained_consumers(path, record));
    }
    Ok(())
}

/// Consumers that the account counts and no stream has. Servers alone count those by which mirrors
/// and sources read from their origins, and list them nowhere.
fn unexplained_consumers(path: &Path, record: &AccountRecord) -> Option<String> {
    let (mut consumers, mut readers) = (0, 0);
    for (name, stream) in &record.streams {
        let StreamRecord::Saved {
            consumers: saved, ..
        } = stream
        else {
            return None;
        };
        consumers += saved;
        let look = Look::at(&path.join(name)).ok()?;
        let config = look.config()?;
        let sources = config.get("sources").and_then(Value::as_array);
        readers += sources.map_or(0, Vec::len) as u64;
        readers += u64::from(config.get("mirror").is_some_and(Value::is_object));
    }
    let counted = record.had.consumers.min(record.has.consumers);
    (counted > consumers + readers)
        .then(|| format!("the account counts {counted} consumers, its streams {consumers}"))
}

/// What became of one stream.
enum Outcome {
    Taken(Box<BackupSummary>),
    Kept(Box<Manifest>, Vec<String>),
}

async fn one_stream(
    connection: &Connection,
    name: &str,
    (path, is_new): (&Path, bool),
    options: &AccountOptions,
    progress: &dyn AccountProgress,
) -> Result<Outcome> {
    // A server's word becomes a path here.
    if !is_name(name) {
        return Err(BackupError::Unreadable {
            stream: name.to_owned(),
            sequence: 0,
            reason: String::from("that is no stream's name"),
        });
    }
    if path.exists() {
        // Sealed by its own rename: what is there under its name is whole.
        let look = Look::at(path)?;
        match &look.manifest {
            Some(manifest) if is_same(connection, name, manifest, options).await? => {
                let lacks = look.missing_consumers();
                return Ok(Outcome::Kept(Box::new(manifest.clone()), lacks));
            }
            // Of another stream of that name, or without its consumers: not wanted, where it is no
            // part of a backup that somebody may rely on yet.
            Some(_) if is_new => {
                fs::remove_dir_all(path).map_err(BackupError::io("removing", path))?
            }
            Some(_) | None => {
                let path = path.to_owned();
                return Err(BackupError::TargetExists { path });
            }
        }
    }
    let watched = progress.stream(name);
    let taken = back_up_stream(connection, name, path, options.stream, watched).await?;
    Ok(Outcome::Taken(Box::new(taken)))
}

/// Whether a backup that is there is of this very stream, and holds what is asked for.
async fn is_same(
    connection: &Connection,
    name: &str,
    manifest: &Manifest,
    options: &AccountOptions,
) -> Result<bool> {
    let asking = BackupError::request(format!("looking at stream {name}"));
    let created = match connection.stream_info(name).await {
        Ok(info) => info.created,
        Err(error) if error.is_stream_not_found() => return Err(asking(error)),
        // It can't be asked now, and so not taken again either.
        Err(_) => return Ok(true),
    };
    let has_enough = !manifest.without_consumers || options.stream.snapshot.no_consumers;
    Ok(has_enough && created.is_some() && created == manifest.stream_created)
}

fn recorded(manifest: &Manifest, lacks: Vec<String>) -> StreamRecord {
    StreamRecord::Saved {
        archive_sha256: manifest.archive_sha256.clone(),
        consumers: (manifest.consumers.len() + manifest.missing_consumers.len()) as u64,
        taken_at: manifest.taken_at.clone(),
        lacks,
    }
}

fn now() -> String {
    let now = OffsetDateTime::now_utc();
    now.format(&Rfc3339).unwrap_or_default()
}
