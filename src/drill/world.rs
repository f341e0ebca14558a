//! What the stages and steps of a drill share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lifeboat_harness::{Cluster, Error as HarnessError};

use super::clusters::Clusters;
use super::evidence::Evidence;
use super::failure::{Failure, impossible};
use super::load::{Publisher, Recorder};
use super::lookout::Lookout;
use super::transfers::Transfer;
use crate::jetstream::{ConnectSettings, Connection, Login};
use crate::ledger::Event;
use crate::scenario::{ClusterSpec, Scenario, StreamSpec};

/// A drill under way.
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) clusters: &'a Clusters,
    pub(super) evidence: &'a Evidence,
    pub(super) recorder: Recorder,
    pub(super) publishers: Vec<Publisher>,
    pub(super) lookout: Lookout,
    /// How often something was done that is written down.
    deeds: AtomicU64,
    /// Nodes that steps have named, and backups with the stream each is of.
    names: Mutex<Names>,
    /// Backups and restores under way, by the backup's name.
    transfers: Mutex<BTreeMap<String, Transfer>>,
}

#[derive(Default)]
struct Names {
    nodes: BTreeMap<String, String>,
    backups: BTreeMap<String, NamedBackup>,
    /// How many disks were damaged.
    damaged: u64,
    /// How many objects were put into buckets.
    objects: u64,
}

/// A backup that a step took.
#[derive(Clone)]
pub(super) struct NamedBackup {
    pub(super) stream: String,
    pub(super) path: PathBuf,
}

/// Connects as the cluster's user to the first of these addresses that answers.
pub(super) async fn connect(cluster: &Cluster, servers: Vec<String>) -> Result<Connection, String> {
    let user = cluster.credentials();
    Connection::open(&ConnectSettings {
        servers,
        in_order: true,
        login: Login::Password {
            user: user.user.clone(),
            password: user.password.clone(),
        },
        ..ConnectSettings::default()
    })
    .await
    .map_err(|error| error.to_string())
}

/// Whether something was done, and not only said, seen or tried.
fn is_deed(event: &Event) -> bool {
    !matches!(
        event,
        Event::Noted { .. }
            | Event::Observed { .. }
            | Event::StepBegan { .. }
            | Event::StepEnded { .. }
            | Event::FaultBegan { .. }
    )
}

impl<'a> World<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        clusters: &'a Clusters,
        evidence: &'a Evidence,
        recorder: Recorder,
        publishers: Vec<Publisher>,
    ) -> Self {
        Self {
            scenario,
            clusters,
            evidence,
            recorder,
            publishers,
            lookout: Lookout::default(),
            deeds: AtomicU64::new(0),
            names: Mutex::default(),
            transfers: Mutex::default(),
        }
    }

    /// The cluster that steps are about.
    pub(super) fn cluster(&self) -> &'a Cluster {
        self.clusters.current()
    }

    /// What that cluster was to be.
    pub(super) fn cluster_spec(&self) -> &'a ClusterSpec {
        let recovery = self.scenario.recovery_cluster.as_ref();
        let recovery = recovery.filter(|_| self.clusters.has_failed_over());
        recovery.unwrap_or(&self.scenario.cluster)
    }

    /// The number of the next damage: no two of a drill are of the same kind by chance.
    pub(super) fn next_damage(&self) -> u64 {
        self.with_names(|names| {
            names.damaged += 1;
            names.damaged
        })
    }

    /// The number of the next object: no two of a drill are the same.
    pub(super) fn next_object(&self) -> u64 {
        self.with_names(|names| {
            names.objects += 1;
            names.objects
        })
    }

    pub(super) fn record(&self, event: Event) {
        if is_deed(&event) {
            self.deeds.fetch_add(1, Ordering::Relaxed);
        }
        self.recorder.record(event);
    }

    /// How often something was done that is written down: one that is about to be done is not.
    pub(super) fn deeds(&self) -> u64 {
        self.deeds.load(Ordering::Relaxed)
    }

    /// Writes something down that no judge uses, and tells whoever watches.
    pub(super) fn note(&self, text: String) {
        self.recorder.watcher.note(&text);
        self.record(Event::Noted { text });
    }

    /// Writes down what a server said that ended in a panic; whether it did.
    pub(super) fn record_panic(&self, error: &HarnessError) -> bool {
        let (HarnessError::Exited { node, .. }, Some(panic)) = (error, error.panic()) else {
            return false;
        };
        self.record(Event::ServerPanicked {
            node: node.clone(),
            text: panic.to_owned(),
        });
        true
    }

    /// A connection for what concerns the cluster as a whole: to no node that is cut off.
    pub(super) async fn connection(&self) -> Result<Connection, String> {
        let urls = self.cluster().urls_to_ask();
        if urls.len() == self.cluster().client_urls().len() {
            return Ok(self.recorder.clients.asking());
        }
        connect(self.cluster(), urls).await
    }

    /// What a stream is to be; the scenario was resolved, so there is one.
    pub(super) fn stream(&self, name: &str) -> Option<&'a StreamSpec> {
        self.scenario.streams.iter().find(|one| one.name == name)
    }

    /// The publisher of a stream; the scenario was resolved, so there is one.
    pub(super) fn publisher(&self, stream: &str) -> Option<&Publisher> {
        self.publishers.iter().find(|one| one.stream() == stream)
    }

    pub(super) fn name_node(&self, alias: &str, node: &str) {
        self.with_names(|names| names.nodes.insert(alias.to_owned(), node.to_owned()));
    }

    /// Whether a node has a name of its own choice.
    pub(super) fn is_named(&self, node: &str) -> bool {
        self.with_names(|names| names.nodes.values().any(|named| named == node))
    }

    pub(super) fn named_node(&self, alias: &str) -> Option<String> {
        self.with_names(|names| names.nodes.get(alias).cloned())
    }

    pub(super) fn name_backup(&self, backup: &str, stream: &str, path: PathBuf) {
        let stream = stream.to_owned();
        let named = NamedBackup { stream, path };
        self.with_names(|names| names.backups.insert(backup.to_owned(), named));
    }

    pub(super) fn named_backup(&self, backup: &str) -> Result<NamedBackup, Failure> {
        let named = self.with_names(|names| names.backups.get(backup).cloned());
        named.ok_or_else(|| impossible(format!("there is no backup `{backup}`")))
    }

    pub(super) fn begin_transfer(&self, backup: &str, transfer: Transfer) {
        self.transfers().insert(backup.to_owned(), transfer);
    }

    pub(super) fn end_transfer(&self, backup: &str) -> Option<Transfer> {
        self.transfers().remove(backup)
    }

    /// Ends whatever backups and restores a drill has left under way.
    pub(super) fn drop_transfers(&self) {
        self.transfers().clear();
    }

    fn transfers(&self) -> MutexGuard<'_, BTreeMap<String, Transfer>> {
        self.transfers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn with_names<T>(&self, use_names: impl FnOnce(&mut Names) -> T) -> T {
        use_names(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
