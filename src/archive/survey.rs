//! The first reading of an archive: what is in it, what of that is still alive, and what is wrong.
//!
//! Which messages are alive is known only at the end of a block archive: a message may be deleted
//! by a tombstone in a later block, and what limits evicted leaves no trace but in the index, which
//! comes last. So the survey keeps sets of sequences, and content is read again by who needs it.

use std::collections::{BTreeMap, HashSet};

use super::block::Index;
use super::consumer::Consumer;
use super::defect::{Defect, Defects, Kind, Level};
use super::error::{ArchiveError, Result};
use super::figures::{Figures, SubjectCounts, Sums};
use super::form::Form;
use super::message::Message;
use super::packing::Packing;
use super::sequences::{SequenceCollector, Sequences};
use super::stream_state::StreamState;
use super::visitor::{StreamMeta, Visitor, Walked};

/// Consumers are kept in memory; so much of them is.
const MOST_CONSUMERS: usize = 100_000;

/// What an archive holds, in figures.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Survey {
    /// Its generation.
    pub form: Form,
    /// What is wrapped around it.
    pub packing: Packing,
    /// The level of the checks that were made.
    pub level: Level,
    /// The stream's metadata, in a block archive.
    pub meta: Option<StreamMeta>,
    /// The stream's state, in a message archive.
    pub state: Option<StreamState>,
    /// The messages that a server which restores it has.
    pub live: Sequences,
    /// Messages that are there, and that a server would evict at once by the stream's limits.
    pub evicted: Sequences,
    /// Whether it is a store's own directory, in which nothing was written later than the index
    /// alone.
    pub is_store: bool,
    /// The last sequence in it, which a deleted message may have held.
    pub last_sequence: u64,
    /// The last sequence its index speaks of. In a tar the index may be newer than the blocks:
    /// messages published meanwhile are in it and not in them.
    pub indexed_sequence: u64,
    /// How many messages its index counts, whether servers believe it or not.
    pub indexed_messages: Option<u64>,
    /// Whether `live` is known for certain. Without an index that servers believe, they apply the
    /// stream's limits anew to what they find.
    pub is_exact: bool,
    /// The consumers, in the order of the archive.
    pub consumers: Vec<Consumer>,
    /// The messages summed up; none when some of those that were read are deleted, so that they
    /// would have to be read again.
    pub sums: Option<Sums>,
    /// What is wrong.
    pub defects: Defects,
    /// How much there was to read.
    pub figures: Figures,
}

impl Survey {
    /// The sequence of the first message; 0 without messages.
    pub fn first_sequence(&self) -> u64 {
        self.live.first().unwrap_or(0)
    }

    /// Whether nothing in it is damaged.
    ///
    /// # Errors
    /// With the first thing that is.
    pub fn check(&self) -> Result<()> {
        self.defects.check()
    }
}

/// Collects what [`Survey`] tells.
pub(super) struct Surveyor {
    survey: Survey,
    present: SequenceCollector,
    deleted: SequenceCollector,
    /// The last sequence of each block; 0 for one without messages.
    blocks: BTreeMap<u64, u64>,
    consumer_names: HashSet<String>,
    block: u64,
    last_hash: [u8; 8],
    /// Of all messages that were read, those that are deleted too.
    subjects: SubjectCounts,
    index: Option<Index>,
}

impl Surveyor {
    pub(super) fn new(form: Form, packing: Packing, level: Level, is_store: bool) -> Self {
        Self {
            survey: Survey {
                form,
                packing,
                level,
                meta: None,
                state: None,
                live: Sequences::default(),
                evicted: Sequences::default(),
                is_store,
                last_sequence: 0,
                indexed_sequence: 0,
                indexed_messages: None,
                is_exact: false,
                consumers: Vec::new(),
                sums: Some(Sums::default()),
                defects: Defects::default(),
                figures: Figures::default(),
            },
            present: SequenceCollector::default(),
            deleted: SequenceCollector::default(),
            blocks: BTreeMap::new(),
            consumer_names: HashSet::new(),
            block: 0,
            last_hash: [0; 8],
            subjects: SubjectCounts::default(),
            index: None,
        }
    }

    fn found(&mut self, kind: Kind, place: &str, detail: impl Into<String>) {
        self.note(Defect::new(kind, place, detail));
    }

    fn note(&mut self, defect: Defect) {
        if defect.level <= self.survey.level {
            self.survey.defects.push(defect);
        }
    }

