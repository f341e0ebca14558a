//! N nodes and the links between them: form, watch, change membership, tear down.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

use crate::admin::Admin;
use crate::binary::{ServerBinary, ServerRequest};
use crate::builder::ClusterBuilder;
use crate::config::{ClusterSettings, Credentials, SYSTEM_ACCOUNT};
use crate::error::{Error, Result, io_error};
use crate::fault::Fault;
use crate::keeper::Keeper;
use crate::link::{Flow, Link};
use crate::monitor::http_client;
use crate::node::{Node, NodeState};
use crate::runtime::container::{ContainerHost, identify_image};
use crate::runtime::process::ProcessHost;
use crate::runtime::{Host, NodeKey, Runtime};
use crate::scratch::Scratch;
use crate::wiring::Slot;

/// A running cluster of real servers. Dropping it ends them and removes what they wrote; when
/// it is dropped by a panic, configurations, logs and stores are kept and their place printed.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) settings: ClusterSettings,
    binary: ServerBinary,
    pub(crate) slots: Mutex<Vec<Slot>>,
    pub(crate) links: Mutex<BTreeMap<(NodeKey, NodeKey), Link>>,
    /// How bytes pass from one node to another where that is not as it should be; from a node
    /// to itself: between it and its clients.
    pub(crate) flows: Mutex<BTreeMap<(NodeKey, NodeKey), Flow>>,
    /// Held by a verb that changes a node, so that two never interleave.
    verbs: tokio::sync::Mutex<()>,
    pub(crate) http: reqwest::Client,
    pub(crate) system: Admin,
    pub(crate) user: Admin,
    /// Dropped before the keeper and the directory: it ends the servers.
    pub(crate) host: Box<dyn Host>,
    pub(crate) keeper: Keeper,
    scratch: Scratch,
}

impl Cluster {
    /// Describes a cluster to start.
    ///
    /// ```no_run
    /// # async fn example() -> lifeboat_harness::Result<()> {
    /// use lifeboat_harness::Cluster;
    ///
    /// let cluster = Cluster::builder().nodes(3).start().await?;
    /// cluster.node("n2").kill().await?;
    /// cluster.node("n2").wipe().await?;
    /// cluster.peer_remove("n2").await?;
    /// let fresh = cluster.add_node().await?;
    /// println!("{} took over; clients connect to {:?}", fresh.name(), cluster.client_urls());
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    pub(crate) async fn start(builder: ClusterBuilder) -> Result<Self> {
        let limit = builder.ready_within;
        let count = builder.nodes;
        let mut cluster = Self::prepare(builder).await?;
        let started = cluster.start_all(limit, count).await;
        if let Err(source) = started {
            cluster.keep()?;
            return Err(Error::StartFailed {
                evidence: cluster.scratch.path().to_owned(),
                source: Box::new(source),
            });
        }
        Ok(cluster)
    }

