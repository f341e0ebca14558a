//! Nodes as child processes on loopback: nothing to install but a server binary.

mod disk;
mod server;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal as Os, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::runtime::Handle;

use self::disk::{Disks, check_may_mount};
use self::server::{read_ports, server_command};
use super::{Addresses, Host, NO_DISK_SIZE, NodeKey, Routing, Signal, StoreArea, tail};
use crate::config::{ClusterSettings, NodeSettings, Placement, Ports, render};
use crate::error::{Error, Result, io_error};
use crate::fault::Fault;
use crate::scratch::{copy_tree, remove_tree};
use crate::wait::{Probe, until};

/// How long a server may take until it listens; usually some 30 ms.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
/// How long a server may take to freeze; usually less than a millisecond.
const FREEZES_WITHIN: Duration = Duration::from_secs(10);

/// Runs nodes as children of the keeper's thread.
#[derive(Debug)]
pub(crate) struct ProcessHost {
    binary: PathBuf,
    root: PathBuf,
    keeper: Handle,
    disks: Disks,
    /// Whether stores are to be left behind.
    kept: AtomicBool,
    children: Arc<Mutex<BTreeMap<NodeKey, Child>>>,
}

impl ProcessHost {
    pub(crate) fn new(
        binary: PathBuf,
        root: PathBuf,
        keeper: Handle,
        disk_bytes: Option<u64>,
    ) -> Self {
        Self {
            binary,
            root,
            disks: Disks::new(keeper.clone(), disk_bytes),
            keeper,
            kept: AtomicBool::new(false),
            children: Arc::default(),
        }
    }

    fn home(&self, key: NodeKey) -> PathBuf {
        self.root.join(key.to_string())
    }

    /// Where a node's disk is mounted, if it has a size.
    fn disk(&self, key: NodeKey) -> PathBuf {
        self.home(key).join("disk")
    }

    /// A node's store, as its server sees it.
    fn store(&self, key: NodeKey) -> PathBuf {
        let beside = if self.disks.are_bounded() {
            self.disk(key)
        } else {
            self.home(key)
        };
        beside.join("store")
    }