    fn too_scattered() -> ArchiveError {
        ArchiveError::unsupported(
            "this archive",
            "its sequences are scattered over more places than those of any real stream",
        )
    }

    /// Draws the conclusions.
    pub(super) fn finish(mut self, bytes: u64) -> Survey {
        self.survey.figures.bytes = bytes;
        let present = std::mem::take(&mut self.present).finish();
        let mut live = present.clone();
        live.subtract(&std::mem::take(&mut self.deleted).finish());
        self.survey.indexed_sequence = self.survey.last_sequence;
        self.survey.is_exact = self.survey.form == Form::Message;
        if let Some(index) = self.index.take() {
            self.apply(&index, &present, &mut live);
        }
        if live.len() != self.survey.figures.messages {
            self.survey.sums = None;
        }
        self.survey.live = live;
        if let Some(state) = self.survey.state.clone() {
            self.compare_with_state(&state);
        }
        let (last, known) = (self.survey.last_sequence, self.survey.indexed_sequence);
        for consumer in std::mem::take(&mut self.survey.consumers) {
            for defect in consumer.check(last, known) {
                self.note(defect);
            }
            self.survey.consumers.push(consumer);
        }
        self.survey
    }

    /// Whether the index was written together with the last block: then servers believe it.
    fn is_believed(&self, index: &Index) -> bool {
        self.blocks.keys().next_back() == Some(&index.last_block)
            && (self.last_hash == index.last_hash || self.last_hash == [0; 8])
    }

    /// Looks for lengths that are damaged, which the hashes of records do not cover.
    fn look_at_lengths(&mut self, message: &Message<'_>) {
        let sequence = message.sequence;
        let mut found = |kind, detail| {
            let place = match self.survey.form {
                Form::Tar => format!("block {}", self.block),
                Form::Message => String::from("the message archive"),
            };
            self.found(kind, &place, detail);
        };
        if message.has_odd_headers() {
            let detail = format!(
                "the headers of sequence {sequence} do not look like any: a client sent them so, or \
                 their length is damaged"
            );
            found(Kind::OddHeaders, detail);
        }
        if message.has_odd_subject() {
            let subject = message.subject_text();
            let detail = format!(
                "the subject of sequence {sequence}, {subject:?}, is none that NATS clients can publish to: \
                 a transform or MQTT made it so, or its length is damaged"
            );
            found(Kind::OddSubject, detail);
        }
    }

    /// Looks for what the index knows and is not there; takes out what it knows to be gone, when
    /// servers do so as well, and compares its counts.
    fn apply(&mut self, index: &Index, present: &Sequences, live: &mut Sequences) {
        const PLACE: &str = "index.db";
        self.survey.indexed_sequence = index.last_sequence.max(self.survey.last_sequence);
        self.survey.indexed_messages = Some(index.messages);
        self.find_absent(index, present);
        if !self.is_believed(index) {
            let detail = "it was not written together with the last block: servers rebuild it from the blocks";
            self.found(Kind::IndexDiffers, PLACE, detail);
            return;
        }
        self.survey.is_exact = true;
        let mut ends = self.blocks.iter().peekable();
        live.retain(|sequence| {
            while ends.next_if(|(_, last)| **last < sequence).is_some() {}
            let block = ends.peek().map_or(0, |(number, _)| **number);
            index.holds(block, sequence)
        });
        let (held, counted) = (live.len(), index.messages);
        if held < counted {
            let detail = format!("it counts {counted} messages, the blocks hold {held} of them");
            self.found(Kind::FewerMessages, PLACE, detail);
        } else if held > counted {
            let detail = format!("it counts {counted} messages, the blocks hold {held}");
            self.found(Kind::Count, PLACE, detail);
        } else if held == self.survey.figures.messages && self.subjects != index.subjects {
            let detail = "its messages by subject are not those of the blocks: the length of a subject is \
                          damaged, which no hash covers, or the server miscounted";
            self.found(Kind::SubjectsDiffer, PLACE, detail);
        }
        // Later than the last record are sequences that were used and removed again.
        self.survey.last_sequence = self.survey.last_sequence.max(index.last_sequence);
    }