    /// Everything but servers: binary, directory, keeper, links.
    async fn prepare(builder: ClusterBuilder) -> Result<Self> {
        let runtime = builder.runtime.map_or_else(Runtime::from_env, Ok)?;
        let binary = find_server(&builder, runtime).await?;
        let root = builder.scratch_root.unwrap_or_else(std::env::temp_dir);
        let scratch = Scratch::create(&root)?;
        let keeper = Keeper::start().map_err(io_error("starting the keeper's thread"))?;
        let host: Box<dyn Host> = match runtime {
            Runtime::Process => {
                let (program, root) = (binary.path.clone(), scratch.path().to_owned());
                let keeper = keeper.handle().clone();
                Box::new(ProcessHost::new(program, root, keeper, builder.disk_bytes))
            }
            Runtime::Container => {
                Box::new(ContainerHost::start(&binary, &random_word(), builder.disk_bytes).await?)
            }
        };
        let bounded = builder.disk_bytes.map(|_| Fault::FullDisk);
        for fault in builder.needs.into_iter().chain(bounded) {
            let possible = host.possible(fault);
            possible.map_err(|reason| Error::Unsupported { fault, reason })?;
        }
        let (system, user) = (new_user(SYSTEM_ACCOUNT), new_user(&builder.account));
        let settings = ClusterSettings {
            node_prefix: builder.node_prefix,
            name: builder
                .name
                .unwrap_or_else(|| format!("lifeboat-{}", random_word())),
            standalone: builder.nodes == 1,
            system: system.clone(),
            accounts: vec![user.clone()],
            sync_interval: builder.sync_interval,
            domain: builder.domain,
            key: builder.key,
            reserve: builder.reserve,
            extra: builder.extra_config,
        };
        let cluster = Self {
            settings,
            binary,
            slots: Mutex::default(),
            links: Mutex::default(),
            flows: Mutex::default(),
            verbs: tokio::sync::Mutex::default(),
            http: http_client()?,
            system: Admin::new(system),
            user: Admin::new(user),
            host,
            keeper,
            scratch,
        };
        for index in 0..builder.nodes {
            let tags = builder.tags.get(index).cloned().unwrap_or_default();
            let name = cluster.settings.node_name(index + 1);
            cluster.check_name(&name)?;
            cluster.add_slot(&name, tags).await?;
            let server = builder.node_servers.get(&(index + 1)).cloned();
            cluster.slot(&name, |slot| slot.binary = server)?;
        }
        Ok(cluster)
    }

