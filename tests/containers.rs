//! The program with containers: nothing it made in the engine outlives it, however it ends.

use std::collections::HashMap;
use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Cluster, Runtime};
use rustix::process::{Pid, Signal, kill_process};
use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;

use crate::guides::follow_with_containers;
use crate::leaks::mid_drill;
use crate::support::{Lifeboat, entries};

/// How soon everything must be gone: the engine removes one container after the other.
const GONE_WITHIN: Duration = Duration::from_secs(15);

/// How many containers, networks and volumes a process owns.
async fn owned_by(docker: &Docker, pid: u32) -> usize {
    let filters = HashMap::from([("label", vec!["lifeboat.owner"])]);
    let owns = |labels: Option<&HashMap<String, String>>| {
        let owner = labels.and_then(|labels| labels.get("lifeboat.owner"));
        owner.is_some_and(|owner| owner.contains(&format!("/{pid}/")))
    };
    let containers = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters);
    let containers = docker
        .list_containers(Some(containers.build()))
        .await
        .unwrap();
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = docker.list_networks(Some(networks)).await.unwrap();
    let volumes = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = docker.list_volumes(Some(volumes)).await.unwrap().volumes;
    let labels = containers.iter().map(|one| one.labels.as_ref());
    let labels = labels.chain(networks.iter().map(|one| one.labels.as_ref()));
    let volumes = volumes.unwrap_or_default();
    let labels = labels.chain(volumes.iter().map(|one| Some(&one.labels)));
    labels.filter(|labels| owns(*labels)).count()
}

/// Sends a signal to a program in mid-drill; nothing of it may be left but its evidence.
async fn ended_by(signal: Signal) -> Option<i32> {
    let docker = docker_client_instance().await.unwrap();
    let lifeboat = Lifeboat::new();
    let mut child = mid_drill(&lifeboat, "container");
    let owner = child.id();
    // Four nodes, three of them with all they began with; the victim was wiped.
    assert!(owned_by(&docker, owner).await >= 7);
    kill_process(Pid::from_raw(owner.cast_signed()).unwrap(), signal).unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap());
    let status = status.await.unwrap();
    until(GONE_WITHIN, || async {
        let left = (
            owned_by(&docker, owner).await,
            entries(lifeboat.scratch.path()),
        );
        if left.0 == 0 && left.1.is_empty() {
            Probe::Ready(())
        } else {
            Probe::Pending(format!("{left:?}"))
        }
    })
    .await
    .unwrap();
    let runs = lifeboat.home.path().join("lifeboat-runs");
    assert_eq!(entries(&runs).len(), 1, "the evidence stays");
    status.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn sigkill_in_mid_drill_leaves_nothing_in_the_engine() {
    assert_eq!(ended_by(Signal::KILL).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_mid_drill_leaves_nothing_in_the_engine() {
    assert_eq!(ended_by(Signal::INT).await, Some(130));
}

#[tokio::test]
async fn what_documents_show_with_containers_can_be_typed() {
    let builder = Cluster::builder().nodes(1).runtime(Runtime::Container);
    let made = builder.start().await.unwrap().binary().clone();
    // The image that was made around the binary is as good as any that has a name.
    let image = format!(
        "lifeboat/nats-server:{}-{}",
        made.version,
        &made.sha256[..12]
    );
    follow_with_containers(&image);
}
