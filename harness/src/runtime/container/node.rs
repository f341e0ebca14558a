//! One node: its container, its volume, and what is done to them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerUpdateBody,
};
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, LogsOptionsBuilder,
};
use testcontainers::core::{AccessMode, IntoContainerPort as _, Mount};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::Shared;
use super::engine::{failed, is_absent};
use super::volume;
use crate::config::{ClusterSettings, NodeSettings, Placement, Ports, render};
use crate::error::{Error, Result, io_error};
use crate::runtime::{Addresses, NodeKey, Signal, StoreArea};
use crate::wait::{Probe, until};

/// Where servers listen: each has an address of its own.
const CLIENT_PORT: u16 = 4222;
pub(super) const CLUSTER_PORT: u16 = 6222;
const MONITOR_PORT: u16 = 8222;
/// Where the volume is in a container.
pub(super) const VOLUME: &str = "/data";
/// Where the store is in a container.
const STORE: &str = "/data/store";
/// Where the configuration is in a container.
const CONFIG: &str = "/lifeboat/server.conf";
/// How long a server may take until it listens; usually some 50 ms after its container runs.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);
/// How long one try to hear from a server may take.
const GREETS_WITHIN: Duration = Duration::from_secs(1);
/// More memory than any machine has: what an engine takes for no limit at all.
const NO_LIMIT: i64 = 1 << 50;

/// A node, as the engine has it.
#[derive(Debug)]
pub(super) struct NodeContainer {
    pub(super) shared: Arc<Shared>,
    key: NodeKey,
    name: String,
    record: Mutex<Record>,
}

/// What changes of a node.
#[derive(Debug, Default)]
struct Record {
    container: Option<ContainerAsync<GenericImage>>,
    volume: Option<volume::Volume>,
    volumes_made: u32,
    config: String,
    /// What containers logged that are gone.
    log: Vec<u8>,
    read_only: bool,
    /// The container is not what it should be any more: the next start makes another.
    outdated: bool,
    memory: Option<i64>,
}

/// The configuration of a node in a container.
pub(super) fn config(cluster: &ClusterSettings, node: &NodeSettings) -> String {
    let placement = Placement {
        listen: "0.0.0.0",
        store: Path::new(STORE),
        ports: Ports::Fixed {
            client: CLIENT_PORT,
            cluster: CLUSTER_PORT,
            monitor: MONITOR_PORT,
        },
    };
    render(cluster, node, placement)
}

impl NodeContainer {
    pub(super) fn new(shared: Arc<Shared>, key: NodeKey) -> Self {
        let name = shared.name_of(key);
        Self {
            shared,
            key,
            name,
            record: Mutex::default(),
        }
    }

    pub(super) fn docker(&self) -> &Docker {
        self.shared.engine.docker()
    }

    fn failed<E: ToString>(&self, doing: &str) -> impl FnOnce(E) -> Error {
        failed(format!("{doing} {}", self.name))
    }

    /// Starts the server, in a new container when there is none that will do, and waits until
    /// it listens.
    pub(super) async fn launch(&self, config: String, node: &str) -> Result<Addresses> {
        let mut record = self.record.lock().await;
        record.config = config;
        if record.outdated {
            self.discard(&mut record).await?;
        }
        if record.volume.is_none() {
            record.volumes_made += 1;
            let name = format!("{}-{}", self.name, record.volumes_made);
            record.volume = Some(volume::Volume::make(&self.shared, &name).await?);
        }
        match &record.container {
            Some(container) => {
                self.hand_in_config(&record.config).await?;
                container.start().await.map_err(self.failed("starting"))?;
            }
            None => {
                let container = self.request(&record).start().await;
                record.container = Some(container.map_err(self.failed("starting"))?);
            }
        }
        drop(record);
        let listening = self.listening(node).await;
        if listening.is_err() {
            // A server that does not listen must not live on beside a node that counts as
            // stopped. It may have ended already, which is as good.
            let _killed = self.kill("SIGKILL").await;
        }
        listening
    }

