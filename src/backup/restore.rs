//! Restoring a stream: planned, sent, then read back and compared on every replica, and only then
//! called restored.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::clean_up::{Begun, REMOVED_WITHIN, unless};
use super::compare::{Compared, compare};
use super::error::{BackupError, Result};
use super::gone::Gone;
use super::mark::{self, Mark};
use super::outgoing::Outgoing;
use super::overrides::Overrides;
use super::plan::{Action, RestorePlan, plan_restore};
use super::positions::find_consumers;
use super::replace::Replaced;
use super::sending::{compare_state, send};
use super::source::StreamBackup;
use super::{Progress, remove_stream};
use crate::jetstream::{Connection, RestoreTransfer, RestoreTuning};

/// How long it may take to learn whether a stream exists.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// How to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// What to change of the stream's configuration.
    pub overrides: Overrides,
    /// What to do when the stream exists.
    pub if_exists: IfExists,
    /// Whether consumers that are ahead of the stream are set back to its end.
    pub reset_consumers: bool,
    /// Whether every replica is compared, or the leader's alone.
    pub every_replica: bool,
    /// Where a stream that is replaced is saved; beside the backup unless it is said.
    pub keep_old: Option<PathBuf>,
    /// How it is sent.
    pub tuning: Option<RestoreTuning>,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            overrides: Overrides::default(),
            if_exists: IfExists::Refuse,
            reset_consumers: false,
            every_replica: true,
            keep_old: None,
            tuning: None,
        }
    }
}

/// What to do when the stream exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Say so, and do nothing.
    #[default]
    Refuse,
    /// Leave it as it is; that is no failure.
    Skip,
    /// Save it, delete it, restore the backup, and put the old one back if that fails.
    Replace,
}

/// A restore that succeeded.
#[derive(Debug, Clone)]
pub struct RestoreSummary {
    /// The stream.
    pub stream: String,
    /// Whether it existed, and was left as it is.
    pub skipped: bool,
    /// Messages restored and compared.
    pub messages: u64,
    /// The last sequence.
    pub last_sequence: u64,
    /// Consumers restored, and there.
    pub consumers: usize,
    /// The servers whose replicas were compared; one without a name is alone.
    pub replicas: Vec<String>,
    /// Messages that are gone again.
    pub gone: Gone,
    /// Whether the backup's completeness was proven by a manifest.
    pub sealed: bool,
    /// What the backup lacks, and so does the stream; with consumers that stand elsewhere.
    pub lacks: Vec<String>,
    /// Consumers that stand elsewhere than they should, in sentences.
    pub misplaced: Vec<String>,
    /// What is worth knowing.
    pub remarks: Vec<String>,
    /// Where the stream that was replaced is saved.
    pub old: Option<PathBuf>,
    /// How long it took.
    pub elapsed: Duration,
}

impl RestoreSummary {
    /// What is known of a restore before it begins.
    fn of(backup: &StreamBackup, plan: &RestorePlan) -> Self {
        Self {
            stream: plan.stream.clone(),
            skipped: plan.action == Action::Skip,
            messages: plan.messages,
            last_sequence: backup.survey.last_sequence,
            consumers: plan.consumers.len(),
            replicas: Vec::new(),
            gone: Gone::default(),
            sealed: backup.sealed,
            lacks: plan.lacks.clone(),
            misplaced: Vec::new(),
            remarks: plan.remarks.clone(),
            old: None,
            elapsed: Duration::ZERO,
        }
    }
}

/// Restores the stream of a backup.
///
/// It counts as restored when every message of the archive was read back from every replica with
/// the same sequence, subject, headers, payload and time, and every consumer is there. When it
/// fails after it began, or `stop` is ready, what it began is deleted again. Dropping the future
/// instead may leave a stream with the mark of a restore, by which the next one knows it.
///
/// # Errors
/// [`BackupError::StreamExists`] when the name is taken, without touching anything;
/// [`BackupError::RestoredByAnother`] when somebody restores it at the same time;
/// [`BackupError::Refused`] with everything that stands against it;
/// [`BackupError::Interrupted`] when it was stopped.
pub async fn restore_stream(
    connection: &Connection,
    directory: &Path,
    options: &RestoreOptions,
    progress: &dyn Progress,
    stop: impl Future<Output = ()>,
) -> Result<RestoreSummary> {
    let began = Instant::now();
    let stop = stop.shared();
    progress.phase("reading", None);
    let planning = async {
        let backup = StreamBackup::open(directory).await?;
        let plan = plan_restore(connection, &backup, options).await?;
        Ok((backup, plan))
    };
    let (backup, plan) = unless(stop.clone(), planning).await?;
    plan.check()?;
    let summary = restore_as_planned(connection, &backup, plan, options, progress, stop).await?;
    Ok(RestoreSummary {
        elapsed: began.elapsed(),
        ..summary
    })
}

