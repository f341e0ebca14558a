//! What a cluster should be, before it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use semver::Version;

use crate::binary::{ServerBinary, ServerRequest};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::runtime::Runtime;

/// More nodes than this on one machine measure the machine, not the servers.
pub const MAX_NODES: usize = 15;

/// Describes a [`Cluster`] and starts it. See [`Cluster::builder`].
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    pub(crate) nodes: usize,
    pub(crate) node_prefix: String,
    pub(crate) node_servers: BTreeMap<usize, ServerBinary>,
    pub(crate) name: Option<String>,
    pub(crate) account: String,
    pub(crate) server: Option<ServerRequest>,
    pub(crate) found: Option<ServerBinary>,
    pub(crate) tags: Vec<Vec<String>>,
    pub(crate) domain: Option<String>,
    pub(crate) sync_interval: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) extra_config: String,
    pub(crate) runtime: Option<Runtime>,
    pub(crate) image: Option<String>,
    pub(crate) disk_bytes: Option<u64>,
    pub(crate) reserve: Option<(u64, u64)>,
    pub(crate) needs: BTreeSet<Fault>,
    pub(crate) scratch_root: Option<PathBuf>,
    pub(crate) ready_within: Duration,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            nodes: 3,
            node_prefix: String::from("n"),
            node_servers: BTreeMap::new(),
            name: None,
            account: String::from("APP"),
            server: None,
            found: None,
            tags: Vec::new(),
            domain: None,
            sync_interval: None,
            key: None,
            extra_config: String::new(),
            runtime: None,
            image: None,
            disk_bytes: None,
            reserve: None,
            needs: BTreeSet::new(),
            scratch_root: None,
            ready_within: Duration::from_secs(60),
        }
    }
}

impl ClusterBuilder {
    /// How many nodes, called `n1`, `n2` and so on. Three unless said otherwise. One is a
    /// standalone server: it has no meta group, and no node can be added to it.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// What nodes' names begin with, `n` unless said otherwise, so that those of two clusters can be
    /// told apart.
    #[must_use]
    pub fn node_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.node_prefix = prefix.into();
        self
    }

    /// The server that one node runs, by its number from 1, where it is another than the cluster's: a
    /// cluster of mixed versions. See [`Fault::OtherServer`].
    #[must_use]
    pub fn node_server(mut self, number: usize, server: ServerBinary) -> Self {
        self.node_servers.insert(number, server);
        self.needs.insert(Fault::OtherServer);
        self
    }

    /// The cluster's name; a random one unless said otherwise, so that clusters side by side
    /// never take each other for their own.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The user account's name, `APP` unless said otherwise.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// The server version; see [`ClusterBuilder::server`].
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        self.server(ServerRequest {
            version: Some(version),
            ..ServerRequest::default()
        })
    }

    /// Which server runs. Unless said otherwise the environment decides
    /// ([`ServerRequest::from_env`]), so that one test suite can qualify any version.
    #[must_use]
    pub fn server(mut self, server: ServerRequest) -> Self {
        self.server = Some(server);
        self
    }

    /// Where the nodes run. Unless said otherwise the environment decides
    /// ([`Runtime::from_env`]), so that one test suite can use either.
    #[must_use]
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The image that containers run, such as `nats:2.12-alpine`: any whose entrypoint is a
    /// server. Unless said otherwise an image is made around the server binary.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Gives every node a disk of this size, in memory, so that it can be filled. Servers
    /// offer three quarters of it to streams.
    #[must_use]
    pub fn disk_size(mut self, bytes: u64) -> Self {
        self.disk_bytes = Some(bytes);
        self
    }

    /// How many bytes of disk and of memory streams may take on each node, by the servers' own count.
    /// A stream with a limit in bytes takes all of it from the beginning, so that servers of the
    /// usual size refuse large ones; nothing is reserved for them on the disk.
    #[must_use]
    pub fn reserve(mut self, disk_bytes: u64, memory_bytes: u64) -> Self {
        self.reserve = Some((disk_bytes, memory_bytes));
        self
    }

    /// Faults that must be possible: where one is not, the start is refused with
    /// [`Error::Unsupported`] before anything runs.
    #[must_use]
    pub fn needs(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.needs.extend(faults);
        self
    }

    /// A server that was found before, by [`ServerRequest::locate`] or [`identify_image`], as
    /// it is: nobody looks for it again.
    ///
    /// [`identify_image`]: crate::identify_image
    #[must_use]
    pub fn found(mut self, server: ServerBinary) -> Self {
        self.found = Some(server);
        self
    }

    /// The tags of the n-th node, for placement. Call it once per node, in order.
    #[must_use]
    pub fn tags<I: IntoIterator<Item = S>, S: Into<String>>(mut self, tags: I) -> Self {
        self.tags.push(tags.into_iter().map(Into::into).collect());
        self
    }

    /// The JetStream domain.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// How often servers sync their files to disk, such as `always` or `10s`; two minutes
    /// when nothing is said.
    #[must_use]
    pub fn sync_interval(mut self, interval: impl Into<String>) -> Self {
        self.sync_interval = Some(interval.into());
        self
    }

    /// Encrypts what servers store, with ChaCha20-Poly1305 and a key made from this one.
    #[must_use]
    pub fn encrypted_at_rest(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// More lines for every node's configuration, as they are. Not another `jetstream` block: it
    /// would take the place of the first, and with it the node's own store.
    #[must_use]
    pub fn extra_config(mut self, lines: impl Into<String>) -> Self {
        self.extra_config = lines.into();
        self
    }

    /// Where the cluster's own directory is made; the system's directory for temporary files
    /// unless said otherwise.
    #[must_use]
    pub fn scratch_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.scratch_root = Some(root.into());
        self
    }

    /// How long the start may take. Usually half a second; a lost first election costs up to
    /// nine.
    #[must_use]
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.ready_within = limit;
        self
    }

    /// Starts the cluster and returns when it is really ready: every node healthy, one meta
    /// leader known to all, every peer current, and JetStream answering the account.
    ///
    /// # Errors
    /// [`Error::Binary`] without a server binary; [`Error::StartFailed`] with the reason and
    /// the directory of the evidence when the servers did not come up.
    pub async fn start(self) -> Result<Cluster> {
        self.check()?;
        Cluster::start(self).await
    }

    fn check(&self) -> Result<()> {
        let mut lines = self.extra_config.lines().map(str::trim_start);
        if lines.any(|line| line.starts_with("jetstream")) {
            return Err(Error::BadCluster(String::from(
                "another `jetstream` block would take the place of the one with the nodes' own stores",
            )));
        }
        if !(1..=MAX_NODES).contains(&self.nodes) {
            return Err(Error::BadCluster(format!(
                "{} nodes; expected 1 to {MAX_NODES}",
                self.nodes
            )));
        }
        if let Some(number) = self
            .node_servers
            .keys()
            .find(|number| !(1..=self.nodes).contains(number))
        {
            return Err(Error::BadCluster(format!(
                "a server for node {number}, but there are only {}",
                self.nodes
            )));
        }
        if self.tags.len() > self.nodes {
            return Err(Error::BadCluster(format!(
                "tags for {} nodes, but there are only {}",
                self.tags.len(),
                self.nodes
            )));
        }
        Ok(())
    }
}
