//! The clusters of a drill: the one it begins with, and the one that stands by until it takes over.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_harness::{
    Cluster, ClusterBuilder, Error as HarnessError, ServerBinary, ServerRequest, ServerSource,
};
use semver::Version;

use super::clients::ClientSet;
use super::evidence::Evidence;
use super::failure::impossible;
use super::needs::faults_in;
use super::run::DrillSettings;
use super::steps::Outcome;
use super::world::World;
use crate::model::count;
use crate::scenario::{ClusterSpec, OperatorStep, Scenario, Step};

/// The key of an encrypted cluster, each another: whoever has the evidence may read it.
pub(super) fn key_of(spec: &ClusterSpec) -> String {
    format!("lifeboat-{}", spec.node_prefix)
}

/// The clusters of a drill, running.
pub(super) struct Clusters {
    first: Cluster,
    /// Stands by, empty, until it takes over.
    recovery: Option<Cluster>,
    taken_over: AtomicBool,
    servers: OtherServers,
}

/// The servers of other versions that a drill names, found or fetched.
pub(super) struct OtherServers {
    found: BTreeMap<Version, ServerBinary>,
    offline: bool,
}

impl OtherServers {
    /// Finds every one, before anything starts.
    pub(super) async fn find(scenario: &Scenario, offline: bool) -> Result<Self, String> {
        let upgrades = scenario.steps.iter().filter_map(|step| {
            let Step::Operator(OperatorStep::Upgrade { to, .. }) = step else {
                return None;
            };
            Some(to)
        });
        let named = scenario.clusters().flat_map(ClusterSpec::servers);
        let mut found = BTreeMap::new();
        for version in upgrades.chain(named) {
            if !found.contains_key(version) {
                found.insert(version.clone(), find(version, offline).await?);
            }
        }
        Ok(Self { found, offline })
    }

    fn get(&self, version: &Version) -> Result<&ServerBinary, String> {
        let found = self.found.get(version);
        found.ok_or_else(|| format!("there is no server {version}"))
    }

    /// The same of one that nobody may have named at the beginning, as in a lab.
    pub(super) async fn get_or_find(&self, version: &Version) -> Result<ServerBinary, String> {
        match self.get(version) {
            Ok(server) => Ok(server.clone()),
            Err(_) => find(version, self.offline).await,
        }
    }
}

async fn find(version: &Version, offline: bool) -> Result<ServerBinary, String> {
    let from_env = ServerRequest::from_env().map_err(|error| error.to_string())?;
    let request = ServerRequest {
        path: None,
        version: Some(version.clone()),
        offline: from_env.offline || offline,
        ..from_env
    };
    let located = tokio::task::spawn_blocking(move || request.locate()).await;
    let located = located.map_err(|error| error.to_string())?;
    located.map_err(|error| error.to_string())
}

impl Clusters {
    /// Starts all that the scenario names.
    pub(super) async fn start(
        scenario: &Scenario,
        settings: &DrillSettings,
        servers: OtherServers,
        evidence: &Evidence,
    ) -> Result<Self, String> {
        let start = async |spec: &ClusterSpec| {
            let builder = describe(spec, settings, &servers)?;
            start(builder.needs(faults_in(scenario, spec)), evidence).await
        };
        let first = start(&scenario.cluster).await?;
        let recovery = match &scenario.recovery_cluster {
            Some(spec) => Some(start(spec).await?),
            None => None,
        };
        Ok(Self {
            first,
            recovery,
            taken_over: AtomicBool::new(false),
            servers,
        })
    }

    /// The one that the drill begins with.
    pub(super) fn first(&self) -> &Cluster {
        &self.first
    }

    /// The one that steps are about.
    pub(super) fn current(&self) -> &Cluster {
        match &self.recovery {
            Some(recovery) if self.has_failed_over() => recovery,
            Some(_) | None => &self.first,
        }
    }

    /// Whether the recovery cluster has taken over.
    pub(super) fn has_failed_over(&self) -> bool {
        self.taken_over.load(Ordering::Acquire)
    }

    pub(super) fn servers(&self) -> &OtherServers {
        &self.servers
    }

    fn all(&self) -> impl Iterator<Item = &Cluster> {
        std::iter::once(&self.first).chain(&self.recovery)
    }

    /// Ends all servers. Only those of the current cluster have to end in good order: what they hold
    /// is read.
    pub(super) async fn stop_all(&self) -> Result<(), HarnessError> {
        let mut outcome = Ok(());
        for cluster in self.all() {
            let stopped = cluster.stop_all().await;
            if std::ptr::eq(cluster, self.current()) {
                outcome = stopped;
            }
        }
        outcome
    }

    pub(super) async fn copy_evidence(&self, directory: &Path) -> Result<(), HarnessError> {
        let mut outcome = Ok(());
        for cluster in self.all() {
            outcome = outcome.and(cluster.copy_evidence(directory).await);
        }
        outcome
    }
}

/// From now on everybody uses the recovery cluster: clients, steps, judges.
pub(super) async fn fail_over(world: &World<'_>) -> Outcome {
    let Some(recovery) = &world.clusters.recovery else {
        return Err(impossible("no cluster stands by"));
    };
    let clients = ClientSet::open(recovery).await.map_err(impossible)?;
    world.recorder.clients.replace(clients).await;
    world.clusters.taken_over.store(true, Ordering::Release);
    world.note(format!(
        "{} of nats-server {} take over",
        count(recovery.nodes().len() as u64, "node"),
        recovery.binary().version
    ));
    Ok(())
}

fn describe(
    spec: &ClusterSpec,
    settings: &DrillSettings,
    servers: &OtherServers,
) -> Result<ClusterBuilder, String> {
    let server = match &spec.server {
        Some(version) => servers.get(version)?,
        None => &settings.server,
    };
    let mut builder = Cluster::builder()
        .nodes(spec.nodes)
        .node_prefix(spec.node_prefix)
        .account(&spec.account)
        .runtime(settings.runtime);
    builder = if server.source == ServerSource::Image {
        builder.found(server.clone())
    } else {
        // Looked at again: the file may have been replaced meanwhile.
        builder.server(ServerRequest {
            path: Some(server.path.clone()),
            version: Some(server.version.clone()),
            ..ServerRequest::default()
        })
    };
    for (number, version) in &spec.node_servers {
        builder = builder.node_server(*number, servers.get(version)?.clone());
    }
    if spec.encrypted {
        builder = builder.encrypted_at_rest(key_of(spec));
    }
    for tags in &spec.tags {
        builder = builder.tags(tags);
    }
    if let Some(interval) = &spec.sync_interval {
        builder = builder.sync_interval(interval);
    }
    if let Some(bytes) = spec.disk_bytes {
        builder = builder.disk_size(bytes);
    }
    Ok(builder)
}

async fn start(builder: ClusterBuilder, evidence: &Evidence) -> Result<Cluster, String> {
    match builder.start().await {
        Ok(cluster) => Ok(cluster),
        Err(HarnessError::StartFailed {
            evidence: kept,
            source,
        }) => {
            evidence.adopt(&kept);
            Err(format!("the cluster did not start: {source}"))
        }
        Err(error) => Err(format!("the cluster did not start: {error}")),
    }
}
