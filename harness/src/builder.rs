//! What a cluster should be, before it is.

use std::path::PathBuf;
use std::time::Duration;

use semver::Version;

use crate::binary::ServerRequest;
use crate::cluster::Cluster;
use crate::error::{Error, Result};

/// More nodes than this on one machine measure the machine, not the servers.
pub const MAX_NODES: usize = 15;

/// Describes a [`Cluster`] and starts it. See [`Cluster::builder`].
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    pub(crate) nodes: usize,
    pub(crate) name: Option<String>,
    pub(crate) account: String,
    pub(crate) server: Option<ServerRequest>,
    pub(crate) tags: Vec<Vec<String>>,
    pub(crate) domain: Option<String>,
    pub(crate) sync_interval: Option<String>,
    pub(crate) extra_config: String,
    pub(crate) scratch_root: Option<PathBuf>,
    pub(crate) ready_within: Duration,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            nodes: 3,
            name: None,
            account: String::from("APP"),
            server: None,
            tags: Vec::new(),
            domain: None,
            sync_interval: None,
            extra_config: String::new(),
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

    /// More lines for every node's configuration, as they are.
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
        if !(1..=MAX_NODES).contains(&self.nodes) {
            return Err(Error::BadCluster(format!(
                "{} nodes; expected 1 to {MAX_NODES}",
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
