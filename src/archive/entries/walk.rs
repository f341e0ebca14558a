//! Walks through the entries of a message archive.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::consumer::{Consumer, ConsumerMemory, ConsumerState, is_name};
use super::super::defect::{Defect, Kind};
use super::super::message::{LAST_SEQUENCE, Message};
use super::super::packing::Unpacked;
use super::super::stream_state::StreamState;
use super::super::visitor::{Halt, Visitor, Walked};
use super::entry::{self, CONSUMERS, Entry, STATE, Stop, WHAT};

/// A consumer's entry (`SnapshotConsumerState` in `stream_backup.go`).
#[derive(Deserialize)]
struct WrittenConsumer {
    config: Option<Map<String, Value>>,
    state: Option<ConsumerState>,
}

/// Walks through everything after the magic.
pub(in super::super) fn walk(input: &mut Unpacked, visitor: &mut dyn Visitor) -> Walked {
    let mut walk = Walk {
        visitor,
        expected_consumers: 0,
        last_sequence: 0,
        entries: 0,
        consumer_memory: ConsumerMemory::default(),
    };
    let mut content = Vec::new();
    loop {
        let read = entry::read(input, &mut content);
        for defect in input.take_defects() {
            walk.visitor.defect(defect)?;
        }
        let head = match read {
            Ok(head) => head,
            Err(Stop::Unreadable(defect)) => return walk.visitor.defect(defect),
            Err(Stop::Failed(error)) => return Err(Halt::Error(error)),
        };
        if head.is_end() {
            return walk.end(input);
        }
        walk.entry(&Entry::of(head, &content))?;
    }
}

struct Walk<'a> {
    visitor: &'a mut dyn Visitor,
    /// Consumers that the state counts and that have not come yet.
    expected_consumers: u64,
    last_sequence: u64,
    entries: u64,
    consumer_memory: ConsumerMemory,
}

impl Walk<'_> {
    fn found(&mut self, kind: Kind, place: &str, detail: impl Into<String>) -> Walked {
        self.visitor.defect(Defect::new(kind, place, detail))
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Walked {
        self.entries += 1;
        if self.entries == 1 {
            return self.state(entry);
        }
        if entry.sequence > 0 {
            return self.message(entry);
        }
        let name = String::from_utf8_lossy(entry.name);
        match name.strip_prefix(CONSUMERS) {
            Some(name) => self.consumer(name, entry),
            None => {
                let detail = format!("an entry `{}` without a sequence", name.escape_default());
                self.found(Kind::UnexpectedFile, WHAT, detail)?;
                self.found(
                    Kind::Metadata,
                    WHAT,
                    "servers stop at an entry they do not know",
                )
            }
        }
    }

    fn state(&mut self, entry: &Entry<'_>) -> Walked {
        let name = String::from_utf8_lossy(entry.name);
        if name != STATE {
            let detail = format!("it begins with `{}`, not {STATE}", name.escape_default());
            return self.found(Kind::Metadata, WHAT, detail);
        }
        match serde_json::from_slice::<StreamState>(entry.payload) {
            Ok(state) if state.last_seq > LAST_SEQUENCE => {
                let detail = format!("sequence {} is beyond what servers store", state.last_seq);
                self.found(Kind::TooLarge, STATE, detail)
            }
            Ok(state) => {
                self.expected_consumers = state.consumer_count;
                self.visitor.state(state)
            }
            Err(error) => self.found(Kind::Metadata, STATE, error.to_string()),
        }
    }

    fn consumer(&mut self, name: &str, entry: &Entry<'_>) -> Walked {
        let place = format!("consumer {}", name.escape_default());
        if !is_name(name) {
            return self.found(Kind::Metadata, &place, "that is no consumer's name");
        }
        if self.expected_consumers == 0 {
            let detail = "the state does not count it, so servers take it for a message";
            self.found(Kind::Count, &place, detail)?;
        }
        self.expected_consumers = self.expected_consumers.saturating_sub(1);
        let (config, state) = match serde_json::from_slice::<WrittenConsumer>(entry.payload) {
            Ok(WrittenConsumer {
                config: Some(config),
                state: Some(state),
            }) => (config, state),
            Ok(_) => {
                let detail = "it has no configuration, or no state";
                return self.found(Kind::Metadata, &place, detail);
            }
            Err(error) => return self.found(Kind::Metadata, &place, error.to_string()),
        };
        self.consumer_memory.take(entry.payload.len())?;
        self.visitor.consumer(Consumer {
            name: name.to_owned(),
            config,
            created: None,
            state,
        })
    }

    fn message(&mut self, entry: &Entry<'_>) -> Walked {
        self.count_consumers()?;
        let (sequence, last) = (entry.sequence, self.last_sequence);
        if sequence <= last {
            let detail = format!("sequence {sequence} comes after {last}");
            return self.found(Kind::SequenceOrder, WHAT, detail);
        }
        if sequence > LAST_SEQUENCE {
            let detail = format!("sequence {sequence} is beyond what servers store");
            return self.found(Kind::TooLarge, WHAT, detail);
        }
        self.last_sequence = sequence;
        self.visitor.message(&Message {
            sequence,
            subject: entry.name,
            headers: entry.headers,
            payload: entry.payload,
            time_ns: entry.time_ns,
        })
    }

    /// All consumers come before the first message.
    fn count_consumers(&mut self) -> Walked {
        let missing = std::mem::take(&mut self.expected_consumers);
        if missing == 0 {
            return Ok(());
        }
        let detail =
            format!("{missing} of the consumers that it counts do not come before the messages");
        self.found(Kind::Count, STATE, detail)
    }

    fn end(&mut self, input: &mut Unpacked) -> Walked {
        if self.entries == 0 {
            self.found(Kind::Metadata, WHAT, "it has no state.json")?;
        }
        self.count_consumers()?;
        if !input.fill()?.is_empty() {
            self.found(
                Kind::AfterTheEnd,
                WHAT,
                "something follows its closing entry",
            )?;
        }
        for defect in input.take_defects() {
            self.visitor.defect(defect)?;
        }
        Ok(())
    }
}
