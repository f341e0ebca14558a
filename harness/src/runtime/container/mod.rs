//! Nodes as containers on a private network: one container and one volume for each.
//!
//! Nothing here assumes that the engine runs on this machine: files go in and out as archives
//! through its interface, and nodes are reached at addresses that it tells. Where it does run
//! here, servers reach each other through links as local processes do, so that their network
//! can be broken; elsewhere they reach each other by name.

mod archive;
mod engine;
mod image;
mod launch;
mod network;
mod node;
mod ownership;
mod volume;
mod watchdog;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

pub use image::identify_image;

use self::engine::{Engine, failed};
use self::network::Network;
use self::node::NodeContainer;
use self::ownership::{Owner, cluster_label, remove_all, sweep};
use self::watchdog::Watched;
use super::{Addresses, Host, NO_DISK_SIZE, NodeKey, Routing, Signal, StoreArea, tail};
use crate::binary::ServerBinary;
use crate::config::{ClusterSettings, NodeSettings};
use crate::error::Result;
use crate::fault::Fault;

/// The container engine that [`Runtime::Container`](crate::Runtime::Container) uses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerEngine {
    /// Its version, in its own words.
    pub version: String,
}

impl ContainerEngine {
    /// Asks the engine who it is: the one that `DOCKER_HOST` names, else the one that listens
    /// where engines do.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) with what was tried when none answers.
    pub async fn find() -> Result<Self> {
        let engine = Engine::connect().await?;
        let docker = engine.docker().clone();
        let asking = async move {
            let said = docker.version().await;
            let said = said.map_err(failed("asking the container engine for its version"))?;
            let version = said.version.unwrap_or_default();
            Ok(Self { version })
        };
        engine.run(asking).await
    }
}

/// What all containers of a cluster have in common.
#[derive(Debug)]
struct Shared {
    engine: Engine,
    image: String,
    /// Begins the names of everything that is made.
    prefix: String,
    labels: [(String, String); 2],
    network: Network,
    disk_bytes: Option<u64>,
}

/// Runs nodes as containers.
#[derive(Debug)]
pub(crate) struct ContainerHost {
    shared: Arc<Shared>,
    claim: Claim,
    nodes: Mutex<BTreeMap<NodeKey, Arc<NodeContainer>>>,
    /// Where to put what is kept when the cluster is removed, if it is.
    kept_at: Mutex<Option<PathBuf>>,
}

impl ContainerHost {
    /// Connects to the engine, sees to the image, and makes the network.
    pub(crate) async fn start(
        server: &ServerBinary,
        cluster: &str,
        disk_bytes: Option<u64>,
    ) -> Result<Self> {
        let engine = Engine::connect().await?;
        let owner = Owner::this()?;
        let labels = [owner.label(), cluster_label(cluster)];
        // From here on everything that is made goes with it, also when this is given up half-way.
        let claim = Claim {
            engine: engine.clone(),
            labels: labels.clone(),
            watched: Some(watchdog::watch(&owner)?),
        };
        let docker = engine.docker().clone();
        let swept = async move {
            sweep(&docker).await;
            Ok(())
        };
        engine.run(swept).await?;
        let image = image::image_of(&engine, server).await?;
        let prefix = format!("lifeboat-{cluster}");
        let network = Network::make(&engine, &prefix, &labels).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                image,
                prefix,
                labels,
                network,
                disk_bytes,
            }),
            claim,
            nodes: Mutex::default(),
            kept_at: Mutex::default(),
        })
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeKey, Arc<NodeContainer>>> {
        // The map is whole between any two statements, so a poisoned lock is still usable.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, key: NodeKey) -> Arc<NodeContainer> {
        let mut nodes = self.nodes();
        let made = || Arc::new(NodeContainer::new(Arc::clone(&self.shared), key));
        Arc::clone(nodes.entry(key).or_insert_with(made))
    }

    /// Does a piece of work where the conversation with the engine runs.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.shared.engine.run(work).await
    }
}

/// Whether a fault can be injected into containers.
pub(super) fn possible(fault: Fault) -> std::result::Result<(), String> {
    match fault {
        Fault::Network | Fault::FullDisk | Fault::ReadOnlyStore | Fault::MemoryLimit => Ok(()),
        Fault::OtherServer => Err(String::from(
            "all containers of a cluster have one image; local processes can be upgraded",
        )),
    }
}

#[async_trait]
impl Host for ContainerHost {
    fn routing(&self) -> Routing {
        match self.shared.network.gateway() {
            Some(gateway) => Routing::Links(gateway),
            None => Routing::Direct,
        }
    }

    fn peer_address(&self, key: NodeKey) -> String {
        format!("{}:{}", self.shared.name_of(key), launch::CLUSTER_PORT)
    }

    fn possible(&self, fault: Fault) -> std::result::Result<(), String> {
        match fault {
            Fault::Network if self.shared.network.gateway().is_none() => Err(String::from(
                "the container engine is on another machine, where the traffic between nodes \
                 does not pass through this program",
            )),
            Fault::FullDisk if self.shared.disk_bytes.is_none() => Err(NO_DISK_SIZE.to_owned()),
            Fault::Network | Fault::FullDisk | Fault::ReadOnlyStore => possible(fault),
            Fault::MemoryLimit | Fault::OtherServer => possible(fault),
        }
    }

