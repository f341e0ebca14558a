//! Who is told what an archive holds while it is walked through, whichever form it has.

use serde_json::{Map, Value};

use super::block::Index;
use super::consumer::Consumer;
use super::defect::{Defect, Level};
use super::error::{ArchiveError, Result};
use super::message::Message;
use super::stream_state::StreamState;

/// What the archive says of the stream itself.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamMeta {
    /// Its name.
    pub name: String,
    /// Its configuration, as the server writes it.
    pub config: Map<String, Value>,
    /// When it was created, RFC 3339.
    pub created: Option<String>,
}

/// Why a walk ended before the end.
#[derive(Debug)]
pub(super) enum Halt {
    /// Something went wrong.
    Error(ArchiveError),
    /// The visitor has seen enough.
    Enough,
}

impl From<ArchiveError> for Halt {
    fn from(error: ArchiveError) -> Self {
        Self::Error(error)
    }
}

/// The outcome of a walk, or of a step of it.
pub(super) type Walked = Result<(), Halt>;

/// Having seen enough is no error.
pub(super) fn ended(walked: Walked) -> Result<()> {
    match walked {
        Ok(()) | Err(Halt::Enough) => Ok(()),
        Err(Halt::Error(error)) => Err(error),
    }
}

/// Is told what there is, in the order of the archive. What it does not care for passes it by.
pub(super) trait Visitor {
    /// How deep to check.
    fn level(&self) -> Level {
        Level::Content
    }

    /// Something is wrong. Whoever can't live with it says so.
    fn defect(&mut self, defect: Defect) -> Walked;

    /// The stream's own metadata; message archives have none.
    fn stream(&mut self, _meta: StreamMeta) -> Walked {
        Ok(())
    }

    /// The stream's state; block archives have none.
    fn state(&mut self, _state: StreamState) -> Walked {
        Ok(())
    }

    /// A block begins.
    fn block(&mut self, _number: u64) -> Walked {
        Ok(())
    }

    /// A block ends, with this hash of its last record.
    fn block_ends(&mut self, _last_hash: [u8; 8]) -> Walked {
        Ok(())
    }

    /// A message, which may have been deleted all the same: see `index` and `tombstone`.
    fn message(&mut self, _message: &Message<'_>) -> Walked {
        Ok(())
    }

    /// A sequence that holds no message any more.
    fn erased(&mut self, _sequence: u64) -> Walked {
        Ok(())
    }

    /// A sequence that was deleted, wherever its message is.
    fn tombstone(&mut self, _sequence: u64) -> Walked {
        Ok(())
    }

    /// What the index knows.
    fn index(&mut self, _index: Index) -> Walked {
        Ok(())
    }

    /// A consumer.
    fn consumer(&mut self, _consumer: Consumer) -> Walked {
        Ok(())
    }
}
