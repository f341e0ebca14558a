//! The ways of breaking things that not every runtime has everywhere.

use std::fmt;

/// A fault that needs something of the runtime, of the machine, or of whoever runs the harness.
/// Everything else (kill, stop, pause, wipe) works everywhere.
///
/// [`ClusterBuilder::needs`](crate::ClusterBuilder::needs) has the start refused when a fault
/// is not possible, so that nothing is found out half-way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The network between nodes is cut or slowed down.
    Network,
    /// A node's disk fills up. It needs a bounded disk, see
    /// [`ClusterBuilder::disk_size`](crate::ClusterBuilder::disk_size).
    FullDisk,
    /// A node finds its store read-only at its next start.
    ReadOnlyStore,
    /// A node may use only so much memory, and is killed when it takes more.
    MemoryLimit,
    /// A node is started again with another server than the rest of the cluster.
    OtherServer,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "a cut or slow network",
            Self::FullDisk => "a full disk",
            Self::ReadOnlyStore => "a read-only store",
            Self::MemoryLimit => "a memory limit",
            Self::OtherServer => "another server on one node",
        })
    }
}
