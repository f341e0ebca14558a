//! One node, and the few verbs that can be done to it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::binary::ServerBinary;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::monitor::Monitor;
use crate::runtime::{NodeKey, Signal, StoreArea};
use crate::wait::{Probe, until};

/// How long a killed server may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// How long a server that ends in good order may take: a lame duck lets its clients go first.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// Its server runs.
    Running,
    /// Its server has ended, or was ended.
    Stopped,
    /// Its server exists and does nothing: connections stay open, nobody answers.
    Paused,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
        })
    }
}

/// A node of a [`Cluster`], by name. Making one costs nothing and checks nothing: a name
/// the cluster does not have is an error of the first verb.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Node<'a> {
    pub(crate) fn new(cluster: &'a Cluster, name: &str) -> Self {
        Self {
            cluster,
            name: name.to_owned(),
        }
    }

    /// Its server name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is doing.
    ///
    /// # Errors
    /// [`Error::UnknownNode`].
    pub fn state(&self) -> Result<NodeState> {
        self.cluster.slot(&self.name, |slot| slot.state)
    }

    /// The address clients reach it at, the same for as long as the cluster lives.
    ///
    /// # Errors
    /// [`Error::UnknownNode`].
    pub fn client_url(&self) -> Result<String> {
        self.cluster.slot(&self.name, |slot| {
            format!("nats://{}", slot.client.address())
        })
    }

    /// Its monitoring endpoints.
    ///
    /// # Errors
    /// [`Error::UnknownNode`], or [`Error::IllegalTransition`] when it is stopped.
    pub fn monitor(&self) -> Result<Monitor> {
        self.cluster.monitor_of(&self.name)
    }

    /// Ends its server at once (SIGKILL). What was written stays in the page cache: this is a
    /// crash of the process, not a loss of power.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] when it is stopped already.
    pub async fn kill(&self) -> Result<()> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("kill", &[NodeState::Running, NodeState::Paused])?;
        self.end(key, Signal::Kill, GONE_WITHIN).await
    }

    /// Ends its server as operators should (lame duck, SIGUSR2): it hands over its leaders,
    /// lets its clients go, and writes its state down.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is running; [`Error::Timeout`] when it does not end.
    pub async fn stop(&self) -> Result<()> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("stop", &[NodeState::Running])?;
        self.end(key, Signal::LameDuck, STOPPED_WITHIN).await
    }

    /// Ends its server in good order, without the lame duck's courtesy (SIGTERM).
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is running; [`Error::Timeout`] when it does not end.
    pub async fn terminate(&self) -> Result<()> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("terminate", &[NodeState::Running])?;
        self.end(key, Signal::Terminate, STOPPED_WITHIN).await
    }

    /// Ends its server in the best order that its state allows. For a caller who holds the
    /// cluster's verbs already.
    pub(crate) async fn wind_down(&self) -> Result<()> {
        let (key, state) = self
            .cluster
            .slot(&self.name, |slot| (slot.key, slot.state))?;
        match state {
            NodeState::Running => self.end(key, Signal::Terminate, STOPPED_WITHIN).await,
            NodeState::Paused => self.end(key, Signal::Kill, GONE_WITHIN).await,
            NodeState::Stopped => Ok(()),
        }
    }

    /// Ends its server and wipes its disk, whatever it is doing. For a caller who holds the
    /// cluster's verbs already.
    pub(crate) async fn unmake(&self) -> Result<()> {
        let (key, state) = self
            .cluster
            .slot(&self.name, |slot| (slot.key, slot.state))?;
        if state != NodeState::Stopped {
            self.end(key, Signal::Kill, GONE_WITHIN).await?;
        }
        self.cluster.host().wipe(key, &StoreArea::All).await
    }

    /// Freezes its server (SIGSTOP): connections stay open, nothing is answered.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is running; [`Error::Timeout`] when it does not
    /// freeze.
    pub async fn pause(&self) -> Result<()> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("pause", &[NodeState::Running])?;
        self.cluster.host().signal(key, Signal::Pause).await?;
        self.cluster.set_state(key, NodeState::Paused);
        Ok(())
    }

    /// Lets a paused server run on (SIGCONT).
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is paused.
    pub async fn resume(&self) -> Result<()> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("resume", &[NodeState::Paused])?;
        self.cluster.host().signal(key, Signal::Resume).await?;
        self.cluster.set_state(key, NodeState::Running);
        Ok(())
    }

    /// Its disk is gone: removes the whole store of a stopped node.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is stopped.
    pub async fn wipe(&self) -> Result<()> {
        self.wipe_area(&StoreArea::All).await
    }

    /// Removes part of a stopped node's disk.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is stopped.
    pub async fn wipe_area(&self, area: &StoreArea) -> Result<()> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("wipe", &[NodeState::Stopped])?;
        self.cluster.host().wipe(key, area).await
    }

    /// Starts a stopped node again under its own name. Returns once its server listens; it
    /// may still have to catch up, see [`Cluster::wait_ready`].
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is stopped; [`Error::Exited`] with the end of
    /// its log when the server does not stay up.
    pub async fn start(&self) -> Result<()> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("start", &[NodeState::Stopped])?;
        self.cluster.launch(key).await
    }

    /// Starts a stopped node again with another server, as an upgrade does; every later start is
    /// with that one too.
    ///
    /// # Errors
    /// [`Error::Unsupported`]; else as [`Node::start`].
    pub async fn start_with(&self, server: &ServerBinary) -> Result<()> {
        self.may(Fault::OtherServer)?;
        let _verb = self.cluster.verb().await;
        let key = self.expect("start", &[NodeState::Stopped])?;
        self.cluster
            .slot(&self.name, |slot| slot.binary = Some(server.clone()))?;
        self.cluster.launch(key).await
    }

    /// Has a stopped node find another key of encryption at rest in its configuration when it starts
    /// again, or none: as after a secret was lost, or rotated by mistake. See
    /// [`ClusterBuilder::encrypted_at_rest`].
    ///
    /// [`ClusterBuilder::encrypted_at_rest`]: crate::ClusterBuilder::encrypted_at_rest
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is stopped.
    pub async fn set_encryption_key(&self, key: Option<&str>) -> Result<()> {
        let _verb = self.cluster.verb().await;
        self.expect("change the key of", &[NodeState::Stopped])?;
        // Nobody has an empty key: it stands for none.
        let key = key.unwrap_or_default().to_owned();
        self.cluster
            .slot(&self.name, |slot| slot.encryption = Some(key))
    }

    /// The server that it runs, or ran last.
    ///
    /// # Errors
    /// [`Error::UnknownNode`].
    pub fn binary(&self) -> Result<ServerBinary> {
        let own = self.cluster.slot(&self.name, |slot| slot.binary.clone())?;
        Ok(own.unwrap_or_else(|| self.cluster.binary().clone()))
    }

    /// Starts a stopped node again under a new name: to the cluster it is another node, for a
    /// server's identity is its name. Returns the node under that name.
    ///
    /// # Errors
    /// As [`Node::start`]; [`Error::BadNodeName`] when the name is taken.
    pub async fn start_as(&self, name: &str) -> Result<Node<'a>> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("start", &[NodeState::Stopped])?;
        self.cluster.rename(key, name)?;
        self.cluster.launch(key).await?;
        Ok(Self::new(self.cluster, name))
    }

    /// Waits until its server ends by itself, as one does that ran out of memory; how it ended.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] when it is stopped; [`Error::Timeout`] when it does not end.
    pub async fn wait_ended(&self, within: Duration) -> Result<String> {
        let _verb = self.cluster.verb().await;
        let states = [NodeState::Running, NodeState::Paused];
        let key = self.expect("see the end of", &states)?;
        self.ended(key, within).await
    }

    /// Fills its disk up, by a file beside the store. The disk needs a size, see
    /// [`ClusterBuilder::disk_size`](crate::ClusterBuilder::disk_size).
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the disk has no size, or the runtime can't fill it.
    pub async fn fill_disk(&self) -> Result<()> {
        let key = self.may(Fault::FullDisk)?;
        let _verb = self.cluster.verb().await;
        self.cluster.host().fill_disk(key).await
    }

    /// Gives it the space back that [`Node::fill_disk`] took.
    ///
    /// # Errors
    /// As [`Node::fill_disk`].
    pub async fn free_disk(&self) -> Result<()> {
        let key = self.may(Fault::FullDisk)?;
        let _verb = self.cluster.verb().await;
        self.cluster.host().free_disk(key).await
    }

    /// Has the server find its store read-only at its next start, or writable again.
    ///
    /// # Errors
    /// [`Error::Unsupported`]; [`Error::IllegalTransition`] unless it is stopped: no kernel
    /// takes write access from files that are open.
    pub async fn set_read_only(&self, read_only: bool) -> Result<()> {
        self.may(Fault::ReadOnlyStore)?;
        let _verb = self.cluster.verb().await;
        let key = self.expect("change the store of", &[NodeState::Stopped])?;
        self.cluster.host().set_read_only(key, read_only).await
    }

    /// Limits its memory from now on, through its restarts as well, or no longer. When its
    /// server takes more, the kernel kills it.
    ///
    /// # Errors
    /// [`Error::Unsupported`], or [`Error::Engine`] when the server uses more already.
    pub async fn limit_memory(&self, bytes: Option<u64>) -> Result<()> {
        let key = self.may(Fault::MemoryLimit)?;
        let _verb = self.cluster.verb().await;
        self.cluster.host().limit_memory(key, bytes).await
    }

    /// The node's key, if such a fault is possible.
    fn may(&self, fault: Fault) -> Result<NodeKey> {
        self.cluster.check_possible(fault)?;
        self.cluster.slot(&self.name, |slot| slot.key)
    }

    /// Copies part of a node's disk to a local directory; whether there was any. Of a paused node
    /// it is what a crash at that moment would leave.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] while it runs: a copy of a store in use is torn.
    pub async fn copy_store(&self, area: &StoreArea, to: &Path) -> Result<bool> {
        let states = [NodeState::Stopped, NodeState::Paused];
        let key = self.expect("copy the store of", &states)?;
        self.cluster.host().copy_store(key, area, to).await
    }

    /// Replaces part of a stopped node's disk by what a local directory holds: a disk that was
    /// damaged, or that is as it was some time ago.
    ///
    /// # Errors
    /// [`Error::IllegalTransition`] unless it is stopped; [`Error::Io`] without such a directory.
    pub async fn put_store(&self, area: &StoreArea, from: &Path) -> Result<()> {
        let _verb = self.cluster.verb().await;
        let key = self.expect("fill the store of", &[NodeState::Stopped])?;
        self.cluster.host().put_store(key, area, from).await
    }

    /// The node's key, if it is in one of the states the verb is meant for.
    fn expect(&self, verb: &'static str, states: &[NodeState]) -> Result<NodeKey> {
        let (key, state) = self
            .cluster
            .slot(&self.name, |slot| (slot.key, slot.state))?;
        if states.contains(&state) {
            Ok(key)
        } else {
            Err(Error::IllegalTransition {
                node: self.name.clone(),
                verb,
                state,
            })
        }
    }

    async fn end(&self, key: NodeKey, signal: Signal, within: Duration) -> Result<()> {
        let host = self.cluster.host();
        host.signal(key, signal).await?;
        self.ended(key, within).await.map(drop)
    }

    /// Waits until its server is gone; how it ended.
    async fn ended(&self, key: NodeKey, within: Duration) -> Result<String> {
        let host = self.cluster.host();
        let status = until(within, || async {
            match host.exited(key).await {
                Ok(Some(status)) => Probe::Ready(Ok(status)),
                Ok(None) => Probe::Pending(String::from("its server still runs")),
                Err(error) => Probe::Ready(Err(error)),
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting(format!("node `{}` to end", self.name)))??;
        self.cluster.mark_stopped(key);
        Ok(status)
    }
}
