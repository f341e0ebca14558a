//! Consumers that an archive does not hold as they were, saved beside it from what the server told
//! of them: their configuration, what they delivered, and their ack floor.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::archive::{Consumer, ConsumerState};
use crate::model::{ConsumerPosition, SequencePair};

/// Why a consumer was saved beside the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The archive does not have it: servers to 2.14 leave out what the stream's leader does not
    /// keep in files itself, and those of 2.15 save no consumer where nobody leads one of them.
    LeftOut,
    /// The archive has it further back: clusters of 2.15 save a consumer at its ack floor when
    /// acknowledgements are outstanding.
    RolledBack,
    /// The archive has it beyond the last message, for it was saved later.
    Ahead,
}

/// A consumer as its leader told it before the messages were saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedConsumer {
    /// Its name.
    pub name: String,
    /// Why it is here.
    pub why: Why,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// Its configuration, as the server gave it.
    pub config: Map<String, Value>,
    /// The last message it had delivered.
    pub delivered: SequencePair,
    /// Everything up to here was acknowledged.
    pub ack_floor: SequencePair,
    /// So many messages waited for an acknowledgement; which ones is not told.
    pub num_ack_pending: u64,
}

impl SavedConsumer {
    /// The consumer to be restored into a stream that ends at `last_sequence`. Which messages
    /// wait for an acknowledgement is not known, so that everything after the ack floor is
    /// delivered again: rather twice than never.
    pub fn to_consumer(&self, last_sequence: u64) -> Consumer {
        let mut place = if self.num_ack_pending == 0 {
            self.delivered
        } else {
            self.ack_floor
        };
        place.stream = place.stream.min(last_sequence);
        Consumer {
            name: self.name.clone(),
            config: self.config.clone(),
            created: self.created.clone(),
            state: ConsumerState {
                delivered: place,
                ack_floor: place,
                ..ConsumerState::default()
            },
        }
    }

    /// How defects name it.
    pub(super) fn place(&self) -> String {
        format!("consumer {}", self.name)
    }

    /// Puts it where it belongs among an archive's consumers.
    pub(crate) fn take_place(&self, consumers: &mut Vec<Consumer>, last_sequence: u64) {
        let own = self.to_consumer(last_sequence);
        self.take_place_of(consumers, own, |one| &one.name);
    }

    /// Puts where it will stand after a restore among where an archive's consumers will.
    pub(crate) fn take_position(&self, consumers: &mut Vec<ConsumerPosition>, last_sequence: u64) {
        let own = self.to_consumer(last_sequence).position();
        self.take_place_of(consumers, own, |one| &one.name);
    }

    fn take_place_of<T>(&self, archived: &mut Vec<T>, own: T, name: impl Fn(&T) -> &str) {
        let same = archived.iter_mut().find(|one| name(one) == self.name);
        match (self.why, same) {
            (Why::Ahead, Some(same)) => *same = own,
            (Why::LeftOut, None) => archived.push(own),
            // The archive has it at its ack floor, as it is to be.
            (Why::RolledBack | Why::LeftOut, _) | (Why::Ahead, None) => {}
        }
    }

    /// Whether something is missing no longer once it has taken its place.
    pub(crate) fn mends(&self, lack: &str) -> bool {
        let is_of_it = lack.starts_with(&format!("{}:", self.place()));
        self.why != Why::RolledBack && (is_of_it || lack.ends_with(&self.explanation()))
    }

    /// What happened to each of the consumers that an archive does not have.
    pub(crate) fn explain_missing(missing: &[String], saved: &[Self]) -> Vec<String> {
        let saved_as = |name: &String| saved.iter().find(|one| one.name == *name);
        // What nobody saved comes first.
        let gone = missing.iter().filter(|name| saved_as(name).is_none());
        let gone =
            gone.map(|name| format!("consumer {name} has no leader, and is not in the archive"));
        let kept = missing.iter().filter_map(saved_as).map(Self::explanation);
        gone.chain(kept).collect()
    }

    /// What happened to it, and what that means, in a sentence.
    pub fn explanation(&self) -> String {
        let name = &self.name;
        match self.why {
            Why::LeftOut => format!(
                "consumer {name} was left out of the archive; it was saved beside it, at {}",
                self.ack_floor.stream
            ),
            Why::RolledBack => format!(
                "consumer {name} had delivered up to {} and is in the archive at its ack floor {}: \
                 what is in between will be delivered again",
                self.delivered.stream, self.ack_floor.stream
            ),
            Why::Ahead => format!(
                "consumer {name} went on while the backup was made; it was saved beside the \
                 archive, at {}",
                self.ack_floor.stream
            ),
        }
    }
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<(Vec<SavedConsumer>, Vec<u8>), String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let saved = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    Ok((saved, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64) -> SequencePair {
        SequencePair {
            consumer: sequence,
            stream: sequence,
        }
    }

    /// What a restore gives is told as a restore gives it.
    #[test]
    fn positions_are_those_of_the_consumers_that_are_restored() {
        let told = |why| SavedConsumer {
            name: String::from("worker"),
            why,
            created: None,
            config: Map::new(),
            delivered: at(1600),
            ack_floor: at(1500),
            num_ack_pending: 100,
        };
        // The archive is of a moment later.
        let archived = SavedConsumer {
            ack_floor: at(1528),
            ..told(Why::RolledBack)
        };
        for (why, is_archived, floor) in [
            (Why::RolledBack, true, 1528),
            (Why::Ahead, true, 1500),
            (Why::LeftOut, true, 1528),
            (Why::LeftOut, false, 1500),
        ] {
            let archive = archived.to_consumer(2000);
            let mut consumers: Vec<_> = is_archived.then_some(archive).into_iter().collect();
            let mut positions: Vec<_> = consumers.iter().map(Consumer::position).collect();
            told(why).take_place(&mut consumers, 2000);
            told(why).take_position(&mut positions, 2000);
            let stand: Vec<_> = consumers.iter().map(Consumer::position).collect();
            assert_eq!(positions, stand, "{why:?}");
            assert_eq!(positions[0].ack_floor.stream, floor, "{why:?}");
        }
    }
}