    /// The container to make.
    fn request(&self, record: &Record) -> ContainerRequest<GenericImage> {
        let (name, tag) = self
            .shared
            .image
            .split_once(':')
            .unwrap_or((&self.shared.image, "latest"));
        let mode = if record.read_only {
            AccessMode::ReadOnly
        } else {
            AccessMode::ReadWrite
        };
        let volume = record.volume.as_ref().map(volume::Volume::name);
        let mount = Mount::volume_mount(volume.unwrap_or_default(), VOLUME);
        let memory = record.memory;
        let published = self.shared.network.gateway().is_none();
        let mut image = GenericImage::new(name, tag);
        if published {
            image = image
                .with_exposed_port(CLIENT_PORT.tcp())
                .with_exposed_port(MONITOR_PORT.tcp());
        }
        image
            .with_container_name(&self.name)
            .with_hostname(self.key.to_string())
            .with_network(self.shared.network.name())
            .with_labels(self.shared.labels.clone())
            .with_mount(mount.with_access_mode(mode))
            .with_copy_to(CONFIG, record.config.clone().into_bytes())
            .with_cmd(["--config", CONFIG])
            .with_host_config_modifier(move |host| {
                // An image may list ports that nobody needs on the machine.
                host.publish_all_ports = Some(published);
                host.memory = memory;
                host.memory_swap = memory;
            })
    }

    /// Hands a stopped container another configuration.
    async fn hand_in_config(&self, config: &str) -> Result<()> {
        let mut packer = super::archive::Packer::new();
        packer.file(CONFIG.trim_start_matches('/'), 0o600, config.as_bytes());
        let uploaded = volume::upload(self.docker(), &self.name, "/", packer.finish()).await;
        uploaded.map_err(self.failed("handing a configuration to"))
    }

