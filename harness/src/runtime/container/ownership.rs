//! Whose containers, networks and volumes are whose, so that none outlives its owner.
//!
//! Everything made here carries two labels: the cluster it belongs to, and the program that
//! made it. The program removes a cluster's things when the cluster is dropped; its watchdog
//! removes all of the program's when it is gone; and whoever starts a cluster sweeps what
//! programs left that are gone together with their watchdogs.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rustix::process::{Pid, getpid, test_kill_process};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder,
};

use super::engine::{is_absent, status_of};
use crate::error::Result;
use crate::wait::{Probe, until};

/// The label that names the program that made something.
const OWNER_LABEL: &str = "lifeboat.owner";
/// The label that names the cluster something belongs to.
const CLUSTER_LABEL: &str = "lifeboat.cluster";
/// How long removing everything may take: the engine ends one container after the other.
const REMOVED_WITHIN: Duration = Duration::from_secs(60);

/// A program, as its labels name it: where its process number is unique, the number, and
/// when that process began, for numbers are used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    place: String,
    pid: Pid,
    began: String,
}

impl Owner {
    /// This program.
    pub(super) fn this() -> Result<Self> {
        let pid = getpid();
        Ok(Self {
            place: place(),
            pid,
            began: began(pid).unwrap_or_default(),
        })
    }

    /// The owner that a label names.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let began = parts.next()?.to_owned();
        let pid = Pid::from_raw(parts.next()?.parse().ok()?)?;
        let place = parts.next()?.to_owned();
        Some(Self { place, pid, began })
    }

    /// The label of what it makes.
    pub(super) fn label(&self) -> (String, String) {
        (OWNER_LABEL.to_owned(), self.to_string())
    }

    /// Whether it is certainly gone. Programs elsewhere can't be seen from here.
    fn is_gone(&self) -> bool {
        if self.place != place() {
            return false;
        }
        match test_kill_process(self.pid) {
            Err(rustix::io::Errno::SRCH) => true,
            // It lives, or somebody does who may not be signalled.
            Ok(()) | Err(_) => began(self.pid).is_some_and(|began| began != self.began),
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, pid, began } = self;
        write!(f, "{place}/{}/{began}", pid.as_raw_nonzero())
    }
}

/// Where process numbers are unique: this boot of this machine, and there this namespace.
fn place() -> String {
    let host = rustix::system::uname();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!(
        "{}/{}/{}",
        host.nodename().to_string_lossy(),
        boot.trim(),
        namespace.display()
    )
}

/// When a process began, as the system counts; unknown where there is no such count.
fn began(pid: Pid) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The second field may hold anything, blanks and parentheses included. The 22nd field of
    // all, the 20th after it, is the start time (proc(5)).
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19).map(str::to_owned)
}

/// The label of everything that belongs to a cluster.
pub(super) fn cluster_label(cluster: &str) -> (String, String) {
    (CLUSTER_LABEL.to_owned(), cluster.to_owned())
}

/// Removes what programs left that are gone. Best effort: what can't be judged or removed
/// stays for the next sweep.
pub(super) async fn sweep(docker: &Docker) {
    let Ok(things) = Things::labelled(docker, OWNER_LABEL).await else {
        return;
    };
    for owner in things.owners {
        if Owner::parse(&owner).is_some_and(|owner| owner.is_gone()) {
            let _removed = remove_all(docker, (OWNER_LABEL.to_owned(), owner)).await;
        }
    }
}

/// Removes everything with a label, until nothing is found any more.
///
/// # Errors
/// What is left, and why.
pub(super) async fn remove_all(docker: &Docker, label: (String, String)) -> Result<(), String> {
    let filter = format!("{}={}", label.0, label.1);
    let removed = until(REMOVED_WITHIN, || async {
        let things = match Things::labelled(docker, &filter).await {
            Ok(things) => things,
            Err(error) => return Probe::Pending(error.to_string()),
        };
        if things.is_empty() {
            return Probe::Ready(());
        }
        match things.remove(docker).await {
            Ok(()) => Probe::Pending(String::from("all were removed a moment ago")),
            Err(error) => Probe::Pending(error.to_string()),
        }
    });
    removed.await.map_err(|timed_out| timed_out.to_string())
}

/// What was found by a label.
#[derive(Debug, Default)]
struct Things {
    containers: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
    owners: BTreeSet<String>,
}

impl Things {
    async fn labelled(docker: &Docker, filter: &str) -> Result<Self, BollardError> {
        let filters = HashMap::from([("label", vec![filter])]);
        let containers = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let networks = ListNetworksOptionsBuilder::new().filters(&filters);
        let volumes = ListVolumesOptionsBuilder::new().filters(&filters);
        let (containers, networks, volumes) = tokio::try_join!(
            docker.list_containers(Some(containers.build())),
            docker.list_networks(Some(networks.build())),
            docker.list_volumes(Some(volumes.build())),
        )?;
        let mut things = Self::default();
        for container in containers {
            things.owned_by(container.labels);
            things.containers.extend(container.id);
        }
        for network in networks {
            things.owned_by(network.labels);
            things.networks.extend(network.id);
        }
        for volume in volumes.volumes.unwrap_or_default() {
            things.owned_by(Some(volume.labels));
            things.volumes.push(volume.name);
        }
        Ok(things)
    }

    fn owned_by(&mut self, labels: Option<HashMap<String, String>>) {
        let owner = labels.and_then(|mut labels| labels.remove(OWNER_LABEL));
        self.owners.extend(owner);
    }

    fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }

    /// Removes them in the order in which they depend on each other.
    async fn remove(&self, docker: &Docker) -> Result<(), BollardError> {
        let force = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let containers = self.containers.iter();
        let containers = containers.map(|id| docker.remove_container(id, Some(force.clone())));
        let outcomes = futures_util::future::join_all(containers).await;
        outcomes.into_iter().try_for_each(gone)?;
        for id in &self.networks {
            gone(docker.remove_network(id).await)?;
        }
        for name in &self.volumes {
            let options = RemoveVolumeOptionsBuilder::new().force(true).build();
            gone(docker.remove_volume(name, Some(options)).await)?;
        }
        Ok(())
    }
}

/// What is gone already, or is being removed by somebody else, is as good as removed.
fn gone(outcome: Result<(), BollardError>) -> Result<(), BollardError> {
    match outcome {
        Err(error) if is_absent(&error) || status_of(&error) == Some(409) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_back_from_its_label_and_lives() {
        let this = Owner::this().unwrap();
        assert_eq!(Owner::parse(&this.to_string()), Some(this.clone()));
        assert!(!this.is_gone());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_number_that_was_used_again_is_another_owner() {
        let mut earlier = Owner::this().unwrap();
        earlier.began = String::from("1");
        assert!(earlier.is_gone());
        earlier.place = String::from("elsewhere");
        assert!(!earlier.is_gone());
    }
}
