//! wip
pub mod archive;
pub mod backup;
pub mod jetstream;
pub mod judge;
pub mod ledger;
pub mod model;
pub mod scenario;
