//! N nodes and the links between them: form, watch, change membership, tear down.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::admin::Admin;
use crate::binary::{ServerBinary, ServerRequest};
use crate::builder::ClusterBuilder;
use crate::config::{ClusterSettings, Credentials, NodeSettings};
use crate::error::{Error, Result, io_error};
use crate::keeper::Keeper;
use crate::link::{Aim, Link};
use crate::monitor::{Monitor, http_client};
use crate::node::{Node, NodeState};
use crate::runtime::process::ProcessRuntime;
use crate::runtime::{Addresses, NodeKey, Runtime};
use crate::scratch::Scratch;
use crate::wait::pause_for;

/// Nodes started this far apart rarely dial each other at the same instant, which would cost
/// both a second: 40 of 40 clusters formed within 0.62 s.
const STAGGER: Duration = Duration::from_millis(20);

/// A running cluster of real servers. Dropping it ends them and removes what they wrote; when
/// it is dropped by a panic, configurations, logs and stores are kept and their place printed.
#[derive(Debug)]
pub struct Cluster {
    settings: ClusterSettings,
    binary: ServerBinary,
    slots: Mutex<Vec<Slot>>,
    links: Mutex<BTreeMap<(NodeKey, NodeKey), Link>>,
    /// Held by a verb that changes a node, so that two never interleave.
    verbs: tokio::sync::Mutex<()>,
    http: reqwest::Client,
    pub(crate) system: Admin,
    pub(crate) user: Admin,
    /// Dropped before the keeper and the directory: it ends the servers.
    runtime: Box<dyn Runtime>,
    keeper: Keeper,
    scratch: Scratch,
}

