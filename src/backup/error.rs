//! Why a backup or a restore did not succeed.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::ArchiveError;
use crate::jetstream::RequestError;
use crate::offline::OfflineError;

/// The result of an engine call.
pub type Result<T, E = BackupError> = std::result::Result<T, E>;

/// A backup or restore that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The target of a backup is taken.
    #[error("{} exists already; a backup never overwrites anything", path.display())]
    TargetExists {
        /// The directory.
        path: PathBuf,
    },
    /// The stream to restore exists.
    #[error(
        "stream {stream} exists already; leave it as it is (--if-exists skip), or put the backup in its place (--if-exists replace)"
    )]
    StreamExists {
        /// The stream.
        stream: String,
    },
    /// Somebody else restores the stream at this moment.
    #[error(
        "stream {stream} is being restored by somebody else at this moment; of two restores at once \
         neither would be whole"
    )]
    RestoredByAnother {
        /// The stream.
        stream: String,
    },
    /// Streams to restore exist.
    #[error(
        "these streams exist already: {streams}; leave them as they are (--if-exists skip), or put \
         the backup in their place (--if-exists replace)"
    )]
    StreamsExist {
        /// The streams.
        streams: String,
    },
    /// Something stands against the restore of an account, and nothing was begun.
    #[error("nothing is restored: {reasons}")]
    AccountRefused {
        /// Everything that stands against it, by stream.
        reasons: String,
    },
    /// Something stands against a restore, and nothing was begun.
    #[error("stream {stream} is not restored: {reasons}")]
    Refused {
        /// The stream.
        stream: String,
        /// Everything that stands against it.
        reasons: String,
    },
    /// A stream could not be replaced.
    #[error("{failure}; the stream that was to be replaced {returned} (saved in {})", directory.display())]
    NotReplaced {
        /// Why not.
        failure: Box<BackupError>,
        /// Where the old one is saved.
        directory: PathBuf,
        /// What became of it.
        returned: String,
    },
    /// The directory is not a backup, or not a whole one.
    #[error("{} is not a whole backup: {reason}", path.display())]
    NotABackup {
        /// The directory.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The archive lacks messages that the stream has.
    #[error(
        "the archive of stream {stream} lacks {lost} messages that the stream still has, sequence \
         {first} the first of them: servers to 2.14 lose some when others are evicted or purged \
         meanwhile, and 2.15 those that it can't read; back a mirror up, or raise the stream's \
         limits until the backup is taken"
    )]
    Lost {
        /// The stream.
        stream: String,
        /// How many of its messages are not in the archive.
        lost: u64,
        /// The first of them.
        first: u64,
    },
    /// The server sent an archive that is damaged.
    #[error(
        "the server's snapshot of stream {stream} is not whole: {defect}; servers to 2.14 do that \
         when messages are evicted or purged meanwhile, and all of them when their store is damaged"
    )]
    Torn {
        /// The stream.
        stream: String,
        /// What is wrong.
        defect: ArchiveError,
    },
    /// There is no such stream.
    #[error("there is no stream {stream}{hint}")]
    NoSuchStream {
        /// What was asked for.
        stream: String,
        /// What was probably meant, when one is like it.
        hint: String,
    },
    /// It was there when its backup began.
    #[error("stream {stream} was deleted while it was backed up")]
    DeletedMeanwhile {
        /// The stream.
        stream: String,
    },
    /// A stream whose nodes are down, or have no quorum.
    #[error("stream {stream} has no leader: its nodes are down, or have no quorum")]
    NoLeader {
        /// The stream.
        stream: String,
    },
    /// Nobody answers for a stream, which may or may not exist.
    #[error(
        "nobody answers whether there is a stream {stream}: it may be there, without a leader. Bring its \
         nodes back; or, when they are lost for good, remove them (nats server cluster peer-remove) and \
         delete what is left of the stream, then restore it ({source})"
    )]
    Unanswered {
        /// The stream.
        stream: String,
        /// What was awaited.
        #[source]
        source: RequestError,
    },
    /// A message that can't be told over the wire.
    #[error("message {sequence} of stream {stream} can't be read: {reason}")]
    Unreadable {
        /// The stream.
        stream: String,
        /// The message.
        sequence: u64,
        /// Why not.
        reason: String,
    },
    /// It failed again and again.
    #[error("{failure} (tried {attempts} times)")]
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// How it failed the last time.
        failure: Box<BackupError>,
    },
    /// An account's backup was interrupted, and its streams are still there.
    #[error(
        "an interrupted backup is in {}: continue it with --resume, or delete it", path.display()
    )]
    Unfinished {
        /// Where it is.
        path: PathBuf,
    },
    /// Another process works on the same backup.
    #[error("another process is working on {}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The account has nothing that was asked for.
    #[error("{reason}")]
    NothingToDo {
        /// What was looked for.
        reason: String,
    },
    /// The archive itself.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A server did not do what it was asked.
    #[error("{doing}: {source}")]
    Request {
        /// What was being done.
        doing: String,
        /// What went wrong.
        #[source]
        source: RequestError,
    },
    /// The restored stream is not what the backup holds.
    #[error("the restored stream {stream} is not what the backup holds: {difference}")]
    Differs {
        /// The stream.
        stream: String,
        /// The first difference found.
        difference: String,
    },
    /// A consumer did not come back with its stream.
    #[error("consumer {consumer} of the restored stream {stream} is missing: {last_seen}")]
    ConsumerMissing {
        /// The stream.
        stream: String,
        /// The consumer.
        consumer: String,
        /// The last answer.
        last_seen: String,
    },
    /// The stream was restored, but it could not be compared with the backup. It was kept: it
    /// may have taken new messages since.
    #[error(
        "stream {stream} was restored and kept, but not compared to its end (the same command goes on with that): {source}"
    )]
    NotCompared {
        /// The stream.
        stream: String,
        /// What went wrong.
        #[source]
        source: RequestError,
    },
    /// A stream that would be removed has taken new messages.
    #[error("stream {stream} has taken new messages meanwhile, and is kept")]
    TookMessages {
        /// The stream.
        stream: String,
    },
    /// The stream is restored and compared, and still has its mark.
    #[error(
        "stream {stream} is restored and compared, and its mark could not be removed; do it by hand \
         (metadata {key}): {reason}"
    )]
    StillMarked {
        /// The stream.
        stream: String,
        /// The key of its metadata.
        key: &'static str,
        /// Why not.
        reason: String,
    },
    /// It was stopped, and what it had begun was removed.
    #[error("interrupted")]
    Interrupted,
    /// A restore failed, and what it had begun could not be removed either.
    #[error("{failure}; and the partial stream {stream} could not be removed: {removal}")]
    LeftBehind {
        /// The stream.
        stream: String,
        /// Why the restore failed.
        failure: Box<BackupError>,
        /// Why the removal failed.
        removal: Box<BackupError>,
    },
    /// A stream that should be gone is still there.
    #[error("stream {stream} is still there after {waited:.1?}; last seen: {last_seen}")]
    NotGone {
        /// The stream.
        stream: String,
        /// How long was waited.
        waited: std::time::Duration,
        /// The last answer.
        last_seen: String,
    },
    /// The operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to which path.
        what: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl From<OfflineError> for BackupError {
    fn from(error: OfflineError) -> Self {
        match error {
            OfflineError::TargetExists { path } => Self::TargetExists { path },
            OfflineError::NotABackup { path, reason } => Self::NotABackup { path, reason },
            OfflineError::Archive(error) => Self::Archive(error),
            OfflineError::Io { what, source } => Self::Io { what, source },
            wrong @ (OfflineError::NotThere { .. } | OfflineError::Argument { .. }) => {
                Self::NothingToDo {
                    reason: wrong.to_string(),
                }
            }
            other @ (OfflineError::NoConfiguration { .. }
            | OfflineError::InMemory { .. }
            | OfflineError::Refused { .. }
            | OfflineError::Differs { .. }) => Self::Io {
                what: String::from("working with a backup"),
                source: io::Error::other(other),
            },
        }
    }
}

