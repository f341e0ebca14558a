//! How a backup is to be taken, and what is tried when a snapshot fails: how often again, after which pause,
//! and with what asked for.

use std::time::{Duration, Instant};

use super::Progress;
use super::error::{BackupError, Result};
use crate::jetstream::{Connection, SnapshotOptions};

/// The pause before a snapshot is taken again; twice as long each time. With the retries that are
/// made unless it is said they outlast an election, which takes up to nine seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// It never becomes longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A consumer that nobody has led for so long is not being elected: a node that is restarted is back by
/// then.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// How to take a backup.
#[derive(Debug, Clone, Copy)]
pub struct BackupOptions {
    /// What is asked of the server.
    pub snapshot: SnapshotOptions,
    /// How often a snapshot that failed is taken again.
    pub retries: u32,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            snapshot: SnapshotOptions::default(),
            retries: 5,
        }
    }
}

/// Where consumers are saved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Consumers {
    /// By the server, in its archive.
    InTheArchive,
    /// By us, those that answer: one that nobody leads fails every snapshot of 2.15 that has consumers.
    BesideIt,
}

/// The tries of one backup.
pub(super) struct Tries {
    /// What is asked for.
    pub(super) options: BackupOptions,
    pub(super) consumers: Consumers,
    /// How often it was tried, the try under way included.
    pub(super) attempts: u32,
    /// Whether the stream was there at any of them.
    pub(super) was_seen: bool,
    left: u32,
    pause: Duration,
    /// Since when the server has missed a consumer, without another failure in between.
    silent_since: Option<Instant>,
}

impl Tries {
    pub(super) fn begin(options: BackupOptions) -> Self {
        Self {
            options,
            consumers: Consumers::InTheArchive,
            attempts: 0,
            was_seen: false,
            left: options.retries,
            pause: FIRST_PAUSE,
            silent_since: None,
        }
    }

    /// The pause after a failure that may pass, before the next try.
    ///
    /// # Errors
    /// The failure, when there is no other try.
    pub(super) fn after(
        &mut self,
        error: BackupError,
        connection: &Connection,
        stream: &str,
        progress: &dyn Progress,
    ) -> Result<Duration> {
        if !error.is_of_a_silent_consumer() {
            self.silent_since = None;
        } else if self.is_silent_for_good() && self.consumers == Consumers::InTheArchive {
            progress.note(&format!(
                "{stream}: {error}; taking the archive without consumers, and saving those beside it that \
                 answer"
            ));
            // No retry: something else is asked for.
            self.consumers = Consumers::BesideIt;
            (self.left, self.pause) = (self.options.retries, FIRST_PAUSE);
            return Ok(Duration::ZERO);
        }
        if self.left == 0 {
            return Err(match self.attempts {
                1 => error,
                attempts => BackupError::GaveUp {
                    attempts,
                    failure: Box::new(error),
                },
            });
        }
        self.left -= 1;
        progress.note(&format!("{stream}: {error}; taking it again"));
        if error.is_of_the_link() && !error.is_of_a_silent_consumer() {
            self.options.snapshot = self.options.snapshot.smaller(connection);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Ok(pause)
    }

    fn is_silent_for_good(&mut self) -> bool {
        let since = self.silent_since.get_or_insert_with(Instant::now);
        self.left == 0 || since.elapsed() > SILENT_FOR
    }
}