/// What is known of one node.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) key: NodeKey,
    pub(crate) name: String,
    pub(crate) state: NodeState,
    pub(crate) client: Link,
    /// Given to other servers as this node's address; leads nowhere, see `config::NodeSettings`.
    nowhere: Link,
    addresses: Option<Addresses>,
    tags: Vec<String>,
    /// Removed from the meta group: nobody lists it as a route any more.
    pub(crate) removed: bool,
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
            cluster.scratch.keep()?;
            return Err(Error::StartFailed {
                evidence: cluster.scratch.path().to_owned(),
                source: Box::new(source),
            });
        }
        Ok(cluster)
    }

    /// Everything but servers: binary, directory, keeper, links.
    async fn prepare(builder: ClusterBuilder) -> Result<Self> {
        let request = match builder.server {
            Some(request) => request,
            None => ServerRequest::from_env()?,
        };
        let binary = tokio::task::spawn_blocking(move || request.locate())
            .await
            .map_err(|error| Error::BadCluster(error.to_string()))??;
        let root = builder.scratch_root.unwrap_or_else(std::env::temp_dir);
        let scratch = Scratch::create(&root)?;
        let keeper = Keeper::start().map_err(io_error("starting the keeper's thread"))?;
        let runtime = Box::new(ProcessRuntime::new(
            binary.path.clone(),
            scratch.path().to_owned(),
            keeper.handle().clone(),
        ));
        let (system, user) = (new_user("SYS"), new_user(&builder.account));
        let settings = ClusterSettings {
            name: builder
                .name
                .unwrap_or_else(|| format!("lifeboat-{}", random_word())),
            standalone: builder.nodes == 1,
            system: system.clone(),
            accounts: vec![user.clone()],
            sync_interval: builder.sync_interval,
            domain: builder.domain,
            extra: builder.extra_config,
        };
        let cluster = Self {
            settings,
            binary,
            slots: Mutex::default(),
            links: Mutex::default(),
            verbs: tokio::sync::Mutex::default(),
            http: http_client()?,
            system: Admin::new(system),
            user: Admin::new(user),
            runtime,
            keeper,
            scratch,
        };
        for index in 0..builder.nodes {
            let tags = builder.tags.get(index).cloned().unwrap_or_default();
            cluster.add_slot(&format!("n{}", index + 1), tags).await?;
        }
        Ok(cluster)
    }

    /// Starts every node, a moment apart, and waits until they are one cluster.
    async fn start_all(&self, limit: Duration, count: usize) -> Result<()> {
        // While a cluster forms, only later nodes dial earlier ones: were both to dial, both
        // connections would be dropped as duplicates and tried again a second later.
        for ((from, to), link) in self.links().iter() {
            link.aim(if from > to { Aim::Hold } else { Aim::Refuse });
        }
        let keys: Vec<_> = self.slots().iter().map(|slot| slot.key).collect();
        let launches = keys.iter().enumerate().map(|(index, key)| async move {
            let turns = u32::try_from(index).unwrap_or(u32::MAX);
            pause_for(STAGGER * turns).await;
            self.launch_into(*key, |from, to| from > to).await
        });
        tokio::time::timeout(limit, futures_util::future::try_join_all(launches))
            .await
            .map_err(|_| self.silent_nodes(limit))??;
        self.wait_formed(limit, count).await?;
        self.aim_links(|_, _| true);
        Ok(())
    }

    /// The error that names the nodes whose servers did not come to listen in time.
    fn silent_nodes(&self, waited: Duration) -> Error {
        let mut silent = self.nodes();
        silent.retain(|node| matches!(node.state(), Ok(NodeState::Stopped)));
        let names: Vec<_> = silent.iter().map(Node::name).collect();
        Error::Timeout {
            what: String::from("every server to listen"),
            waited,
            last_seen: format!("no ports file of {}", names.join(", ")),
        }
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
                .map(|number| format!("n{number}"))
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
            let copied = self.runtime.copy_evidence(key, &directory.join(name)).await;
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

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    pub(crate) async fn verb(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.verbs.lock().await
    }

    pub(crate) fn client_addresses(&self) -> Vec<SocketAddr> {
        self.slots()
            .iter()
            .map(|slot| slot.client.address())
            .collect()
    }

    pub(crate) fn slot<T>(&self, name: &str, read: impl FnOnce(&mut Slot) -> T) -> Result<T> {
        let mut slots = self.slots();
        match slots.iter_mut().find(|slot| slot.name == name) {
            Some(slot) => Ok(read(slot)),
            None => Err(Error::UnknownNode {
                name: name.to_owned(),
                known: names(&slots),
            }),
        }
    }

    pub(crate) fn monitor_of(&self, name: &str) -> Result<Monitor> {
        let (state, addresses) = self.slot(name, |slot| (slot.state, slot.addresses))?;
        match addresses {
            Some(addresses) => Ok(Monitor::new(name, addresses.monitor, self.http.clone())),
            None => Err(Error::IllegalTransition {
                node: name.to_owned(),
                verb: "monitor",
                state,
            }),
        }
    }

    pub(crate) fn set_state(&self, key: NodeKey, state: NodeState) {
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.key == key) {
            slot.state = state;
        }
    }

    /// A node whose server has ended: nothing leads to it any more.
    pub(crate) fn mark_stopped(&self, key: NodeKey) {
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.key == key) {
            slot.state = NodeState::Stopped;
            slot.addresses = None;
        }
        self.aim_links(|_, _| true);
    }

    pub(crate) fn rename(&self, key: NodeKey, name: &str) -> Result<()> {
        self.check_name(name)?;
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.key == key) {
            name.clone_into(&mut slot.name);
            slot.removed = false;
        }
        Ok(())
    }

    /// Starts a node's server and leads every link to it.
    pub(crate) async fn launch(&self, key: NodeKey) -> Result<()> {
        self.launch_into(key, |_, _| true).await
    }

    /// Starts a node's server and leads those links to it that `open` allows.
    async fn launch_into(
        &self,
        key: NodeKey,
        open: impl Fn(NodeKey, NodeKey) -> bool,
    ) -> Result<()> {
        let settings = self.node_settings(key);
        let launched = self.runtime.launch(key, &self.settings, &settings).await;
        let addresses = launched?;
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.key == key) {
            slot.state = NodeState::Running;
            slot.addresses = Some(addresses);
        }
        self.aim_links_to(Some(key), open);
        Ok(())
    }

    fn aim_links(&self, open: impl Fn(NodeKey, NodeKey) -> bool) {
        self.aim_links_to(None, open);
    }

    /// Leads links to where their nodes really are: all of them, or those to one node.
    fn aim_links_to(&self, only: Option<NodeKey>, open: impl Fn(NodeKey, NodeKey) -> bool) {
        let aim = |address: Option<SocketAddr>| address.map_or(Aim::Refuse, Aim::Forward);
        let slots = self.slots();
        let wanted = |key: NodeKey| only.is_none_or(|only| only == key);
        for slot in slots.iter().filter(|slot| wanted(slot.key)) {
            slot.client.aim(aim(slot.addresses.map(|at| at.client)));
        }
        for ((from, to), link) in self.links().iter() {
            let target = slots.iter().find(|slot| slot.key == *to);
            if wanted(*to) && open(*from, *to) {
                link.aim(aim(target
                    .and_then(|slot| slot.addresses)
                    .and_then(|at| at.cluster)));
            }
        }
    }

    fn node_settings(&self, key: NodeKey) -> NodeSettings {
        let slots = self.slots();
        let own = slots
            .iter()
            .find(|slot| slot.key == key)
            .expect("a key is made together with its slot, and slots are never removed");
        let links = self.links();
        // A node that was removed is not listed: an empty node that joins takes the number of
        // its routes for the size of the meta group.
        let mut routes: Vec<_> = slots
            .iter()
            .filter(|slot| slot.key != key && !slot.removed)
            .filter_map(|slot| links.get(&(key, slot.key)))
            .map(Link::address)
            .collect();
        if routes.is_empty() {
            // Clustered JetStream does not start without a route; the last survivor gets one
            // that leads nowhere.
            routes.push(own.nowhere.address());
        }
        NodeSettings {
            name: own.name.clone(),
            tags: own.tags.clone(),
            routes,
            advertise: own.nowhere.address(),
        }
    }

    /// Makes the links of a new node, to and from every other.
    async fn add_slot(&self, name: &str, tags: Vec<String>) -> Result<NodeKey> {
        let others: Vec<_> = self.slots().iter().map(|slot| slot.key).collect();
        let key = NodeKey(others.len() + 1);
        let bind = || async {
            Link::bind(&self.keeper)
                .await
                .map_err(io_error("binding a port on loopback"))
        };
        for other in others {
            for pair in [(key, other), (other, key)] {
                let link = bind().await?;
                self.links().insert(pair, link);
            }
        }
        // A link to a node that exists already leads there at once.
        self.aim_links(|_, _| true);
        let (client, nowhere) = (bind().await?, bind().await?);
        self.slots().push(Slot {
            key,
            name: name.to_owned(),
            state: NodeState::Stopped,
            client,
            nowhere,
            addresses: None,
            tags,
            removed: false,
        });
        Ok(key)
    }

    fn check_name(&self, name: &str) -> Result<()> {
        let bad = |reason: &str| Error::BadNodeName {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(bad("expected letters, digits, `-` and `_`"));
        }
        if self.slots().iter().any(|slot| slot.name == name) {
            return Err(bad("it is taken"));
        }
        Ok(())
    }

    pub(crate) fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        // Slots are whole between any two statements, so a poisoned lock is still usable.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<(NodeKey, NodeKey), Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() && self.scratch.keep().is_ok() {
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

fn names(slots: &[Slot]) -> String {
    let names: Vec<_> = slots.iter().map(|slot| slot.name.as_str()).collect();
    names.join(", ")
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
