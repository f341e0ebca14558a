//! Clusters: from the table as written to what can be started, and the step by which one takes the
//! other's place.

use std::collections::BTreeMap;
use std::ops::Range;

use lifeboat_harness::{KNOWN_VERSIONS, MAX_NODES, parse_version};
use semver::Version;
use toml::Spanned;

use super::cluster_spec::ClusterSpec;
use super::diagnostic::{Diagnostic, Pointer};
use super::operator_step::OperatorStep;
use super::resolve::Resolver;
use super::written;
use crate::model::meant;

type Result<T> = std::result::Result<T, Diagnostic>;

/// The number of nodes when nothing is said.
const NODES: usize = 3;
/// The account when nothing is said.
const ACCOUNT: &str = "APP";
/// What names of nodes begin with, in the first cluster and in the one that takes over.
const PREFIX: &str = "n";
const RECOVERY_PREFIX: &str = "r";

impl Pointer<'_> {
    /// `[cluster]`
    pub(super) fn cluster(&self, written: &written::Cluster) -> Result<ClusterSpec> {
        if let Some(server) = &written.server {
            let message = "which server runs is said when a drill is run (`--server-version`); `node_servers` says it of single nodes";
            return Err(self.value(server, message));
        }
        self.spec(written, PREFIX)
    }

    /// `[recovery_cluster]`
    pub(super) fn recovery_cluster(&self, written: &written::Cluster) -> Result<ClusterSpec> {
        self.spec(written, RECOVERY_PREFIX)
    }

    fn spec(&self, written: &written::Cluster, node_prefix: &'static str) -> Result<ClusterSpec> {
        let most = i64::try_from(MAX_NODES).unwrap_or(i64::MAX);
        let nodes = match &written.nodes {
            Some(nodes) => self.count(nodes, 1..=most, "nodes")?,
            None => NODES,
        };
        let account = match &written.account {
            Some(account) => self.word(account, "an account's name")?,
            None => String::from(ACCOUNT),
        };
        let server = written.server.as_ref();
        let disk = written.disk.as_ref();
        let mut spec = ClusterSpec {
            nodes,
            node_prefix,
            server: server.map(|server| self.version(server)).transpose()?,
            node_servers: BTreeMap::new(),
            account,
            sync_interval: written.sync_interval.clone(),
            disk_bytes: disk.map(|disk| self.bytes(disk)).transpose()?,
            encrypted: written.encrypted,
            tags: self.tags(&written.tags, nodes)?,
        };
        let names = spec.node_names();
        for (node, server) in &written.node_servers {
            let Some(index) = names.iter().position(|name| name == node.get_ref()) else {
                let name = node.get_ref();
                let message = format!(
                    "`{name}` is no node of it; expected one of {}{}",
                    names.join(", "),
                    meant(name, &names)
                );
                return Err(self.value(node, message));
            };
            spec.node_servers.insert(index + 1, self.version(server)?);
        }
        Ok(spec)
    }

    /// The tags of each node.
    fn tags(&self, written: &[Spanned<Vec<String>>], nodes: usize) -> Result<Vec<Vec<String>>> {
        if let Some(too_many) = written.get(nodes) {
            let message = format!("tags for more than the {nodes} nodes there are");
            return Err(self.value(too_many, message));
        }
        for tags in written {
            if tags.get_ref().iter().any(|tag| tag.trim().is_empty()) {
                return Err(self.value(tags, "a tag is a word"));
            }
        }
        Ok(written.iter().map(|tags| tags.get_ref().clone()).collect())
    }

    /// A server's version.
    pub(super) fn version(&self, text: &Spanned<String>) -> Result<Version> {
        parse_version(text.get_ref()).map_err(|error| {
            let known: Vec<_> = KNOWN_VERSIONS.iter().map(ToString::to_string).collect();
            let hint = meant(text.get_ref(), &known);
            self.value(text, format!("{error}{hint}"))
        })
    }
}

impl Resolver<'_> {
    /// From here on everything is about the recovery cluster, where nodes have other names and nothing
    /// that was done to the first one's counts.
    pub(super) fn fail_over(&mut self, span: Range<usize>) -> Result<OperatorStep> {
        if let Some((name, begun)) = self.running.first_key_value() {
            let message = format!(
                "backup `{name}` is still being taken or restored when another cluster takes over: end that first"
            );
            return Err(self.pointer.at(begun.clone(), message));
        }
        let Some(recovery) = self.recovery.take() else {
            let message = if self.failed_over {
                "the recovery cluster has taken over already"
            } else {
                "no cluster can take over: add a [recovery_cluster] table"
            };
            return Err(self.pointer.at(span, message));
        };
        self.cluster = recovery;
        self.failed_over = true;
        self.adds_nodes = false;
        self.aliases.clear();
        self.copies.clear();
        Ok(OperatorStep::FailOver)
    }
}
