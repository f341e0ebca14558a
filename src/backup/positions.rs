//! The consumers of a restored stream: each must be there, and stand where it stood.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use serde_json::Value;

use super::error::{BackupError, Result};
use super::plan::RestorePlan;
use super::source::StreamBackup;
use crate::archive::{Consumer, Sequences};
use crate::jetstream::Connection;

/// How long restored consumers may take to be seen; some 3 s were measured in clusters.
const CONSUMERS_WITHIN: Duration = Duration::from_secs(30);
/// A consumer that is kept for longer without being used has to be there after a restore, in nanoseconds.
const SOON_NS: i64 = 60_000_000_000;
/// How long they may take to stand where they should: what a cluster tells of them just after a
/// restore is not yet true.
const STANDING_WITHIN: Duration = Duration::from_secs(10);

/// What became of a restored stream's consumers.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// Those that stand elsewhere than they should, in sentences.
    pub(super) elsewhere: Vec<String>,
    /// Those that servers have removed since, as nobody uses them.
    pub(super) removed: Vec<String>,
}

/// Waits until every consumer is there, and tells of those that stand elsewhere than they should.
pub(super) async fn find_consumers(
    connection: &Connection,
    backup: &StreamBackup,
    plan: &RestorePlan,
) -> Result<Found> {
    let stream = &plan.stream;
    let mut found_all = Found::default();
    for expected in &plan.consumers {
        let consumer = connection.consumer(stream, &expected.name);
        let is_missing = AtomicBool::new(false);
        let found = until(CONSUMERS_WITHIN, || async {
            match consumer.position().await {
                Ok(_) => Probe::Ready(()),
                Err(error) => {
                    is_missing.store(error.is_consumer_not_found(), Ordering::Relaxed);
                    Probe::Pending(error.to_string())
                }
            }
        });
        // Servers remove those that nobody uses, soon after they are restored.
        let found = if is_fleeting(expected) {
            if consumer.position().await.is_err() {
                found_all.removed.push(expected.name.clone());
                continue;
            }
            Ok(())
        } else {
            found.await
        };
        if let Err(timed_out) = found {
            let consumer = expected.name.clone();
            return Err(if is_missing.load(Ordering::Relaxed) {
                BackupError::ConsumerMissing {
                    stream: stream.clone(),
                    consumer,
                    last_seen: timed_out.to_string(),
                }
            } else {
                let reason = format!("consumer {consumer} does not answer: {timed_out}");
                BackupError::not_compared(stream, reason)
            });
        }
        let elsewhere = compare(connection, stream, expected, &backup.survey.live).await;
        found_all.elsewhere.extend(elsewhere);
    }
    Ok(found_all)
}

/// Whether servers remove it soon when nobody uses it.
fn is_fleeting(consumer: &Consumer) -> bool {
    let durable = consumer.config.get("durable_name").and_then(Value::as_str);
    let threshold = consumer
        .config
        .get("inactive_threshold")
        .and_then(Value::as_i64);
    match threshold.filter(|threshold| *threshold > 0) {
        Some(threshold) => threshold < SOON_NS,
        // Servers remove those without a name after 5 s.
        None => durable.is_none_or(str::is_empty),
    }
}

/// How a consumer's place differs from where it should be, if it does.
async fn compare(
    connection: &Connection,
    stream: &str,
    expected: &Consumer,
    live: &Sequences,
) -> Option<String> {
    let consumer = connection.consumer(stream, &expected.name);
    let (wanted, name) = (&expected.state, &expected.name);
    // Clients may be at work already: a consumer may be further.
    let settled = until(STANDING_WITHIN, || async {
        match consumer.position().await {
            Ok((found, ..)) => {
                let behind = last_held(live, found.ack_floor.stream)
                    < last_held(live, wanted.ack_floor.stream);
                // A server of 2.15 forgets a consumer of a stream in memory that has acknowledged
                // nothing in order: it begins anew.
                let begins_anew = last_held(live, found.delivered.stream)
                    < last_held(live, wanted.delivered.stream);
                if behind || begins_anew {
                    Probe::Pending(format!(
                        "it has delivered up to {}, its ack floor is {}",
                        found.delivered.stream, found.ack_floor.stream
                    ))
                } else {
                    Probe::Ready(())
                }
            }
            // It was removed since, as nobody uses it.
            Err(error) if error.is_consumer_not_found() && is_fleeting(expected) => {
                Probe::Ready(())
            }
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await;
    settled.err().map(|timed_out| {
        format!(
            "consumer {name} had delivered up to {} and acknowledged up to {}, and will deliver again: {}",
            wanted.delivered.stream, wanted.ack_floor.stream, timed_out.last_seen
        )
    })
}

/// The last message at or before a sequence: servers differ in whether they count what is deleted.
fn last_held(live: &Sequences, sequence: u64) -> u64 {
    live.last_up_to(sequence).unwrap_or(0)
}