/// Restores the stream of a backup that was opened, as [`plan_restore`] planned it and
/// [`RestorePlan::check`] allowed it. See [`restore_stream`].
///
/// # Errors
/// As [`restore_stream`].
pub async fn restore_as_planned(
    connection: &Connection,
    backup: &StreamBackup,
    plan: RestorePlan,
    options: &RestoreOptions,
    progress: &dyn Progress,
    stop: impl Future<Output = ()>,
) -> Result<RestoreSummary> {
    let mut summary = RestoreSummary::of(backup, &plan);
    if summary.skipped {
        return Ok(summary);
    }
    if plan.is_published_to {
        progress.note(&format!(
            "warning: somebody publishes to {}'s subjects: stop them until it is restored",
            plan.stream
        ));
    }
    let began = Instant::now();
    let claiming = format!("claiming the name {}", plan.stream);
    let claimed = connection.claim(&plan.stream).await;
    let Some(claim) = claimed.map_err(BackupError::request(claiming))? else {
        let stream = plan.stream.clone();
        return Err(BackupError::RestoredByAnother { stream });
    };
    let work = Work {
        connection,
        backup,
        plan: &plan,
        options,
        progress,
    };
    let restored = work.carry_out(stop).await;
    claim.release().await;
    let (compared, old) = restored?;
    summary.old = old;
    summary.remarks.extend(compared.gone.remarks());
    summary.replicas = compared.replicas;
    summary.gone = compared.gone;
    summary.lacks.extend(compared.consumers.iter().cloned());
    summary.misplaced = compared.consumers;
    summary.consumers -= compared.removed_consumers.len();
    for name in compared.removed_consumers {
        let remark = format!("consumer {name} was removed again by the server: nobody uses it");
        summary.remarks.push(remark);
    }
    summary.elapsed = began.elapsed();
    Ok(summary)
}

/// Removes the empty stream that a killed restore left; looked at once more, for much may have
/// happened since the plan was made.
async fn clear(connection: &Connection, stream: &str) -> Result<()> {
    let asking = BackupError::request(format!("looking at stream {stream} again"));
    let info = match connection.stream_info(stream).await {
        Err(error) if error.is_stream_not_found() => return Ok(()),
        other => other.map_err(asking)?,
    };
    let is_left_over = info.state.last_seq == 0
        && mark::is_on(&info.config)
        && mark::is_abandoned(connection, &info.config).await;
    if !is_left_over {
        let stream = stream.to_owned();
        return Err(BackupError::StreamExists { stream });
    }
    remove_stream(connection, stream, REMOVED_WITHIN).await
}

/// One stream to be put in its place.
pub(super) struct Work<'a> {
    pub(super) connection: &'a Connection,
    pub(super) backup: &'a StreamBackup,
    pub(super) plan: &'a RestorePlan,
    pub(super) options: &'a RestoreOptions,
    pub(super) progress: &'a dyn Progress,
}