    /// Waits until the server greets a client, and other servers can reach it.
    async fn listening(&self, node: &str) -> Result<Addresses> {
        let listens = until(LISTENS_WITHIN, || async {
            match self.exited().await {
                Ok(None) => {}
                Ok(Some(status)) => return Probe::Ready(Err(status)),
                Err(error) => return Probe::Pending(error.to_string()),
            }
            let addresses = match self.addresses().await {
                Ok(addresses) => addresses,
                Err(error) => return Probe::Pending(error.to_string()),
            };
            match greets(addresses).await {
                Ok(()) => Probe::Ready(Ok(addresses)),
                Err(seen) => Probe::Pending(seen),
            }
        });
        match listens.await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(status)) => Err(Error::Exited {
                node: node.to_owned(),
                status,
                log_tail: super::tail(&self.log().await.unwrap_or_default()),
            }),
            Err(timed_out) => Err(timed_out.awaiting(format!("node `{node}` to listen"))),
        }
    }

    /// Where the server is reached from here; another place after every start.
    async fn addresses(&self) -> Result<Addresses> {
        if self.shared.network.gateway().is_none() {
            return self.published_addresses().await;
        }
        let seen = self.inspect().await.map_err(self.failed("looking at"))?;
        let networks = seen.network_settings.and_then(|settings| settings.networks);
        let own = networks.and_then(|mut networks| networks.remove(self.shared.network.name()));
        let ip = own.and_then(|own| own.ip_address).unwrap_or_default();
        let ip = ip.parse().map_err(|_| {
            failed(format!("looking for the address of {}", self.name))("it has none")
        })?;
        Ok(Addresses {
            client: SocketAddr::new(ip, CLIENT_PORT),
            cluster: Some(SocketAddr::new(ip, CLUSTER_PORT)),
            monitor: SocketAddr::new(ip, MONITOR_PORT),
        })
    }

    /// The ports of the engine's machine that lead to the server.
    async fn published_addresses(&self) -> Result<Addresses> {
        let record = self.record.lock().await;
        let Some(container) = &record.container else {
            return Err(failed(format!("looking for {}", self.name))(
                "it was removed",
            ));
        };
        let doing = || format!("looking for the published ports of {}", self.name);
        let host = container.get_host().await.map_err(failed(doing()))?;
        let address_of = async |port: u16| {
            let published = container.get_host_port_ipv4(port.tcp()).await;
            let place = format!("{host}:{}", published.map_err(failed(doing()))?);
            let mut resolved = tokio::net::lookup_host(place)
                .await
                .map_err(failed(doing()))?;
            resolved
                .next()
                .ok_or_else(|| failed(doing())("the engine's host has no address"))
        };
        Ok(Addresses {
            client: address_of(CLIENT_PORT).await?,
            cluster: None,
            monitor: address_of(MONITOR_PORT).await?,
        })
    }

    async fn inspect(&self) -> Result<ContainerInspectResponse, BollardError> {
        let options = None::<InspectContainerOptions>;
        self.docker().inspect_container(&self.name, options).await
    }

    /// How the server ended, or nothing while it runs.
    pub(super) async fn exited(&self) -> Result<Option<String>> {
        use ContainerStateStatusEnum as Status;
        let seen = match self.inspect().await {
            Err(error) if is_absent(&error) => return Ok(Some(String::from("never started"))),
            seen => seen.map_err(self.failed("looking at"))?,
        };
        let state = seen.state.unwrap_or_default();
        Ok(match state.status {
            Some(Status::EXITED | Status::DEAD) => {
                let code = state.exit_code.unwrap_or_default();
                let why = match (state.oom_killed, state.error.as_deref()) {
                    (Some(true), _) => ", out of memory",
                    (_, Some("") | None) => "",
                    (_, Some(_)) => ", see the engine's log",
                };
                Some(format!("exit code {code}{why}"))
            }
            Some(Status::CREATED) => Some(String::from("never started")),
            Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING) => None,
            Some(Status::REMOVING | Status::STOPPING | Status::EMPTY) | None => None,
        })
    }

    pub(super) async fn signal(&self, signal: Signal) -> Result<()> {
        let name = match signal {
            Signal::Kill => "SIGKILL",
            Signal::Terminate => "SIGTERM",
            Signal::LameDuck => "SIGUSR2",
            Signal::Pause | Signal::Resume => {
                let record = self.record.lock().await;
                let Some(container) = &record.container else {
                    return Ok(());
                };
                let done = if signal == Signal::Pause {
                    container.pause().await
                } else {
                    container.unpause().await
                };
                return done.map_err(self.failed("pausing or resuming"));
            }
        };
        self.kill(name).await
    }

    /// Signals the server; one that has ended is left in peace.
    async fn kill(&self, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let killed = self
            .docker()
            .kill_container(&self.name, Some(options))
            .await;
        match killed {
            Err(_) if self.exited().await?.is_some() => Ok(()),
            killed => killed.map_err(self.failed("signalling")),
        }
    }

    /// Removes a stopped node's disk, or all of one stream on it.
    pub(super) async fn wipe(&self, area: &StoreArea) -> Result<()> {
        let mut record = self.record.lock().await;
        let rest = match (area, record.container.is_some()) {
            (StoreArea::All, _) | (_, false) => None,
            (StoreArea::Stream { .. }, true) => {
                volume::download(self.docker(), &self.name, STORE).await?
            }
        };
        self.discard(&mut record).await?;
        if let Some(volume) = record.volume.take() {
            volume.remove(&self.shared).await?;
        }
        let Some(rest) = rest else { return Ok(()) };
        record.volumes_made += 1;
        let name = format!("{}-{}", self.name, record.volumes_made);
        let volume = volume::Volume::make(&self.shared, &name).await?;
        let path = path_in_store(area);
        volume.fill_from(&self.shared, rest, &path).await?;
        record.volume = Some(volume);
        Ok(())
    }

    /// Removes the container and keeps what it logged. The volume stays.
    async fn discard(&self, record: &mut Record) -> Result<()> {
        record.outdated = false;
        if let Some(container) = record.container.take() {
            let log = self.current_log().await?;
            record.log.extend(log);
            container.rm().await.map_err(self.failed("removing"))?;
        }
        Ok(())
    }

    pub(super) async fn fill_disk(&self) -> Result<()> {
        let record = self.record.lock().await;
        match (&record.volume, self.shared.disk_bytes) {
            (Some(volume), Some(bytes)) => volume.fill(&self.shared, bytes).await,
            _ => Err(failed(format!("filling the disk of {}", self.name))(
                "it was wiped",
            )),
        }
    }

    pub(super) async fn free_disk(&self) -> Result<()> {
        let record = self.record.lock().await;
        match &record.volume {
            Some(volume) => volume.free(&self.shared).await,
            None => Ok(()),
        }
    }

    pub(super) async fn set_read_only(&self, read_only: bool) -> Result<()> {
        let mut record = self.record.lock().await;
        record.outdated |= record.read_only != read_only;
        record.read_only = read_only;
        Ok(())
    }

    pub(super) async fn limit_memory(&self, bytes: Option<u64>) -> Result<()> {
        let mut record = self.record.lock().await;
        let limit = bytes.map(|bytes| i64::try_from(bytes).unwrap_or(NO_LIMIT));
        if record.container.is_some() {
            let body = ContainerUpdateBody {
                memory: Some(limit.unwrap_or(NO_LIMIT)),
                // Swap would only delay the end.
                memory_swap: Some(limit.unwrap_or(-1)),
                ..ContainerUpdateBody::default()
            };
            let updated = self.docker().update_container(&self.name, body).await;
            updated.map_err(self.failed("limiting the memory of"))?;
        }
        record.memory = limit;
        Ok(())
    }

    /// Copies part of a stopped node's disk; whether there was any.
    pub(super) async fn copy_store(&self, area: &StoreArea, to: &Path) -> Result<bool> {
        let record = self.record.lock().await;
        let path = match area {
            StoreArea::All => STORE.to_owned(),
            StoreArea::Stream { .. } => format!("{STORE}/{}", path_in_store(area).display()),
        };
        let downloaded = match (&record.container, &record.volume) {
            (Some(_), _) => volume::download(self.docker(), &self.name, &path).await,
            (None, Some(volume)) => volume.download(&self.shared, &path).await,
            (None, None) => Ok(None),
        };
        let Some(archive) = downloaded? else {
            return Ok(false);
        };
        volume::unpack(archive, to).await?;
        Ok(true)
    }

    pub(super) async fn copy_evidence(&self, to: &Path) -> Result<()> {
        let log = self.log().await?;
        let config = self.record.lock().await.config.clone();
        let written = fs::create_dir_all(to)
            .and_then(|()| fs::write(to.join("server.conf"), config))
            .and_then(|()| fs::write(to.join("server.log"), log));
        written.map_err(io_error(format!("writing to {}", to.display())))
    }

    /// All that the node has logged.
    pub(super) async fn log(&self) -> Result<Vec<u8>> {
        let mut log = self.record.lock().await.log.clone();
        log.extend(self.current_log().await?);
        Ok(log)
    }

    /// What the present container has logged.
    async fn current_log(&self) -> Result<Vec<u8>> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let lines = self.docker().logs(&self.name, Some(options));
        let lines: Result<Vec<_>, _> = lines.try_collect().await;
        match lines {
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            lines => {
                let lines = lines.map_err(self.failed("reading the log of"))?;
                Ok(lines
                    .into_iter()
                    .flat_map(|line| line.into_bytes())
                    .collect())
            }
        }
    }

    /// Saves configuration, log and store before all is removed, as far as that goes.
    pub(super) async fn save(&self, to: &Path) {
        let _ended = self.kill("SIGKILL").await;
        let _saved = self.copy_evidence(to).await;
        let _saved = self.copy_store(&StoreArea::All, &to.join("store")).await;
    }

    /// Removes the container.
    pub(super) async fn forget(&self) {
        if let Some(container) = self.record.lock().await.container.take() {
            // What is left is removed by its label.
            let _removed = container.rm().await;
        }
    }
}

/// Where a stream is, seen from the store.
fn path_in_store(area: &StoreArea) -> std::path::PathBuf {
    match area {
        StoreArea::All => std::path::PathBuf::new(),
        StoreArea::Stream { account, stream } => Path::new("jetstream")
            .join(account)
            .join("streams")
            .join(stream),
    }
}

/// Whether a server greets a client as servers do, and takes connections of others.
async fn greets(addresses: Addresses) -> std::result::Result<(), String> {
    let greeting = async {
        let mut client = TcpStream::connect(addresses.client).await?;
        let mut greeting = [0; 4];
        client.read_exact(&mut greeting).await?;
        Ok::<_, std::io::Error>(greeting)
    };
    match tokio::time::timeout(GREETS_WITHIN, greeting).await {
        Ok(Ok(greeting)) if &greeting == b"INFO" => Ok(()),
        Ok(Ok(other)) => Err(format!("a greeting that begins with {other:?}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(String::from("silence")),
    }
}