impl BackupError {
    /// Whether a snapshot that failed like this may succeed when it is taken again.
    pub(super) fn may_pass(&self) -> bool {
        // What a server sends damaged it may send whole the next time.
        matches!(
            self,
            Self::Torn { .. } | Self::Lost { .. } | Self::NoLeader { .. }
        ) || self.is_of_the_link()
    }

    /// What this is, happening while a restored stream is compared: only a difference that was seen is
    /// one, and anything else leaves open whether there is any.
    pub(super) fn of_comparing(self, stream: &str) -> Self {
        if matches!(
            self,
            Self::Differs { .. } | Self::ConsumerMissing { .. } | Self::NotCompared { .. }
        ) {
            return self;
        }
        Self::not_compared(stream, self.to_string())
    }

    /// A stream that could not be compared, for that reason.
    pub(super) fn not_compared(stream: &str, reason: String) -> Self {
        Self::NotCompared {
            stream: stream.to_owned(),
            source: RequestError::Unreadable {
                subject: String::from("comparing"),
                reason,
            },
        }
    }

    /// Whether there is no such stream.
    pub(super) fn is_stream_not_found(&self) -> bool {
        matches!(
            self,
            Self::NoSuchStream { .. } | Self::DeletedMeanwhile { .. }
        ) || matches!(self, Self::Request { source, .. } if source.is_stream_not_found())
    }

    /// Whether the server gave a snapshot up for want of a consumer's state.
    pub(super) fn is_of_a_silent_consumer(&self) -> bool {
        matches!(self, Self::Request { source, .. } if source.is_of_a_silent_consumer())
    }

    /// Whether smaller chunks may help.
    pub(super) fn is_of_the_link(&self) -> bool {
        matches!(self, Self::Request { source, .. }
            if source.is_passing() || source.is_of_a_snapshot())
    }

    pub(super) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{doing} {}", path.display());
        move |source| Self::Io { what, source }
    }

    pub(super) fn request(doing: impl Into<String>) -> impl FnOnce(RequestError) -> Self {
        let doing = doing.into();
        move |source| Self::Request { doing, source }
    }
}
