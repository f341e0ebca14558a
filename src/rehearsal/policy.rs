//! What a backup is measured by besides itself.

use std::time::Duration;

/// An operator's policy. What it does not say is no check.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy {
    /// How old a backup may be: the recovery point that is promised.
    pub max_age: Option<Duration>,
    /// How long it may take until everything is restored and compared: the recovery time that is
    /// promised.
    pub max_recovery_time: Option<Duration>,
}