    /// The node of that name. See [`Node`].
    pub fn node(&self, name: &str) -> Node<'_> {
        Node::new(self, name)
    }

    /// Every node, removed and stopped ones included, in the order they were added.
    pub fn nodes(&self) -> Vec<Node<'_>> {
        let names: Vec<_> = self.slots().iter().map(|slot| slot.name.clone()).collect();
        names.iter().map(|name| self.node(name)).collect()
    }

    /// The nodes whose servers run, in the order they were added.
    pub fn running(&self) -> Vec<Node<'_>> {
        let mut nodes = self.nodes();
        nodes.retain(|node| matches!(node.state(), Ok(NodeState::Running)));
        nodes
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The server binary that runs.
    pub fn binary(&self) -> &ServerBinary {
        &self.binary
    }

    /// The user of the account that has JetStream.
    pub fn credentials(&self) -> &Credentials {
        self.user.credentials()
    }

    /// The user of the system account.
    pub fn system_credentials(&self) -> &Credentials {
        self.system.credentials()
    }

    /// Addresses for clients, one per node. They stay right whatever happens to the nodes.
    pub fn client_urls(&self) -> Vec<String> {
        self.client_addresses()
            .iter()
            .map(|address| format!("nats://{address}"))
            .collect()
    }

    /// Adds a fresh, empty node under the next free name and waits until the meta group has it.
    ///
    /// # Errors
    /// [`Error::Exited`] when its server does not stay up, [`Error::Timeout`] when the meta
    /// group does not take it, [`Error::BadCluster`] when the cluster began as a single server.
    pub async fn add_node(&self) -> Result<Node<'_>> {
        let name = {
            let slots = self.slots();
            (slots.len() + 1..)
                .map(|number| self.settings.node_name(number))
                .find(|name| slots.iter().all(|slot| slot.name != *name))
                .expect("there are more numbers than nodes")
        };
        self.add_node_named(&name).await
    }

    /// Adds a fresh, empty node under a name and waits until the meta group has it.
    ///
    /// # Errors
    /// As [`Cluster::add_node`]; [`Error::BadNodeName`] when the name is taken.
    pub async fn add_node_named(&self, name: &str) -> Result<Node<'_>> {
        let _verb = self.verb().await;
        self.check_name(name)?;
        if self.settings.standalone {
            return Err(Error::BadCluster(String::from(
                "it began as a single server, which nobody can join",
            )));
        }
        let key = self.add_slot(name, Vec::new()).await?;
        self.launch(key).await?;
        self.wait_member(name).await?;
        Ok(self.node(name))
    }

    /// Copies every node's configuration and log to `directory`, one directory per node.
    ///
    /// # Errors
    /// [`Error::Io`] when a copy fails; the others are made all the same.
    pub async fn copy_evidence(&self, directory: &Path) -> Result<()> {
        let nodes: Vec<_> = self
            .slots()
            .iter()
            .map(|slot| (slot.key, slot.name.clone()))
            .collect();
        let mut outcome = Ok(());
        for (key, name) in nodes {
            let copied = self.host.copy_evidence(key, &directory.join(name)).await;
            outcome = outcome.and(copied);
        }
        outcome
    }

    /// Keeps configurations, logs and stores when the cluster is dropped; returns their place.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory can't be marked.
    pub fn keep(&mut self) -> Result<&Path> {
        self.scratch.keep()?;
        self.host.keep(self.scratch.path());
        Ok(self.scratch.path())
    }

    /// Ends every server in good order, all at once, so that each disk holds what its node
    /// had. Nodes that are paused are killed.
    ///
    /// # Errors
    /// [`Error::Timeout`] when a server does not end.
    pub async fn stop_all(&self) -> Result<()> {
        let _verb = self.verb().await;
        let nodes = self.nodes();
        futures_util::future::try_join_all(nodes.iter().map(Node::wind_down)).await?;
        Ok(())
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// Whether a fault can be injected here.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the reason.
    pub fn check_possible(&self, fault: Fault) -> Result<()> {
        let possible = self.host.possible(fault);
        possible.map_err(|reason| Error::Unsupported { fault, reason })
    }

    pub(crate) async fn verb(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.verbs.lock().await
    }

    pub(crate) fn client_addresses(&self) -> Vec<SocketAddr> {
        let slots = self.slots();
        slots.iter().map(|slot| slot.client.address()).collect()
    }

    /// Addresses for clients that ask the cluster as a whole: as [`Cluster::client_urls`],
    /// without running nodes that are cut off, which answer with what they last knew.
    pub fn urls_to_ask(&self) -> Vec<String> {
        let addresses = self.addresses_to_ask();
        let urls = addresses.iter().map(|address| format!("nats://{address}"));
        urls.collect()
    }

    /// Where to ask the cluster: everywhere but at running nodes that are cut off.
    pub(crate) fn addresses_to_ask(&self) -> Vec<SocketAddr> {
        let main_side = self.main_side();
        let slots = self.slots();
        let asked = slots
            .iter()
            .filter(|slot| slot.state != NodeState::Running || main_side.contains(&slot.key));
        asked.map(|slot| slot.client.address()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() && self.keep().is_ok() {
            announce(self.scratch.path());
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the caller is panicking: nobody else can say where the evidence is"
)]
fn announce(evidence: &Path) {
    eprintln!(
        "lifeboat: configurations, logs and stores of this cluster are kept in {}",
        evidence.display()
    );
}

/// The server to run, found before anything is made.
async fn find_server(builder: &ClusterBuilder, runtime: Runtime) -> Result<ServerBinary> {
    if let Some(server) = &builder.found {
        return Ok(server.clone());
    }
    let image = builder.image.clone().or_else(|| {
        let image = std::env::var("LIFEBOAT_IMAGE").ok();
        image.filter(|image| !image.is_empty())
    });
    if let Some(image) = image.filter(|_| runtime == Runtime::Container) {
        return identify_image(&image).await;
    }
    let request = match &builder.server {
        Some(request) => request.clone(),
        None => ServerRequest::from_env()?,
    };
    tokio::task::spawn_blocking(move || request.locate())
        .await
        .map_err(|error| Error::BadCluster(error.to_string()))?
        .map_err(Error::from)
}

fn new_user(account: &str) -> Credentials {
    Credentials {
        account: account.to_owned(),
        user: account.to_lowercase(),
        password: random_word(),
    }
}

/// A word nobody else uses: names of clusters, passwords of throwaway users.
fn random_word() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    // Every `RandomState` is keyed anew from the system's randomness.
    let word = RandomState::new().hash_one(std::process::id());
    format!("{word:016x}")
}
