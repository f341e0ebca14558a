//! Rehearsing a backup: it is restored on a throwaway cluster, compared message by message, and used,
//! and nothing but that proves that it can be.

mod age;
mod check;
mod cluster;
mod error;
mod flow;
mod live;
mod policy;
mod record;
mod run;
mod sample;
mod saved;
mod sentinel;
mod stream;
mod timing;
mod whole;

pub use check::{Check, CheckName, CheckOutcome};
pub use error::RehearsalError;
pub use live::{Live, RecoveryPoint, recovery_points};
pub use policy::Policy;
pub use record::{Rehearsal, SampleRecord, StreamRehearsal, Timing};
pub use run::{RehearsalSettings, RehearsalWatcher, rehearse};
pub use sample::Sample;
pub use saved::{SavedBackup, SavedStream};
