//! What happened in a drill, event by event, on disk as it happens and readable afterwards.

mod bucket;
mod event;
mod file;
mod observation;

pub use bucket::{BucketObject, BucketValue};
pub use event::{AckOutcome, Event, FaultKind, LossScope, PublishOutcome, Stamped, StepEnd};
pub use file::{Ledger, LedgerError, read_ledger, read_unfinished_ledger};
pub use observation::{NodeSeen, NodeStatus, Observation, ReplicaSeen, StreamSeen};