    /// Part of a store, as this program sees it.
    fn area(&self, key: NodeKey, area: &StoreArea) -> PathBuf {
        self.disks.seen(&self.store(key)).join(area.path())
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<NodeKey, Child>> {
        // The map is whole between any two statements, so a poisoned lock is still usable.
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the configuration and forks the server on the keeper's thread; returns its pid.
    async fn fork(
        &self,
        key: NodeKey,
        cluster: &ClusterSettings,
        node: &NodeSettings,
    ) -> Result<u32> {
        let home = self.home(key);
        let (store, config) = (self.store(key), home.join("server.conf"));
        self.disks.mount(&self.disk(key)).await?;
        let seen = self.disks.seen(&store);
        fs::create_dir_all(&seen).map_err(io_error(format!("creating {}", seen.display())))?;
        let text = render(
            cluster,
            node,
            Placement {
                listen: "127.0.0.1",
                store: &store,
                ports: Ports::Picked { told_in: &home },
            },
        );
        fs::write(&config, text).map_err(io_error(format!("writing {}", config.display())))?;
        let log_path = home.join("server.log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(io_error(format!("opening {}", log_path.display())))?;
        let binary = node.program.as_ref().unwrap_or(&self.binary).clone();
        let starting = io_error(format!("starting {}", binary.display()));
        let children = Arc::clone(&self.children);
        let spawned = self.keeper.spawn(async move {
            let child = server_command(&binary, &config, &home, log)?.spawn()?;
            let pid = child.id();
            let mut children = children.lock().unwrap_or_else(PoisonError::into_inner);
            children.insert(key, child);
            Ok::<_, io::Error>(pid)
        });
        spawned
            .await
            .map_err(|error| io::Error::other(error.to_string()))
            .flatten()
            .map_err(starting)
    }

    /// Signals a server; returns its pid unless it has ended.
    fn send(&self, key: NodeKey, signal: Os) -> Result<Option<Pid>> {
        let mut children = self.children();
        let Some(child) = children.get_mut(&key) else {
            return Ok(None);
        };
        let ended = child
            .try_wait()
            .map_err(io_error(format!("waiting for {key}")))?;
        if ended.is_some() {
            // A server that ended has given its pid back: it may be anybody's by now.
            return Ok(None);
        }
        // The child is not reaped while the lock is held, so the pid can't be somebody else's.
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, signal)
                .map_err(io::Error::from)
                .map_err(io_error(format!("signalling {key}")))?;
        }
        Ok(pid)
    }

    /// Waits until a server that was sent SIGSTOP has stopped, all threads of it: the signal
    /// is delivered some time after it was sent, and until then requests are answered.
    async fn frozen(&self, key: NodeKey, pid: Pid) -> Result<()> {
        // The report is left where it is, so that asking changes nothing.
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        until(FREEZES_WITHIN, || async {
            match self.exited(key).await {
                Ok(None) => {}
                Ok(Some(_)) => return Probe::Ready(Ok(())),
                Err(error) => return Probe::Ready(Err(error)),
            }
            match waitid(WaitId::Pid(pid), options) {
                Ok(Some(_)) => Probe::Ready(Ok(())),
                Ok(None) => Probe::Pending(String::from("its server still runs")),
                Err(error) => Probe::Pending(error.to_string()),
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting(format!("{key} to freeze")))?
    }

    /// Waits until the server has written down its ports.
    async fn listening(&self, key: NodeKey, node: &str, pid: u32) -> Result<Addresses> {
        let file = self.home(key).join(format!("nats-server_{pid}.ports"));
        let listens = until(LISTENS_WITHIN, || async {
            match self.exited(key).await {
                Ok(None) => {}
                Ok(Some(status)) => return Probe::Ready(Err(status)),
                Err(error) => return Probe::Ready(Err(error.to_string())),
            }
            match read_ports(&file) {
                Ok(addresses) => Probe::Ready(Ok(addresses)),
                Err(seen) => Probe::Pending(seen),
            }
        });
        match listens.await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(status)) => Err(Error::Exited {
                node: node.to_owned(),
                status,
                log_tail: self.log_tail(key).await,
            }),
            Err(timed_out) => Err(timed_out.awaiting(format!("node `{node}` to listen"))),
        }
    }
}

/// A server that does not listen yet. When its start fails, or is given up by a caller who
/// drops the future, it must not live on beside a node that counts as stopped.
struct Unproven<'a> {
    host: &'a ProcessHost,
    key: NodeKey,
    listens: bool,
}

impl Drop for Unproven<'_> {
    fn drop(&mut self) {
        if self.listens {
            return;
        }
        if let Some(mut child) = self.host.children().remove(&self.key) {
            // It may have ended already, which is as good.
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }
}

