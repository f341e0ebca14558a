//! From a stopped node to a server that listens.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use testcontainers::core::{AccessMode, IntoContainerPort as _, Mount};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerRequest, GenericImage, ImageExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::archive::Packer;
use super::engine::failed;
use super::node::{NodeContainer, Record, STORE, VOLUME};
use super::volume::{Volume, remove_container, upload};
use crate::config::{ClusterSettings, NodeSettings, Placement, Ports, render};
use crate::error::{Error, Result};
use crate::runtime::{Addresses, tail};
use crate::wait::{Probe, until};

/// Where servers listen: each has an address of its own.
const CLIENT_PORT: u16 = 4222;
pub(super) const CLUSTER_PORT: u16 = 6222;
const MONITOR_PORT: u16 = 8222;
/// Where the configuration is in a container.
const CONFIG: &str = "/lifeboat/server.conf";
/// How long a server may take until it listens; usually some 50 ms after its container runs.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);
/// How long one try to hear from a server may take.
const GREETS_WITHIN: Duration = Duration::from_secs(1);

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
    /// Starts the server, in a new container when there is none that will do, and waits until
    /// it listens.
    pub(super) async fn launch(
        &self,
        config: String,
        node: &str,
        launch: u64,
    ) -> Result<Addresses> {
        let _launching = self.launching.lock().await;
        if !self.is_latest(launch) {
            return Err(self.failed("starting")(
                "it was given up, and started again",
            ));
        }
        let mut record = self.record.lock().await;
        record.config = config;
        if record.outdated {
            self.discard(&mut record).await?;
        }
        if record.volume.is_none() {
            record.volume = Some(self.next_volume(&mut record).await?);
        }
        let started = match &record.container {
            Some(container) => {
                // Left by a start that was given up.
                self.end().await?;
                self.hand_in_config(&record.config).await?;
                container.start().await
            }
            None => match self.request(&record).start().await {
                Ok(container) => {
                    record.container = Some(container);
                    Ok(())
                }
                Err(error) => {
                    // It may have been made, and has its name then, without anybody to drop it.
                    remove_container(self.docker(), &self.name).await?;
                    Err(error)
                }
            },
        };
        drop(record);
        let listening = match started {
            Ok(()) => self.listening(node).await,
            Err(error) => Err(self.failed("starting")(error)),
        };
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
        let volume = record.volume.as_ref().map(Volume::name);
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
        let mut packer = Packer::new();
        packer.file(CONFIG.trim_start_matches('/'), 0o600, config.as_bytes());
        let uploaded = upload(self.docker(), &self.name, "/", packer.finish()).await;
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
                log_tail: tail(&self.log().await.unwrap_or_default()),
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