    /// Blocks that the index lists with messages and that are not there, and what is missing in
    /// those that are.
    ///
    /// An index that servers believe knows all of them. Another one is newer than the blocks in a
    /// tar, whose last block and what follows it had less when it was written. In a store it is
    /// older: whole blocks may be gone since then, but the last one only makes way for a later one.
    fn find_absent(&mut self, index: &Index, present: &Sequences) {
        let newest = self.blocks.keys().next_back().copied().unwrap_or(0);
        let is_believed = self.is_believed(index);
        for (number, block) in &index.blocks {
            let place = format!("block {number}");
            let is_known = is_believed
                || if self.survey.is_store {
                    *number > newest
                } else {
                    *number < newest
                };
            if !is_known || block.is_empty() {
                continue;
            }
            let (counted, there) = block.count(present);
            if !self.blocks.contains_key(number) {
                let detail =
                    format!("the index lists it, with {counted} messages, and it is not there");
                self.note(Defect::new(Kind::AbsentBlock, place, detail));
            } else if there < counted {
                let detail =
                    format!("the index counts {counted} messages in it, {there} of them are there");
                self.note(Defect::new(Kind::FewerMessages, place, detail));
            }
        }
    }

    /// Compares a message archive with the state it begins with. Messages that are missing may
    /// have been removed meanwhile, which is left to those who know.
    fn compare_with_state(&mut self, state: &StreamState) {
        const PLACE: &str = "state.json";
        let live = &self.survey.live;
        let (held, counted) = (live.len(), state.messages);
        let (first, last) = (live.first().unwrap_or(0), live.last().unwrap_or(0));
        if held > counted {
            let detail = format!("it counts {counted} messages, {held} are there");
            self.found(Kind::Count, PLACE, detail);
        }
        if held > 0 && (first < state.first_seq || last > state.last_seq) {
            let detail = format!(
                "it speaks of sequences {} to {}, the messages have {first} to {last}",
                state.first_seq, state.last_seq
            );
            self.found(Kind::OutsideTheStream, PLACE, detail);
        }
        self.survey.last_sequence = state.last_seq;
        self.survey.indexed_sequence = state.last_seq;
    }
}

impl Visitor for Surveyor {
    fn level(&self) -> Level {
        self.survey.level
    }

    fn defect(&mut self, defect: Defect) -> Walked {
        self.note(defect);
        Ok(())
    }

    fn stream(&mut self, meta: StreamMeta) -> Walked {
        self.survey.meta = Some(meta);
        Ok(())
    }

    fn state(&mut self, state: StreamState) -> Walked {
        self.survey.state = Some(state);
        Ok(())
    }

    fn block(&mut self, number: u64) -> Walked {
        self.block = number;
        self.survey.figures.blocks += 1;
        self.last_hash = [0; 8];
        self.blocks.entry(number).or_insert(0);
        Ok(())
    }

    fn block_ends(&mut self, last_hash: [u8; 8]) -> Walked {
        self.last_hash = last_hash;
        Ok(())
    }

    fn message(&mut self, message: &Message<'_>) -> Walked {
        let sequence = message.sequence;
        self.look_at_lengths(message);
        self.survey.figures.messages += 1;
        self.subjects.add(message.subject, 1);
        if let Some(sums) = &mut self.survey.sums {
            sums.add(message);
        }
        self.survey.last_sequence = self.survey.last_sequence.max(sequence);
        if let Some(last) = self.blocks.get_mut(&self.block) {
            *last = sequence.max(*last);
        }
        if !self.present.push(sequence) {
            return Err(Self::too_scattered().into());
        }
        Ok(())
    }

    fn erased(&mut self, sequence: u64) -> Walked {
        self.survey.figures.deletions += 1;
        self.survey.last_sequence = self.survey.last_sequence.max(sequence);
        Ok(())
    }

    fn tombstone(&mut self, sequence: u64) -> Walked {
        self.survey.figures.deletions += 1;
        if !self.deleted.push(sequence) {
            return Err(Self::too_scattered().into());
        }
        // Where everything up to the end is gone, tombstones alone tell how far it went.
        self.survey.last_sequence = self.survey.last_sequence.max(sequence);
        Ok(())
    }

    fn index(&mut self, index: Index) -> Walked {
        self.index = Some(index);
        Ok(())
    }

    fn consumer(&mut self, consumer: Consumer) -> Walked {
        if self.survey.consumers.len() >= MOST_CONSUMERS {
            let detail = format!("more than {MOST_CONSUMERS} consumers");
            return Err(ArchiveError::unsupported("this archive", detail).into());
        }
        if !self.consumer_names.insert(consumer.name.clone()) {
            let place = format!("consumer {}", consumer.name);
            self.found(Kind::Duplicate, &place, "it is there twice");
        }
        self.survey.consumers.push(consumer);
        Ok(())
    }
}
