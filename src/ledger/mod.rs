//! What happened in a drill, event by event, on disk as it happens and readable afterwards.

mod bucket;
mod event;
mod fault;
mod file;
mod observation;

pub use bucket::{BucketObject, BucketValue};
pub use event::{AckOutcome, Event, LossScope, PublishOutcome, Stamped, StepEnd};
pub use fault::FaultKind;
pub use file::{Ledger, LedgerError, read_ledger, read_unfinished_ledger};
pub use observation::{LoadSeen, NodeSeen, NodeStatus, Observation, ReplicaSeen, StreamSeen};
