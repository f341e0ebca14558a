//! What a rehearsal of a live system adds: the recovery point that its backup would have meant, had the
//! system been lost when it was complete.

use lifeboat_harness::wait::{Probe, TimedOut, until};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::saved::SavedBackup;
use crate::jetstream::Connection;

/// How long a live system may take to answer.
const ANSWERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(15);

/// The recovery points of a live system's streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// How long the backup took.
    pub backup_seconds: f64,
    /// Every stream that was backed up, by name.
    pub recovery_points: Vec<RecoveryPoint>,
}

/// What would have been lost of a stream, had it been lost when the backup was complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryPoint {
    /// The stream.
    pub stream: String,
    /// Seconds since its backup was complete; none where the backup does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
    /// Messages published since; unknown where the stream did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_since: Option<u64>,
}

impl Live {
    /// Messages of all streams published since their backups; unknown when one of them is.
    pub fn messages_since(&self) -> Option<u64> {
        let mut points = self.recovery_points.iter();
        points.try_fold(0, |sum: u64, point| {
            Some(sum.saturating_add(point.messages_since?))
        })
    }

    /// The oldest backup's age in seconds, where it is told.
    pub fn age_seconds(&self) -> Option<f64> {
        let ages = self.recovery_points.iter();
        let ages = ages.filter_map(|point| point.age_seconds);
        ages.reduce(f64::max)
    }
}

/// Asks a live system how far its streams have gone since they were backed up.
pub async fn recovery_points(
    connection: &Connection,
    backup: &SavedBackup,
    backup_seconds: f64,
) -> Live {
    let mut recovery_points = Vec::new();
    let mut is_silent = false;
    for saved in &backup.streams {
        // A system that is silent now is not waited for again and again.
        let last = if is_silent {
            None
        } else {
            match last_sequence(connection, &saved.name).await {
                Ok(last) => last,
                Err(_) => {
                    is_silent = true;
                    None
                }
            }
        };
        let age = saved
            .taken_at
            .map(|taken| OffsetDateTime::now_utc() - taken);
        let since = last
            .zip(saved.last_sequence)
            // One that is behind its backup is another one, made since.
            .and_then(|(last, saved)| last.checked_sub(saved));
        recovery_points.push(RecoveryPoint {
            stream: saved.name.clone(),
            age_seconds: age.map(time::Duration::as_seconds_f64),
            messages_since: since,
        });
    }
    Live {
        backup_seconds,
        recovery_points,
    }
}

/// The last sequence of a stream, if there is one.
async fn last_sequence(connection: &Connection, stream: &str) -> Result<Option<u64>, TimedOut> {
    until(ANSWERS_WITHIN, || async {
        match connection.stream_info(stream).await {
            Ok(info) => Probe::Ready(Some(info.state.last_seq)),
            Err(error) if error.is_stream_not_found() => Probe::Ready(None),
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await
}
