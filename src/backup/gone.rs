//! Messages of a backup that a restored stream does not have: gone for a reason that is none of ours,
//! or lost.

use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::StreamExt as _;
use time::OffsetDateTime;

use super::error::{BackupError, Result};
use super::plan::RestorePlan;
use super::receive::ended;
use super::source::StreamBackup;
use crate::archive::Sequences;
use crate::jetstream::{Connection, read_messages};
use crate::model::StoredMessage;

/// Clocks differ, and a server expires messages a little before or after their time.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);
/// The header with a message's own time to live (ADR-43).
const TTL_HEADER: &str = "nats-ttl";

/// Messages that are gone again, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Their time had come.
    pub expired: u64,
    /// Somebody consumed them, from a stream that keeps nothing longer.
    pub consumed: u64,
    /// They made way for newer ones.
    pub evicted: u64,
}

impl Gone {
    /// The larger of each.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            expired: self.expired.max(other.expired),
            consumed: self.consumed.max(other.consumed),
            evicted: self.evicted.max(other.evicted),
        }
    }

    /// What happened to them, in sentences.
    pub fn remarks(&self) -> Vec<String> {
        let counts = [
            (self.expired, "have expired since they were saved"),
            (self.consumed, "were consumed as soon as they were restored"),
            (self.evicted, "made way for newer ones"),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} messages {what}"))
            .collect()
    }

    /// Finds a reason for each of these.
    pub(super) async fn explain(
        connection: &Connection,
        backup: &StreamBackup,
        plan: &RestorePlan,
        missing: Sequences,
    ) -> Result<Self> {
        let mut gone = Self::default();
        if missing.is_empty() {
            return Ok(gone);
        }
        let facts = Facts::ask(connection, backup, plan).await?;
        let evicted_at_most = facts.evicted_at_most;
        let (archive, wanted) = (backup.archive.clone(), missing.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut messages = Vec::new();
            let read = archive.messages(Some(&wanted), &mut |message| {
                let stored = message.to_stored();
                messages.push((stored.sequence, facts.reason(&stored)));
                Ok(ControlFlow::Continue(()))
            });
            read.map(|()| messages)
        });
        let reasons = ended(reading).await??;
        let (mut unexplained, mut unclear) = (Vec::new(), 0);
        for (sequence, reason) in reasons {
            match reason {
                Some(Reason::Expired) => gone.expired += 1,
                Some(Reason::Consumed) => gone.consumed += 1,
                // Every newer message takes the place of one.
                Some(Reason::Evicted) if gone.evicted < evicted_at_most => gone.evicted += 1,
                Some(Reason::PerhapsConsumed) => unclear += 1,
                Some(Reason::Evicted) | None => unexplained.push(sequence),
            }
        }
        find(connection, &plan.stream, unexplained).await?;
        if unclear > 0 {
            let reason = format!("{unclear} messages are gone that consumers may have consumed");
            return Err(BackupError::not_compared(&plan.stream, reason));
        }
        Ok(gone)
    }
}

/// Looks for messages one by one that a snapshot did not have: it may have lost them.
async fn find(connection: &Connection, stream: &str, sequences: Vec<u64>) -> Result<()> {
    let total = sequences.len();
    let mut stored = std::pin::pin!(read_messages(connection, stream, sequences.clone()));
    let mut at = 0;
    while let Some(found) = stored.next().await {
        match found {
            Ok(_) => at += 1,
            Err(error) if error.is_message_not_found() => {
                return Err(BackupError::Differs {
                    stream: stream.to_owned(),
                    difference: format!(
                        "it lacks message {}, and up to {total} in all",
                        sequences.get(at).copied().unwrap_or_default()
                    ),
                });
            }
            Err(source) => {
                return Err(BackupError::NotCompared {
                    stream: stream.to_owned(),
                    source,
                });
            }
        }
    }
    if total > 0 {
        // They are there, and whether they are what they were was not seen.
        let reason = format!("the server's snapshot left {total} messages out");
        return Err(BackupError::not_compared(stream, reason));
    }
    Ok(())
}

