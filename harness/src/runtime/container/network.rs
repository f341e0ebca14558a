//! The private network of a cluster's containers, and whether this program has a place in it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::NetworkCreateRequest;
use testcontainers::bollard::query_parameters::InspectNetworkOptions;

use super::engine::{Engine, failed};
use crate::error::Result;

/// A network of one cluster.
#[derive(Debug)]
pub(super) struct Network {
    name: String,
    gateway: Option<IpAddr>,
}

impl Network {
    /// Makes a network that leads nowhere but to this machine. Where the engine runs on
    /// another, its machine has to let this program through to the nodes.
    pub(super) async fn make(
        engine: &Engine,
        name: &str,
        labels: &[(String, String)],
    ) -> Result<Self> {
        let docker = engine.docker().clone();
        let (name, labels) = (name.to_owned(), labels.iter().cloned().collect());
        let making = async move {
            let id = create(&docker, &name, &labels, true).await?;
            let gateway = if is_here(&id) {
                gateway_of(&docker, &id).await?
            } else {
                let removed = docker.remove_network(&id).await;
                removed.map_err(failed(format!("removing the network {name}")))?;
                create(&docker, &name, &labels, false).await?;
                None
            };
            Ok(Self { name, gateway })
        };
        engine.run(making).await
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The address of this machine in the network, if it has one.
    pub(super) fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }
}

async fn create(
    docker: &Docker,
    name: &str,
    labels: &HashMap<String, String>,
    internal: bool,
) -> Result<String> {
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some(String::from("bridge")),
        internal: Some(internal),
        labels: Some(labels.clone()),
        ..NetworkCreateRequest::default()
    };
    let made = docker.create_network(request).await;
    Ok(made
        .map_err(failed(format!("making the network {name}")))?
        .id)
}

/// Whether a network's bridge is an interface of this machine. An address would prove
/// nothing: another machine's engine gives out the same ones.
fn is_here(id: &str) -> bool {
    let bridge = format!("br-{}", id.get(..12).unwrap_or(id));
    Path::new("/sys/class/net").join(bridge).exists()
}

async fn gateway_of(docker: &Docker, id: &str) -> Result<Option<IpAddr>> {
    let doing = failed(format!("looking at the network {id}"));
    let inspected = docker
        .inspect_network(id, None::<InspectNetworkOptions>)
        .await;
    let network = inspected.map_err(doing)?;
    let configs = network
        .ipam
        .and_then(|ipam| ipam.config)
        .unwrap_or_default();
    let gateways = configs.into_iter().filter_map(|config| config.gateway);
    Ok(gateways
        .filter_map(|gateway| gateway.parse().ok())
        .find(IpAddr::is_ipv4))
}
