//! What a cluster of a drill is: the one it begins with, and the one that may take over.

use std::collections::BTreeMap;

use semver::Version;
use serde::Serialize;

/// A cluster to start.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterSpec {
    /// How many nodes it starts with.
    pub nodes: usize,
    /// What their names begin with.
    pub node_prefix: &'static str,
    /// The server they run; the one the drill is run with when nothing is said.
    pub server: Option<Version>,
    /// The servers of single nodes, by their number from 1, where they run another.
    pub node_servers: BTreeMap<usize, Version>,
    /// The account that the streams are in.
    pub account: String,
    /// How often servers sync to disk; their own default when empty.
    pub sync_interval: Option<String>,
    /// How many bytes each node's disk has; as many as there are when nothing is said.
    pub disk_bytes: Option<u64>,
    /// Whether servers encrypt what they store.
    pub encrypted: bool,
    /// The tags of each node, in order; there may be fewer than nodes.
    pub tags: Vec<Vec<String>>,
}

impl ClusterSpec {
    /// The names nodes have from the beginning.
    pub fn node_names(&self) -> Vec<String> {
        (1..=self.nodes)
            .map(|number| format!("{}{number}", self.node_prefix))
            .collect()
    }

    /// The server versions it names.
    pub fn servers(&self) -> impl Iterator<Item = &Version> {
        self.server.iter().chain(self.node_servers.values())
    }
}