enum Reason {
    Expired,
    Consumed,
    /// A consumer was given it; whether it acknowledged it is not told.
    PerhapsConsumed,
    Evicted,
}

/// What may explain that a message is gone.
struct Facts {
    now_ns: i64,
    max_age_ns: Option<i64>,
    has_ttls: bool,
    /// What each consumer has acknowledged and been given since the restore, where messages go once
    /// they are consumed: after the first, up to the second, up to the third.
    consumed: Vec<(u64, u64, u64)>,
    /// Where the stream begins now.
    first: u64,
    /// Whether it is as full as it may be.
    is_full: bool,
    /// Whether each subject has a limit of its own.
    per_subject: bool,
    /// So many can have made way for newer ones.
    evicted_at_most: u64,
}

impl Facts {
    async fn ask(
        connection: &Connection,
        backup: &StreamBackup,
        plan: &RestorePlan,
    ) -> Result<Self> {
        let failed = |source| BackupError::NotCompared {
            stream: plan.stream.clone(),
            source,
        };
        let mut consumed = Vec::new();
        if !plan.keeps_what_is_consumed() {
            let consumers = connection
                .list_consumers(&plan.stream)
                .await
                .map_err(failed)?;
            for info in consumers.infos {
                let restored = plan.consumers.iter().find(|one| one.name == info.name);
                let from = restored.map_or(0, |one| one.state.ack_floor.stream);
                consumed.push((from, info.ack_floor.stream, info.delivered.stream));
            }
        }
        let info = connection.stream_info(&plan.stream).await.map_err(failed)?;
        let state = info.state;
        let newer = state.last_seq.saturating_sub(backup.last_sequence());
        let reaches = |field: &str, held: u64| plan.limit(field).is_some_and(|limit| held >= limit);
        // The next message would not have fitted any more.
        let average = state.bytes / state.messages.max(1);
        let full_of_bytes = reaches("max_bytes", state.bytes + 2 * average);
        let now_ns = OffsetDateTime::now_utc().unix_timestamp_nanos();
        Ok(Self {
            now_ns: i64::try_from(now_ns).unwrap_or(i64::MAX),
            max_age_ns: plan
                .limit("max_age")
                .and_then(|age| i64::try_from(age).ok()),
            has_ttls: plan.has_ttls(),
            consumed,
            first: state.first_seq,
            is_full: newer > 0 && (reaches("max_msgs", state.messages) || full_of_bytes),
            per_subject: newer > 0 && plan.limit("max_msgs_per_subject").is_some(),
            // A large one may take the place of several.
            evicted_at_most: if full_of_bytes { u64::MAX } else { newer },
        })
    }

    fn reason(&self, message: &StoredMessage) -> Option<Reason> {
        let lives_ns = [self.max_age_ns, self.own_ttl_ns(message)];
        let latest = i64::try_from(CLOCKS_DIFFER.as_nanos()).unwrap_or(0) + self.now_ns;
        let is_over = |lives: &i64| message.time_ns.saturating_add(*lives) <= latest;
        if lives_ns.iter().flatten().any(is_over) {
            Some(Reason::Expired)
        } else if self
            .consumed
            .iter()
            .any(|(from, acknowledged, _)| (from + 1..=*acknowledged).contains(&message.sequence))
        {
            Some(Reason::Consumed)
        } else if self.per_subject || (self.is_full && message.sequence < self.first) {
            Some(Reason::Evicted)
        } else if self
            .consumed
            .iter()
            .any(|(from, _, delivered)| (from + 1..=*delivered).contains(&message.sequence))
        {
            Some(Reason::PerhapsConsumed)
        } else {
            None
        }
    }

    /// How long a message may live by its own header: a number of seconds, or a duration.
    fn own_ttl_ns(&self, message: &StoredMessage) -> Option<i64> {
        if !self.has_ttls {
            return None;
        }
        let headers = std::str::from_utf8(&message.headers).ok()?;
        let value = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(TTL_HEADER).then(|| value.trim())
        })?;
        let ttl = match value.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => humantime::parse_duration(value).ok()?,
        };
        i64::try_from(ttl.as_nanos()).ok()
    }
}
