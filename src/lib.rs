//! wip
pub mod archive;
pub mod backup;
pub mod jetstream;
pub mod ledger;
pub mod model;
pub mod scenario;
