//! Two archives side by side: one as it arrives from a server, one that is read from disk, message by
//! message and neither of them held.

use std::sync::mpsc::{self as threads, Receiver};

use super::error::Result;
use super::receive::Arriving;
use crate::archive::{self, Archive, Level, Message, Sequences, Survey};
use crate::offline::message_digest;

/// Digests are handed over in batches.
const BATCH: usize = 512;
/// So many batches are read ahead.
const BATCHES_AHEAD: usize = 16;

/// A message's sequence, and a digest of everything that belongs to it.
type Sum = (u64, [u64; 4]);

/// What a comparison of a leader's snapshot with an archive found.
pub(super) struct Outcome {
    /// Messages of the archive that are not in the snapshot, or not alive in it.
    pub(super) missing: Sequences,
    /// The first that is another one.
    pub(super) different: Option<u64>,
}

/// A snapshot against an archive.
pub(super) struct Comparison {
    expected: Receiver<archive::Result<Vec<Sum>>>,
    live: Sequences,
    batch: std::vec::IntoIter<Sum>,
    /// The next that is expected.
    next: Option<Sum>,
    failure: Option<archive::ArchiveError>,
    missing: Vec<u64>,
    different: Option<u64>,
}

impl Comparison {
    pub(super) fn of(archive: &Archive, live: Sequences) -> Self {
        let (send, expected) = threads::sync_channel(BATCHES_AHEAD);
        let (archive, wanted) = (archive.clone(), live.clone());
        std::thread::spawn(move || {
            let mut batch = Vec::with_capacity(BATCH);
            let read = archive.messages(Some(&wanted), &mut |message| {
                batch.push((message.sequence, message_digest(message)));
                if batch.len() == BATCH && send.send(Ok(std::mem::take(&mut batch))).is_err() {
                    // Nobody compares any further.
                    return Ok(std::ops::ControlFlow::Break(()));
                }
                Ok(std::ops::ControlFlow::Continue(()))
            });
            let _unheard = send.send(read.map(|()| batch));
        });
        Self {
            expected,
            live,
            batch: Vec::new().into_iter(),
            next: None,
            failure: None,
            missing: Vec::new(),
            different: None,
        }
    }

    /// Compares everything that arrives.
    pub(super) fn run(mut self, input: Arriving) -> Result<Outcome> {
        self.advance();
        let mut see = |message: &Message<'_>| self.see(message);
        let found = Archive::survey_arriving(input, Level::Content, None, &mut see)?;
        while let Some((sequence, _)) = self.next {
            self.missing.push(sequence);
            self.advance();
        }
        if let Some(error) = self.failure {
            return Err(error.into());
        }
        found.check()?;
        let mut missing: Sequences = self.missing.into_iter().collect();
        missing.extend(&Self::dead(&self.live, &found));
        Ok(Outcome {
            missing,
            different: self.different,
        })
    }

    /// Messages that are in the snapshot, and not alive in it.
    fn dead(live: &Sequences, found: &Survey) -> Sequences {
        match (live.first(), live.last()) {
            (Some(first), Some(last)) if found.is_exact => {
                let mut dead = Sequences::between_without(first, last, &[&found.live]);
                dead.keep_only(live);
                dead
            }
            _ => Sequences::default(),
        }
    }

    fn advance(&mut self) {
        loop {
            if let Some(next) = self.batch.next() {
                self.next = Some(next);
                return;
            }
            match self.expected.recv() {
                Ok(Ok(batch)) => self.batch = batch.into_iter(),
                Ok(Err(error)) => {
                    self.failure = Some(error);
                    self.next = None;
                    return;
                }
                Err(_) => {
                    self.next = None;
                    return;
                }
            }
        }
    }

    fn see(&mut self, message: &Message<'_>) {
        if !self.live.contains(message.sequence) {
            // Deleted, or published since.
            return;
        }
        while let Some((sequence, digest)) = self.next {
            if sequence > message.sequence {
                return;
            }
            if sequence == message.sequence {
                if digest != message_digest(message) {
                    self.different.get_or_insert(sequence);
                }
                self.advance();
                return;
            }
            self.missing.push(sequence);
            self.advance();
        }
    }
}