impl Work<'_> {
    /// Does what was planned, while nobody else restores the stream. Returns where the one that was
    /// replaced is saved, too.
    async fn carry_out(
        &self,
        stop: impl Future<Output = ()>,
    ) -> Result<(Compared, Option<PathBuf>)> {
        let Self {
            connection,
            backup,
            plan,
            options,
            progress,
        } = *self;
        let stop = stop.shared();
        match plan.action {
            Action::Finish => Ok((unless(stop, self.finish()).await?, None)),
            Action::Replace => {
                let saving = async {
                    let outgoing = Outgoing::prepare(backup, plan).await?;
                    let saved = Replaced::save(connection, backup, plan, options, progress).await?;
                    Ok((outgoing, saved))
                };
                let (outgoing, replaced) = unless(stop.clone(), saving).await?;
                remove_stream(connection, &plan.stream, REMOVED_WITHIN).await?;
                match self.put(outgoing, stop).await {
                    Ok(compared) => Ok((compared, Some(replaced.directory))),
                    Err(error) => Err(replaced
                        .put_back(connection, error, options, progress)
                        .await),
                }
            }
            Action::Taken => Err(BackupError::StreamExists {
                stream: plan.stream.clone(),
            }),
            Action::Create | Action::Clear | Action::Skip => {
                let preparing = Outgoing::prepare(backup, plan);
                let outgoing = unless(stop.clone(), preparing).await?;
                if plan.action == Action::Clear {
                    clear(connection, &plan.stream).await?;
                }
                Ok((self.put(outgoing, stop).await?, None))
            }
        }
    }

    /// Puts the stream where its name is free, and compares it.
    pub(super) async fn put(
        &self,
        outgoing: Outgoing,
        stop: impl Future<Output = ()>,
    ) -> Result<Compared> {
        let stop = stop.shared();
        let mark = Mark::prepare(self.connection, &self.plan.config).await?;
        let mut transfer = self.begin(&mark, &outgoing, stop.clone()).await?;
        let outcome = tokio::select! {
            outcome = self.send_and_compare(outgoing, &mut transfer) => outcome,
            () = stop => Err(Failure::Within(BackupError::Interrupted)),
        };
        match outcome {
            Ok(compared) => Ok(compared),
            Err(Failure::Before(error)) => Err(error),
            Err(Failure::Within(error)) => {
                // When this fails the server hears nothing more from us either.
                let _aborted = transfer.abort().await;
                let is_certain = true;
                Err(self.begun(&mark, is_certain).clean_up(error).await)
            }
        }
    }

    pub(super) fn begun<'a>(&'a self, mark: &'a Mark, is_certain: bool) -> Begun<'a> {
        Begun {
            connection: self.connection,
            stream: &self.plan.stream,
            mark,
            last_sequence: self.backup.last_sequence(),
            is_certain,
        }
    }

    async fn send_and_compare(
        &self,
        outgoing: Outgoing,
        transfer: &mut RestoreTransfer,
    ) -> Result<Compared, Failure> {
        let Self {
            backup,
            plan,
            progress,
            ..
        } = *self;
        let restored = send(plan, outgoing, transfer, progress).await?;
        compare_state(backup, plan, &restored)?;
        Ok(self.finish().await?)
    }

    /// Compares what is there, and makes it a stream like any other.
    async fn finish(&self) -> Result<Compared> {
        let Self {
            connection,
            backup,
            plan,
            options,
            progress,
        } = *self;
        let every_replica = options.every_replica;
        let stream = &plan.stream;
        let mut compared = compare(connection, backup, plan, every_replica, progress)
            .await
            .map_err(|error| error.of_comparing(stream))?;
        let consumers = find_consumers(connection, backup, plan)
            .await
            .map_err(|error| error.of_comparing(stream))?;
        compared.consumers = consumers.elsewhere;
        compared.removed_consumers = consumers.removed;
        mark::remove(connection, stream).await?;
        Ok(compared)
    }
}

/// Why a restore failed, and whether there is anything of ours to delete.
pub(super) enum Failure {
    /// Nothing began: whatever has the name now is somebody else's.
    Before(BackupError),
    /// It began, or may have.
    Within(BackupError),
}

impl From<BackupError> for Failure {
    /// A name in use is somebody else's, also when that is told only at the end: of two
    /// restores at once a server may accept both, and let one of them win. And what could only
    /// not be compared is whole for all we know, and may hold new messages already.
    fn from(error: BackupError) -> Self {
        let is_not_ours = matches!(
            error,
            BackupError::StreamExists { .. }
                | BackupError::NotCompared { .. }
                | BackupError::StillMarked { .. }
        );
        if is_not_ours {
            Self::Before(error)
        } else {
            Self::Within(error)
        }
    }
}
