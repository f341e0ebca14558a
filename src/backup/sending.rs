//! Sending a stream: in chunks, and answered with what the server then has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lifeboat_harness::wait::pause_for;

use super::Progress;
use super::error::{BackupError, Result};
use super::outgoing::Outgoing;
use super::plan::RestorePlan;
use super::source::StreamBackup;
use crate::jetstream::{RequestError, RestoreTransfer, StreamInfo};

/// While a server loads what it was sent, that is told so often.
const STILL_LOADING_EVERY: Duration = Duration::from_secs(15);
/// JetStream's error numbers for a name in use: when a restore begins, and at its end when somebody
/// took the name meanwhile.
const NAME_IN_USE: [u32; 2] = [10130, 10058];

/// Sends the archive, several chunks under way at once.
pub(super) async fn send(
    plan: &RestorePlan,
    outgoing: Outgoing,
    transfer: &mut RestoreTransfer,
    progress: &dyn Progress,
) -> Result<StreamInfo> {
    let sending = |error| refused(&plan.stream, "sending", error);
    progress.phase("sending", outgoing.total);
    let chunk_bytes = Arc::new(AtomicUsize::new(transfer.chunk_bytes()));
    let mut chunks = outgoing.begin(Arc::clone(&chunk_bytes));
    let mut sent = 0;
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk.map_err(|source| BackupError::Io {
            what: String::from("reading the backup"),
            source,
        })?;
        sent += chunk.len() as u64;
        transfer.send(chunk).await.map_err(sending)?;
        chunk_bytes.store(transfer.chunk_bytes(), Ordering::Relaxed);
        progress.done(sent);
    }
    progress.phase("loading", None);
    let finishing = async {
        let loaded = transfer.finish();
        let mut loaded = std::pin::pin!(loaded);
        let began = Instant::now();
        loop {
            tokio::select! {
                done = &mut loaded => return done,
                () = pause_for(STILL_LOADING_EVERY) => progress.note(&format!(
                    "{}: the server has everything, and has not answered for {:.0?}: it is loading, or a \
                     replica's node is down",
                    plan.stream,
                    began.elapsed()
                )),
            }
        }
    };
    finishing.await.map_err(sending)
}

/// Tells a name that is taken from everything else the server may say.
pub(super) fn refused(stream: &str, doing: &str, error: RequestError) -> BackupError {
    if error
        .err_code()
        .is_some_and(|code| NAME_IN_USE.contains(&code))
    {
        BackupError::StreamExists {
            stream: stream.to_owned(),
        }
    } else {
        BackupError::request(format!("{doing} {stream}"))(error)
    }
}

/// What the server says it has, at the moment it has it. Its last sequence may be the archive's
/// or that of the archive's index, which older servers ignore; and somebody may have published
/// already, which adds as many messages as sequences.
pub(super) fn compare_state(
    backup: &StreamBackup,
    plan: &RestorePlan,
    restored: &StreamInfo,
) -> Result<()> {
    let survey = &backup.survey;
    let messages = survey.live.len();
    let (first, last) = (survey.last_sequence, survey.indexed_sequence);
    let found = &restored.state;
    let is_so = match found.messages.checked_sub(messages) {
        Some(newer) => {
            (first.saturating_add(newer)..=last.saturating_add(newer)).contains(&found.last_seq)
        }
        // Some may be gone again; which ones, and why, the comparison tells.
        None => false,
    };
    let forgets = plan.forgets() || (plan.has_limits() && found.last_seq > last);
    if is_so || (forgets && found.last_seq >= first.min(last)) {
        return Ok(());
    }
    Err(BackupError::Differs {
        stream: plan.stream.clone(),
        difference: format!(
            "it holds {} messages up to sequence {}, the backup {messages} up to {first}",
            found.messages, found.last_seq
        ),
    })
}
