//! Where nodes run. Nothing above this trait may assume a local process, or a shared disk.

pub(crate) mod container;
pub(crate) mod process;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::config::{ClusterSettings, NodeSettings, SYSTEM_ACCOUNT};
use crate::error::{Error, Result};
use crate::fault::Fault;

/// How much of a log an error carries.
const LOG_TAIL_LINES: usize = 15;
/// What a server writes first.
pub(crate) const LAUNCHED: &str = "Starting nats-server";

/// Why a disk can't be filled.
const NO_DISK_SIZE: &str =
    "the nodes' disks have no size (`disk` of a scenario, `disk_size` of a builder)";

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
    /// By themselves, see [`Host::peer_address`].
    Direct,
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
    /// What the node knows of the meta group: which streams there are, and who holds them.
    MetaGroup,
}

impl StoreArea {
    /// Where it is, seen from the store.
    fn path(&self) -> PathBuf {
        let accounts = Path::new("jetstream");
        match self {
            Self::All => PathBuf::new(),
            Self::Stream { account, stream } => accounts.join(account).join("streams").join(stream),
            Self::MetaGroup => accounts.join(SYSTEM_ACCOUNT).join("_js_").join("_meta_"),
        }
    }
}

impl fmt::Display for StoreArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("the whole store"),
            Self::Stream { account, stream } => write!(f, "stream {stream} of account {account}"),
            Self::MetaGroup => f.write_str("the meta group"),
        }
    }
}

/// Where the nodes of a cluster run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Runtime {
    /// As child processes on loopback: nothing to install but a server binary.
    #[default]
    Process,
    /// As containers of a container engine on a network of their own.
    Container,
}

impl Runtime {
    /// What the environment wishes (`LIFEBOAT_RUNTIME`): `process`, unless it says `container`.
    ///
    /// # Errors
    /// [`Error::BadRuntime`] when it says something else.
    pub fn from_env() -> Result<Self> {
        match std::env::var_os("LIFEBOAT_RUNTIME") {
            Some(text) if !text.is_empty() => text.to_string_lossy().parse(),
            Some(_) | None => Ok(Self::Process),
        }
    }

    /// Whether a fault can be injected there, as far as that is known before a cluster runs: a full
    /// disk needs [`ClusterBuilder::disk_size`] too, and a cut network an engine on this machine.
    ///
    /// [`ClusterBuilder::disk_size`]: crate::ClusterBuilder::disk_size
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the reason.
    pub fn check_possible(self, fault: Fault) -> Result<()> {
        let possible = match self {
            Self::Process => process::possible(fault),
            Self::Container => container::possible(fault),
        };
        possible.map_err(|reason| Error::Unsupported { fault, reason })
    }
}

impl FromStr for Runtime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::Process, Self::Container];
        let found = known.into_iter().find(|one| one.to_string() == text);
        found.ok_or_else(|| Error::BadRuntime(text.to_owned()))
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Container => "container",
        })
    }
}

/// A way to run nodes.
#[async_trait]
pub(crate) trait Host: fmt::Debug + Send + Sync {
    /// How servers reach each other; the same for as long as the cluster lives.
    fn routing(&self) -> Routing;

    /// Where other servers reach a node, host and port, when routing is direct.
    fn peer_address(&self, key: NodeKey) -> String;

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
    /// ending went is seen by [`Host::exited`].
    async fn signal(&self, key: NodeKey, signal: Signal) -> Result<()>;

    /// How the node's server ended, or nothing while it runs.
    async fn exited(&self, key: NodeKey) -> Result<Option<String>>;

    /// Removes part of a stopped node's disk.
    async fn wipe(&self, key: NodeKey, area: &StoreArea) -> Result<()>;

    /// Fills a node's disk up. Asked only for what is [possible](Host::possible).
    async fn fill_disk(&self, key: NodeKey) -> Result<()>;

    /// Gives the space back.
    async fn free_disk(&self, key: NodeKey) -> Result<()>;

    /// Makes a stopped node's store read-only, or writable again, from its next start on.
    async fn set_read_only(&self, key: NodeKey, read_only: bool) -> Result<()>;

    /// Limits a node's memory, at once and at every later start, or no longer.
    async fn limit_memory(&self, key: NodeKey, bytes: Option<u64>) -> Result<()>;

    /// Copies part of a stopped node's disk to a local directory; whether there was any.
    async fn copy_store(&self, key: NodeKey, area: &StoreArea, to: &Path) -> Result<bool>;

    /// Replaces part of a stopped node's disk by what a local directory holds.
    async fn put_store(&self, key: NodeKey, area: &StoreArea, from: &Path) -> Result<()>;

    /// Copies a node's configuration and log to a local directory.
    async fn copy_evidence(&self, key: NodeKey, to: &Path) -> Result<()>;

    /// The end of a node's log.
    async fn log_tail(&self, key: NodeKey) -> String;

    /// Leaves configurations, logs and stores in a local directory when the host is dropped.
    fn keep(&self, at: &Path);
}

/// The last lines of a log; of a server that panicked those in which it says why, for what each
/// of its goroutines did follows them.
fn tail(log: &[u8]) -> String {
    let log = String::from_utf8_lossy(log);
    let lines: Vec<_> = log.lines().collect();
    let launched = lines.iter().rposition(|line| line.contains(LAUNCHED));
    let panicked = lines.iter().rposition(|line| is_panic(line));
    let begin = panicked
        .filter(|panicked| launched.is_none_or(|launched| launched < *panicked))
        .unwrap_or(lines.len().saturating_sub(LOG_TAIL_LINES));
    let lines = lines[begin..].iter().take(LOG_TAIL_LINES);
    lines.copied().collect::<Vec<_>>().join("\n")
}

/// Whether Go's runtime says in this line that it ends a process, and not for want of memory or
/// threads, which is this machine's doing.
pub(crate) fn is_panic(line: &str) -> bool {
    let is_want = line.contains("out of memory") || line.contains("newosproc");
    line.starts_with("panic: ") || (line.starts_with("fatal error: ") && !is_want)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_tells_why_a_server_panicked() {
        let traces = "goroutine 7 [running]:\n\tserver/filestore.go:6678\n".repeat(40);
        let launch = "[1] 2026/01/01 00:00:00.000000 [INF] Starting nats-server\n";
        let panicked = format!("{launch}[1] listening\npanic: out of range\n\n{traces}");
        let told = tail(panicked.as_bytes());
        assert!(told.starts_with("panic: out of range\n"), "{told}");
        let exited = |log_tail: &str| Error::Exited {
            node: String::from("n1"),
            status: String::from("exit status: 2"),
            log_tail: log_tail.to_owned(),
        };
        assert_eq!(exited(&told).panic(), Some("panic: out of range"));
        assert_eq!(exited("fatal error: runtime: out of memory").panic(), None);
        assert_eq!(told.lines().count(), LOG_TAIL_LINES);
        // It was started again, and ended in another way.
        let again = format!("{panicked}{launch}[1] [FTL] no space left\n");
        let told = tail(again.as_bytes());
        assert!(
            !told.contains("panic") && told.ends_with("no space left"),
            "{told}"
        );
        let earlier = format!("panic: out of range\n{launch}[1] [FTL] no space left");
        assert_eq!(exited(&tail(earlier.as_bytes())).panic(), None);
    }
}
