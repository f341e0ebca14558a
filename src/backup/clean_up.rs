//! Removing what a failed restore began, and nothing else: not a stream that somebody else made under
//! the name meanwhile, and not one that has taken new messages already.

use std::time::{Duration, Instant};

use lifeboat_harness::wait::pause_for;

use super::error::{BackupError, Result};
use super::mark::Mark;
use crate::jetstream::Connection;

/// How long what a failed restore began may take to be gone.
pub(super) const REMOVED_WITHIN: Duration = Duration::from_secs(60);
/// How long a name that was freed must stay free: what had arrived when a restore was aborted may
/// become a stream a moment later.
const STAYS_GONE_FOR: Duration = Duration::from_secs(1);
/// The same after a connection was lost, when the server could not be told to stop.
const STAYS_GONE_UNTOLD: Duration = Duration::from_secs(6);
/// The pause between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A restore that began, or may have.
pub(super) struct Begun<'a> {
    pub(super) connection: &'a Connection,
    pub(super) stream: &'a str,
    /// What tells our stream from any other.
    pub(super) mark: &'a Mark,
    /// The last sequence that it can have of us: a stream that goes further has taken messages of its
    /// own.
    pub(super) last_sequence: u64,
    /// Whether the server said that the name is ours.
    pub(super) is_certain: bool,
}

/// What has the name.
enum Seen {
    Nothing,
    /// A name without a stream, which a cluster keeps of a restore.
    NameAlone,
    Ours,
    OursWithNewMessages,
    Others,
    Unknown(String),
}

impl Begun<'_> {
    /// Deletes it until it is gone and stays so. Returns why the restore failed, and what could not
    /// be removed.
    pub(super) async fn clean_up(self, failure: BackupError) -> BackupError {
        let stays_gone = if matches!(failure, BackupError::Request { .. }) {
            STAYS_GONE_UNTOLD
        } else {
            STAYS_GONE_FOR
        };
        let began = Instant::now();
        let (mut free_since, mut last_seen) = (None::<Instant>, String::new());
        while began.elapsed() < REMOVED_WITHIN {
            match self.look().await {
                Seen::Nothing => {
                    if free_since.get_or_insert_with(Instant::now).elapsed() >= stays_gone {
                        return failure;
                    }
                    pause_for(BETWEEN_LOOKS).await;
                    continue;
                }
                Seen::Others => return failure,
                Seen::OursWithNewMessages => {
                    let stream = self.stream.to_owned();
                    return self.left_behind(failure, BackupError::TookMessages { stream });
                }
                Seen::Ours => last_seen = self.delete("the stream is there").await,
                Seen::NameAlone if self.is_certain => {
                    last_seen = self.delete("its name is taken").await;
                }
                Seen::NameAlone => {
                    last_seen = String::from("its name is taken, by whom is not known")
                }
                Seen::Unknown(reason) => last_seen = reason,
            }
            free_since = None;
            pause_for(BETWEEN_LOOKS).await;
        }
        let removal = BackupError::NotGone {
            stream: self.stream.to_owned(),
            waited: began.elapsed(),
            last_seen,
        };
        self.left_behind(failure, removal)
    }

    fn left_behind(&self, failure: BackupError, removal: BackupError) -> BackupError {
        BackupError::LeftBehind {
            stream: self.stream.to_owned(),
            failure: Box::new(failure),
            removal: Box::new(removal),
        }
    }

    async fn delete(&self, seen: &str) -> String {
        // Asked again each time: without a meta leader a request is lost, not refused.
        let deleted = self.connection.delete_stream(self.stream).await;
        format!("{seen} (delete: {deleted:?})")
    }

    async fn look(&self) -> Seen {
        match self.connection.stream_info(self.stream).await {
            Ok(info) if !self.mark.is_on(&info.config) => Seen::Others,
            Ok(info) if info.state.last_seq > self.last_sequence => Seen::OursWithNewMessages,
            Ok(_) => Seen::Ours,
            Err(error) if error.is_stream_not_found() => {
                match self.connection.stream_names().await {
                    Ok(names) if names.iter().any(|name| name == self.stream) => Seen::NameAlone,
                    Ok(_) => Seen::Nothing,
                    Err(error) => Seen::Unknown(error.to_string()),
                }
            }
            Err(error) => Seen::Unknown(error.to_string()),
        }
    }
}

/// Carries something out unless it is to be stopped.
pub(super) async fn unless<T>(
    stop: impl Future<Output = ()>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = stop => Err(BackupError::Interrupted),
        done = work => done,
    }
}
