//! A survey that shows every message on the way, so that both take one reading.

use super::block::Index;
use super::consumer::Consumer;
use super::defect::{Defect, Level};
use super::message::Message;
use super::stream_state::StreamState;
use super::survey::Surveyor;
use super::visitor::{StreamMeta, Visitor, Walked};

/// Surveys, and shows messages: those that are deleted later too.
pub(super) struct Seeing<'a> {
    pub(super) surveyor: Surveyor,
    pub(super) see: &'a mut dyn FnMut(&Message<'_>),
}

impl Visitor for Seeing<'_> {
    fn level(&self) -> Level {
        self.surveyor.level()
    }

    fn defect(&mut self, defect: Defect) -> Walked {
        self.surveyor.defect(defect)
    }

    fn stream(&mut self, meta: StreamMeta) -> Walked {
        self.surveyor.stream(meta)
    }

    fn state(&mut self, state: StreamState) -> Walked {
        self.surveyor.state(state)
    }

    fn block(&mut self, number: u64) -> Walked {
        self.surveyor.block(number)
    }

    fn block_ends(&mut self, last_hash: [u8; 8]) -> Walked {
        self.surveyor.block_ends(last_hash)
    }

    fn message(&mut self, message: &Message<'_>) -> Walked {
        (self.see)(message);
        self.surveyor.message(message)
    }

    fn erased(&mut self, sequence: u64) -> Walked {
        self.surveyor.erased(sequence)
    }

    fn tombstone(&mut self, sequence: u64) -> Walked {
        self.surveyor.tombstone(sequence)
    }

    fn index(&mut self, index: Index) -> Walked {
        self.surveyor.index(index)
    }

    fn consumer(&mut self, consumer: Consumer) -> Walked {
        self.surveyor.consumer(consumer)
    }
}
