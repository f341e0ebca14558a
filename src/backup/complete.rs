//! Whether an archive holds all that its stream has: what it lacks must be gone from the stream too.
//!
//! Servers to 2.14 lose messages that are alive when others are evicted or purged while a snapshot
//! is made, say nothing, and restore what is left without a word (`filestore.go`, the loop over
//! `fs.blks` in `streamSnapshot`). So does a server of 2.15 with a record that it can't read.

use super::error::{BackupError, Result};
use crate::archive::{Sequences, Survey};
use crate::jetstream::{Connection, StreamState};

/// Compares an archive with the stream, and returns how many messages were removed from both
/// while the backup was made.
pub(super) async fn check(
    connection: &Connection,
    stream: &str,
    before: &StreamState,
    survey: &Survey,
) -> Result<u64> {
    // What was published since then may be in a tar as well, and counts for nothing here. What
    // will be evicted for newer messages is there.
    let held = [&survey.live, &survey.evicted];
    let found: u64 = held.iter().map(|set| set.count_to(before.last_seq)).sum();
    let Some(lacking) = before
        .messages
        .checked_sub(found)
        .filter(|count| *count > 0)
    else {
        return Ok(0);
    };
    let asking = || BackupError::request(format!("looking at stream {stream} again"));
    let gone: Sequences = connection
        .deleted_sequences(stream)
        .await
        .map_err(asking())?
        .into_iter()
        .collect();
    // Asked after what is deleted: what the head lost in between is not counted twice.
    let now = connection.stream_info(stream).await.map_err(asking())?;
    let first = before.first_seq.max(now.state.first_seq).max(1);
    let lost = if now.state.messages == 0 || first > before.last_seq {
        Sequences::default()
    } else {
        Sequences::between_without(first, before.last_seq, &[held[0], held[1], &gone])
    };
    match lost.first() {
        None => Ok(lacking),
        Some(first) => Err(BackupError::Lost {
            stream: stream.to_owned(),
            lost: lost.len(),
            first,
        }),
    }
}
