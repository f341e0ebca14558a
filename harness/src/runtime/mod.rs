//! Where nodes run. Nothing above this trait may assume a local process, or a shared disk.

pub(crate) mod process;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use async_trait::async_trait;

use crate::config::{ClusterSettings, NodeSettings};
use crate::error::Result;
use crate::fault::Fault;

/// Names a node for as long as the cluster lives, while its server name may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeKey(pub(crate) usize);

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0)
    }
}

/// How servers reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routing {
    /// Through links, bound on this address, which the harness can break.
    Links(IpAddr),
    /// By themselves, at this port of hosts that are called as their keys are written.
    Direct(u16),
}

/// Where a started node really listens, as seen from the harness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) client: SocketAddr,
    /// Where other servers reach it; a standalone server has no such place.
    pub(crate) cluster: Option<SocketAddr>,
    pub(crate) monitor: SocketAddr,
}

/// What can be done to a running node without its consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End at once (SIGKILL).
    Kill,
    /// End in good order (SIGTERM).
    Terminate,
    /// Hand over leaders and clients, then end (SIGUSR2).
    LameDuck,
    /// Stop running, keep everything (SIGSTOP).
    Pause,
    /// Run again (SIGCONT).
    Resume,
}

/// Which part of a stopped node's disk a verb is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreArea {
    /// Everything: the disk is gone.
    All,
    /// The node's copy of one stream, consumers included; its raft logs stay.
    Stream {
        /// The account the stream belongs to.
        account: String,
        /// The stream's name.
        stream: String,
    },
}

impl fmt::Display for StoreArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("the whole store"),
            Self::Stream { account, stream } => write!(f, "stream {stream} of account {account}"),
        }
    }
}

/// A way to run nodes.
#[async_trait]
pub(crate) trait Runtime: fmt::Debug + Send + Sync {
    /// How servers reach each other; the same for as long as the cluster lives.
    fn routing(&self) -> Routing;

    /// Starts a node's server and returns once it listens.
    async fn launch(
        &self,
        key: NodeKey,
        cluster: &ClusterSettings,
        node: &NodeSettings,
    ) -> Result<Addresses>;

    /// Whether a fault can be injected here, or why not.
    fn possible(&self, fault: Fault) -> std::result::Result<(), String>;

    /// Does something to a running node. A pause has taken effect when this returns; how an
    /// ending went is seen by [`Runtime::exited`].
    async fn signal(&self, key: NodeKey, signal: Signal) -> Result<()>;

    /// How the node's server ended, or nothing while it runs.
    async fn exited(&self, key: NodeKey) -> Result<Option<String>>;

    /// Removes part of a stopped node's disk.
    async fn wipe(&self, key: NodeKey, area: &StoreArea) -> Result<()>;

    /// Copies part of a stopped node's disk to a local directory; whether there was any.
    async fn copy_store(&self, key: NodeKey, area: &StoreArea, to: &Path) -> Result<bool>;

    /// Copies a node's configuration and log to a local directory.
    async fn copy_evidence(&self, key: NodeKey, to: &Path) -> Result<()>;

    /// The end of a node's log.
    async fn log_tail(&self, key: NodeKey) -> String;
}