    async fn launch(
        &self,
        key: NodeKey,
        cluster: &ClusterSettings,
        node: &NodeSettings,
    ) -> Result<Addresses> {
        let config = launch::config(cluster, node);
        let (container, name) = (self.node(key), node.name.clone());
        let launch = container.next_launch();
        let mut unproven = Unproven {
            engine: self.shared.engine.clone(),
            node: Some(Arc::clone(&container)),
            launch,
        };
        let launched = self
            .run(async move { container.launch(config, &name, launch).await })
            .await;
        unproven.node = None;
        launched
    }

    async fn signal(&self, key: NodeKey, signal: Signal) -> Result<()> {
        let node = self.node(key);
        self.run(async move { node.signal(signal).await }).await
    }

    async fn exited(&self, key: NodeKey) -> Result<Option<String>> {
        let node = self.node(key);
        self.run(async move { node.exited().await }).await
    }

    async fn wipe(&self, key: NodeKey, area: &StoreArea) -> Result<()> {
        let (node, area) = (self.node(key), area.clone());
        self.run(async move { node.wipe(&area).await }).await
    }

    async fn fill_disk(&self, key: NodeKey) -> Result<()> {
        let node = self.node(key);
        self.run(async move { node.fill_disk().await }).await
    }

    async fn free_disk(&self, key: NodeKey) -> Result<()> {
        let node = self.node(key);
        self.run(async move { node.free_disk().await }).await
    }

    async fn set_read_only(&self, key: NodeKey, read_only: bool) -> Result<()> {
        let node = self.node(key);
        self.run(async move { node.set_read_only(read_only).await })
            .await
    }

    async fn limit_memory(&self, key: NodeKey, bytes: Option<u64>) -> Result<()> {
        let node = self.node(key);
        self.run(async move { node.limit_memory(bytes).await })
            .await
    }

    async fn copy_store(&self, key: NodeKey, area: &StoreArea, to: &Path) -> Result<bool> {
        let (node, area, to) = (self.node(key), area.clone(), to.to_owned());
        self.run(async move { node.copy_store(&area, &to).await })
            .await
    }

    async fn put_store(&self, key: NodeKey, area: &StoreArea, from: &Path) -> Result<()> {
        let (node, area, from) = (self.node(key), area.clone(), from.to_owned());
        self.run(async move { node.put_store(&area, &from).await })
            .await
    }

    async fn copy_evidence(&self, key: NodeKey, to: &Path) -> Result<()> {
        let (node, to) = (self.node(key), to.to_owned());
        self.run(async move { node.copy_evidence(&to).await }).await
    }

    async fn log_tail(&self, key: NodeKey) -> String {
        let node = self.node(key);
        let log = self.run(async move { node.log().await }).await;
        tail(&log.unwrap_or_default())
    }

    fn keep(&self, at: &Path) {
        let mut kept_at = self.kept_at.lock().unwrap_or_else(PoisonError::into_inner);
        *kept_at = Some(at.to_owned());
    }
}

impl Shared {
    /// What a node's container is called, by people and by other nodes.
    fn name_of(&self, key: NodeKey) -> String {
        format!("{}-{key}", self.prefix)
    }
}

impl Drop for ContainerHost {
    fn drop(&mut self) {
        let nodes = std::mem::take(&mut *self.nodes());
        let kept_at = self.kept_at.get_mut();
        let kept_at = kept_at.unwrap_or_else(PoisonError::into_inner).take();
        self.claim.release(async move {
            for (key, node) in nodes {
                if let Some(kept_at) = &kept_at {
                    // Whatever can be saved is; the rest was told of by whoever keeps it.
                    node.save(&kept_at.join(key.to_string())).await;
                }
                node.forget().await;
            }
        });
    }
}

/// A server whose start nobody has seen the end of. When the caller gives it up it goes on, and
/// must not live on beside a node that counts as stopped.
struct Unproven {
    engine: Engine,
    node: Option<Arc<NodeContainer>>,
    /// Which of its starts.
    launch: u64,
}

impl Drop for Unproven {
    fn drop(&mut self) {
        let (Some(node), Ok(talk)) = (self.node.take(), engine::talk()) else {
            return;
        };
        let (engine, launch) = (self.engine.clone(), self.launch);
        talk.spawn(async move { engine.run(async move { node.give_up(launch).await }).await });
    }
}

/// Everything a cluster has in the engine. Dropping it removes that.
#[derive(Debug)]
struct Claim {
    engine: Engine,
    labels: [(String, String); 2],
    /// Taken when all is gone.
    watched: Option<Watched>,
}

impl Claim {
    /// Removes everything, after a last look at it. Blocks until that is done.
    fn release(&mut self, before: impl Future<Output = ()> + Send + 'static) {
        let Some(watched) = self.watched.take() else {
            return;
        };
        let docker = self.engine.docker().clone();
        let [_, cluster] = self.labels.clone();
        self.engine.finish(async move {
            before.await;
            // What is left otherwise is the watchdog's, or the next sweep's.
            if remove_all(&docker, cluster).await.is_ok() {
                watched.gone();
            }
        });
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.release(async {});
    }
}
