//! What a rehearsal of a live system adds: the recovery point that its backup would have meant, had the
//! system been lost just now.

use lifeboat_harness::wait::{Probe, until};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::record::Rehearsal;
use super::saved::SavedBackup;
use crate::jetstream::Connection;

/// How long a live system may take to answer at the end.
const ANSWERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(15);

/// The recovery points of a live system's streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// How long the backup took.
    pub backup_seconds: f64,
    /// Every stream that was backed up, by name.
    pub recovery_points: Vec<RecoveryPoint>,
}

/// What would have been lost of a stream, had it been lost when the rehearsal ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryPoint {
    /// The stream.
    pub stream: String,
    /// Seconds since its backup was complete.
    pub age_seconds: f64,
    /// Messages published since; unknown where the stream did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_since: Option<u64>,
}

impl Live {
    /// Messages of all streams published since their backups; unknown when one of them is.
    pub fn messages_since(&self) -> Option<u64> {
        self.recovery_points
            .iter()
            .map(|point| point.messages_since)
            .sum()
    }

    /// The oldest backup's age in seconds.
    pub fn age_seconds(&self) -> f64 {
        let ages = self.recovery_points.iter().map(|point| point.age_seconds);
        ages.fold(0.0, f64::max)
    }
}

/// Asks a live system how far its streams have gone since they were backed up.
pub async fn recovery_points(
    connection: &Connection,
    backup: &SavedBackup,
    rehearsal: &Rehearsal,
    backup_seconds: f64,
) -> Live {
    let mut recovery_points = Vec::new();
    for saved in &backup.streams {
        let own = rehearsal
            .streams
            .iter()
            .find(|one| one.stream == saved.name);
        let asked = until(ANSWERS_WITHIN, || async {
            match connection.stream_info(&saved.name).await {
                Ok(info) => Probe::Ready(Some(info.state.last_seq)),
                Err(error) if error.is_stream_not_found() => Probe::Ready(None),
                Err(error) => Probe::Pending(error.to_string()),
            }
        });
        let last = asked.await.ok().flatten();
        let age = saved
            .taken_at
            .map(|taken| OffsetDateTime::now_utc() - taken);
        recovery_points.push(RecoveryPoint {
            stream: saved.name.clone(),
            age_seconds: age.map_or(0.0, time::Duration::as_seconds_f64),
            messages_since: last
                .zip(own)
                .map(|(last, own)| last.saturating_sub(own.last_sequence)),
        });
    }
    Live {
        backup_seconds,
        recovery_points,
    }
}
