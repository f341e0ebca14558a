//! What can be broken.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A server was ended at once.
    Kill,
    /// A server was ended at once and its disk removed.
    KillAndWipe,
    /// The disk of a node was removed whose server had ended.
    Wipe,
    /// A server was stopped in good order.
    Stop,
    /// A server was frozen.
    Pause,
    /// The network between nodes was cut.
    Cut,
    /// The network between nodes was slowed down.
    Delay,
    /// A node's disk was filled.
    FillDisk,
    /// A node's store was made read-only.
    ReadOnly,
    /// A node's memory was limited.
    LimitMemory,
    /// A stopped node's disk was damaged.
    Damage,
    /// Stopped nodes' disks were put back as they were some time before.
    RollBack,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::KillAndWipe => "kill and wipe",
            Self::Wipe => "wipe",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Cut => "cut",
            Self::Delay => "delay",
            Self::FillDisk => "full disk",
            Self::ReadOnly => "read-only disk",
            Self::LimitMemory => "memory limit",
            Self::Damage => "damage",
            Self::RollBack => "roll-back",
        })
    }
}
