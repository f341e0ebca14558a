//! A stream's limits, applied to what its blocks hold when no index tells what they evicted.
//!
//! Evicted messages leave no trace in a block. A server that finds no index, or one that was not
//! written together with the last block, takes every record for a message, and then applies the
//! limits in this order: messages, bytes, messages per subject (`newFileStoreWithCreated` in
//! `filestore.go`). What is too old expires as time goes by, and is left to that.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::ops::ControlFlow;

use serde_json::{Map, Value};

use super::error::{ArchiveError, Result};
use super::message::Message;
use super::open::Archive;
use super::sequences::Sequences;
use super::survey::Survey;

/// So many subjects are counted, which takes some 500 MiB.
const MOST_SUBJECTS: usize = 16 << 20;

/// The limits that evict messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Limits {
    messages: Option<u64>,
    bytes: Option<u64>,
    per_subject: Option<u64>,
}

impl Limits {
    fn of(config: &Map<String, Value>) -> Self {
        // Zero and less mean that there is no limit.
        let limit = |key: &str| {
            config
                .get(key)?
                .as_i64()?
                .try_into()
                .ok()
                .filter(|limit| *limit > 0)
        };
        // A stream that refuses what is too much evicts nothing when it starts.
        let evicts = config.get("discard").is_none_or(|discard| discard != "new");
        Self {
            messages: limit("max_msgs").filter(|_| evicts),
            bytes: limit("max_bytes").filter(|_| evicts),
            per_subject: limit("max_msgs_per_subject"),
        }
    }
}

/// Takes out of a survey what servers would evict.
pub(super) fn apply(archive: &Archive, survey: &mut Survey) -> Result<()> {
    let Some(meta) = &survey.meta else {
        return Ok(());
    };
    let limits = Limits::of(&meta.config);
    let before = survey.live.clone();
    let had = before.len();
    if let Some(most) = limits.messages {
        drop_first(&mut survey.live, had.saturating_sub(most));
    }
    if let Some(most) = limits.bytes {
        drop_bytes(archive, &mut survey.live, most)?;
    }
    if let Some(most) = limits.per_subject {
        drop_per_subject(archive, &mut survey.live, most)?;
    }
    if survey.live.len() != had {
        survey.sums = None;
        survey.evicted = before;
        survey.evicted.subtract(&survey.live);
    }
    Ok(())
}

fn drop_first(live: &mut Sequences, count: u64) {
    let mut dropped = 0;
    live.retain(|_| {
        dropped += 1;
        dropped > count
    });
}

/// Calls for every live message that can be read.
fn each(
    archive: &Archive,
    live: &Sequences,
    see: &mut dyn FnMut(&Message<'_>) -> Result<()>,
) -> Result<()> {
    archive.readable_messages(live, &mut |message| {
        see(message)?;
        Ok(ControlFlow::Continue(()))
    })
}

fn drop_bytes(archive: &Archive, live: &mut Sequences, most: u64) -> Result<()> {
    let mut total = 0;
    each(archive, live, &mut |message| {
        total += message.stored_bytes();
        Ok(())
    })?;
    let (mut dropped, mut excess) = (0, total.saturating_sub(most));
    if excess == 0 {
        return Ok(());
    }
    each(archive, live, &mut |message| {
        if excess > 0 {
            excess = excess.saturating_sub(message.stored_bytes());
            dropped += 1;
        }
        Ok(())
    })?;
    drop_first(live, dropped);
    Ok(())
}

fn drop_per_subject(archive: &Archive, live: &mut Sequences, most: u64) -> Result<()> {
    let state = RandomState::new();
    let mut counts = HashMap::<u64, u64>::new();
    each(archive, live, &mut |message| {
        *counts.entry(state.hash_one(message.subject)).or_default() += 1;
        if counts.len() > MOST_SUBJECTS {
            let detail = "it has no index, and more subjects than can be counted";
            return Err(ArchiveError::unsupported("this archive", detail));
        }
        Ok(())
    })?;
    if counts.values().all(|count| *count <= most) {
        return Ok(());
    }
    let mut evicted = Sequences::default();
    each(archive, live, &mut |message| {
        if let Some(left) = counts.get_mut(&state.hash_one(message.subject))
            && *left > most
        {
            *left -= 1;
            evicted.insert(message.sequence);
        }
        Ok(())
    })?;
    live.subtract(&evicted);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stream_that_refuses_what_is_too_much_evicts_only_by_subject() {
        let limits = |discard: &str| {
            let config = json!({
                "discard": discard, "max_msgs": 5, "max_bytes": -1, "max_msgs_per_subject": 2,
            });
            Limits::of(config.as_object().unwrap())
        };
        let (old, new) = (limits("old"), limits("new"));
        assert_eq!(
            (old.messages, old.bytes, old.per_subject),
            (Some(5), None, Some(2))
        );
        assert_eq!(
            (new.messages, new.bytes, new.per_subject),
            (None, None, Some(2))
        );
    }
}
