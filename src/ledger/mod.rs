//! What happened in a drill, event by event, on disk as it happens and readable afterwards.

mod event;
mod file;

pub use event::{
    AckOutcome, BucketValue, Event, FaultKind, LossScope, PublishOutcome, Stamped, StepEnd,
};
pub use file::{Ledger, LedgerError, read_ledger};