#[async_trait]
impl Host for ProcessHost {
    fn routing(&self) -> Routing {
        Routing::Links(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    fn peer_address(&self, key: NodeKey) -> String {
        unreachable!("{key} is reached through links")
    }

    async fn launch(
        &self,
        key: NodeKey,
        cluster: &ClusterSettings,
        node: &NodeSettings,
    ) -> Result<Addresses> {
        let mut unproven = Unproven {
            host: self,
            key,
            listens: false,
        };
        let pid = self.fork(key, cluster, node).await?;
        let addresses = self.listening(key, &node.name, pid).await?;
        unproven.listens = true;
        Ok(addresses)
    }

    fn possible(&self, fault: Fault) -> std::result::Result<(), String> {
        if fault == Fault::FullDisk && !self.disks.are_bounded() {
            return Err(NO_DISK_SIZE.to_owned());
        }
        possible(fault)
    }

    async fn signal(&self, key: NodeKey, signal: Signal) -> Result<()> {
        let os = match signal {
            Signal::Kill => Os::KILL,
            Signal::Terminate => Os::TERM,
            Signal::LameDuck => Os::USR2,
            Signal::Pause => Os::STOP,
            Signal::Resume => Os::CONT,
        };
        match self.send(key, os)? {
            Some(pid) if signal == Signal::Pause => self.frozen(key, pid).await,
            Some(_) | None => Ok(()),
        }
    }

    async fn exited(&self, key: NodeKey) -> Result<Option<String>> {
        let mut children = self.children();
        let Some(child) = children.get_mut(&key) else {
            return Ok(Some(String::from("never started")));
        };
        let status = child
            .try_wait()
            .map_err(io_error(format!("waiting for {key}")))?;
        Ok(status.map(|status| status.to_string()))
    }

    async fn wipe(&self, key: NodeKey, area: &StoreArea) -> Result<()> {
        if *area == StoreArea::All {
            self.disks.set_read_only(&self.store(key), false).await?;
            self.disks.unmount(&self.disk(key)).await?;
        }
        remove_tree(&self.area(key, area))
    }

    async fn fill_disk(&self, key: NodeKey) -> Result<()> {
        self.disks.fill(&self.disk(key))
    }

    async fn free_disk(&self, key: NodeKey) -> Result<()> {
        self.disks.free(&self.disk(key))
    }

    async fn set_read_only(&self, key: NodeKey, read_only: bool) -> Result<()> {
        self.disks.set_read_only(&self.store(key), read_only).await
    }

    async fn limit_memory(&self, key: NodeKey, _bytes: Option<u64>) -> Result<()> {
        let fault = Fault::MemoryLimit;
        let reason = format!("{key} is a local process");
        Err(Error::Unsupported { fault, reason })
    }

    async fn copy_store(&self, key: NodeKey, area: &StoreArea, to: &Path) -> Result<bool> {
        let from = self.area(key, area);
        if !from.is_dir() {
            return Ok(false);
        }
        let to = to.to_owned();
        // A store may be large, and the caller's thread may carry other clusters.
        tokio::task::spawn_blocking(move || copy_tree(&from, &to))
            .await
            .map_err(io::Error::other)
            .map_err(io_error(format!("copying the store of {key}")))??;
        Ok(true)
    }

    async fn put_store(&self, key: NodeKey, area: &StoreArea, from: &Path) -> Result<()> {
        // A disk of its own goes with a wipe.
        self.disks.mount(&self.disk(key)).await?;
        let (from, to) = (from.to_owned(), self.area(key, area));
        tokio::task::spawn_blocking(move || {
            remove_tree(&to)?;
            copy_tree(&from, &to)
        })
        .await
        .map_err(io::Error::other)
        .map_err(io_error(format!("filling the store of {key}")))?
    }

    async fn copy_evidence(&self, key: NodeKey, to: &Path) -> Result<()> {
        fs::create_dir_all(to).map_err(io_error(format!("creating {}", to.display())))?;
        for name in ["server.conf", "server.log"] {
            let from = self.home(key).join(name);
            if from.exists() {
                fs::copy(&from, to.join(name))
                    .map_err(io_error(format!("copying {}", from.display())))?;
            }
        }
        Ok(())
    }

    fn keep(&self, _at: &Path) {
        // All of it is in the directory that is kept, but for disks that only servers see.
        self.kept.store(true, Ordering::Relaxed);
    }

    async fn log_tail(&self, key: NodeKey) -> String {
        let log = fs::read(self.home(key).join("server.log")).unwrap_or_default();
        tail(&log)
    }
}

/// Whether a fault can be injected into local processes.
pub(super) fn possible(fault: Fault) -> std::result::Result<(), String> {
    match fault {
        Fault::Network | Fault::OtherServer => Ok(()),
        Fault::FullDisk | Fault::ReadOnlyStore => check_may_mount(),
        Fault::MemoryLimit => Err(String::from(
            "the memory of local processes can't be limited; containers can",
        )),
    }
}

impl Drop for ProcessHost {
    fn drop(&mut self) {
        let mut children = std::mem::take(&mut *self.children());
        for child in children.values_mut() {
            // It may have ended already, which is as good.
            let _killed = child.kill();
        }
        for child in children.values_mut() {
            let _reaped = child.wait();
        }
        if self.kept.load(Ordering::Relaxed) && self.disks.are_bounded() {
            for key in children.keys() {
                // What can't be saved goes with its disk.
                let store = self.area(*key, &StoreArea::All);
                let _saved = copy_tree(&store, &self.home(*key).join("store"));
            }
        }
    }
}
