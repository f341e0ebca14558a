//! The connections of everybody who uses the cluster, which are replaced when another cluster takes over.

use std::sync::Arc;

use lifeboat_harness::Cluster;
use tokio::sync::{RwLock, RwLockReadGuard, watch};

use super::world::connect;
use crate::jetstream::Connection;

/// The connections as they are now. Clones see the same.
#[derive(Clone)]
pub(super) struct Clients {
    current: Arc<watch::Sender<ClientSet>>,
    /// Read by whoever is in the middle of something that must not be half in one cluster and half in
    /// the other.
    busy: Arc<RwLock<()>>,
}

/// Connections to one cluster.
#[derive(Clone)]
pub(super) struct ClientSet {
    /// For questions, consumers and operators.
    pub(super) asking: Connection,
    /// For publishers: one for every node the cluster began with, so that a node which hangs or is
    /// cut off stops its own clients only.
    pub(super) publishing: Arc<[Connection]>,
}

impl ClientSet {
    /// Connects to every node; each client goes to the others only when it loses its own.
    pub(super) async fn open(cluster: &Cluster) -> Result<Self, String> {
        let mut urls = cluster.client_urls();
        let asking = connect(cluster, urls.clone()).await?;
        let mut publishing = Vec::new();
        for _ in 0..urls.len() {
            publishing.push(connect(cluster, urls.clone()).await?);
            urls.rotate_left(1);
        }
        Ok(Self {
            asking,
            publishing: publishing.into(),
        })
    }
}

impl Clients {
    pub(super) fn new(set: ClientSet) -> Self {
        let (current, _) = watch::channel(set);
        Self {
            current: Arc::new(current),
            busy: Arc::default(),
        }
    }

    /// The connection for questions, consumers and operators.
    pub(super) fn asking(&self) -> Connection {
        self.current.borrow().asking.clone()
    }

    /// The publishers' connections.
    pub(super) fn publishing(&self) -> Arc<[Connection]> {
        Arc::clone(&self.current.borrow().publishing)
    }

    /// Tells when there are others.
    pub(super) fn watch(&self) -> watch::Receiver<ClientSet> {
        self.current.subscribe()
    }

    /// Keeps the connections from being replaced for as long as it is held.
    pub(super) async fn busy(&self) -> RwLockReadGuard<'_, ()> {
        self.busy.read().await
    }

    /// Has everybody use these from now on, once nobody is in the middle of something.
    pub(super) async fn replace(&self, set: ClientSet) {
        let _idle = self.busy.write().await;
        self.current.send_replace(set);
    }
}
