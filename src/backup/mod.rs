//! The engine: one stream to a directory, and back, believed only after its content was compared.

mod account;
mod account_limits;
mod account_place;
mod before;
mod beginning;
mod clean_up;
mod compare;
mod comparison;
mod complete;
mod error;
mod gone;
mod mark;
mod outgoing;
mod overrides;
mod plan;
mod plan_consumers;
mod positions;
mod read_out;
mod receive;
mod removal;
mod replace;
mod restore;
mod restore_account;
mod sending;
mod source;
mod take;
mod tries;

pub use account::{AccountOptions, AccountProgress, AccountSummary, back_up_account};
pub use error::{BackupError, Result};
pub use gone::Gone;
pub use overrides::{Overrides, read_setting};
pub use plan::{Action, MESSAGE_ARCHIVES_SINCE, RestorePlan, plan_restore};
pub use removal::remove_stream;
pub use restore::{IfExists, RestoreOptions, RestoreSummary, restore_as_planned, restore_stream};
pub use restore_account::{
    AccountPlan, AccountRestoreOptions, AccountRestoreSummary, plan_account, restore_account,
};
pub use source::StreamBackup;
pub use take::{BackupSummary, back_up_stream};
pub use tries::BackupOptions;

/// Told how far a transfer is, as it goes. Called often: it must be quick.
pub trait Progress: Send + Sync {
    /// A phase begins, such as `sending`, of so many steps when that is known.
    fn phase(&self, name: &'static str, total: Option<u64>);
    /// So many steps of the phase are done.
    fn done(&self, steps: u64);
    /// Something that whoever watches should know, such as that it is tried again.
    fn note(&self, _text: &str) {}
}

/// Tells nobody.
impl Progress for () {
    fn phase(&self, _name: &'static str, _total: Option<u64>) {}
    fn done(&self, _steps: u64) {}
}
