//! How nodes that all begin at once become a cluster, fast and of the right size.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::link::Aim;
use crate::node::{Node, NodeState};
use crate::wait::{Probe, pause_for, until};

/// Nodes started this far apart rarely dial each other at the same instant, which would cost
/// both a second: 40 of 40 clusters formed within 0.62 s.
const STAGGER: Duration = Duration::from_millis(20);
/// How often a cluster whose meta leader miscounts is formed anew.
const FORMED_AT_MOST: usize = 3;
/// How long a fresh meta leader may take to count its peers; usually some milliseconds.
const COUNTED_WITHIN: Duration = Duration::from_secs(3);

/// How the forming of a cluster ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Formation {
    /// All nodes are one group.
    Whole,
    /// The meta leader counts fewer peers than there are, and will for ever. Seen in about one
    /// of 60 starts of 2.10.26, when two followers answered a new leader at the same instant:
    /// it added one of them twice and the other never.
    Miscounted,
}

impl Cluster {
    /// Starts every node and waits until they are one cluster.
    pub(crate) async fn start_all(&self, limit: Duration, count: usize) -> Result<()> {
        for _ in 0..FORMED_AT_MOST {
            self.launch_all(limit).await?;
            if self.wait_formed(limit, count).await? == Formation::Whole {
                self.aim_links(|_, _| true);
                return Ok(());
            }
            // Nothing was stored yet, so the nodes may begin again as if for the first time.
            for node in self.nodes() {
                node.unmake().await?;
            }
        }
        Err(Error::Timeout {
            what: String::from("a meta leader that counts all nodes"),
            waited: limit,
            last_seen: format!("too few were counted in each of {FORMED_AT_MOST} starts"),
        })
    }

    /// Starts every node, a moment apart.
    async fn launch_all(&self, limit: Duration) -> Result<()> {
        // While a cluster forms, only later nodes dial earlier ones: were both to dial, both
        // connections would be dropped as duplicates and tried again a second later.
        for ((from, to), link) in self.links().iter() {
            link.aim(if from >= to { Aim::Hold } else { Aim::Refuse });
        }
        let keys: Vec<_> = self.slots().iter().map(|slot| slot.key).collect();
        let launches = keys.iter().enumerate().map(|(index, key)| async move {
            let turns = u32::try_from(index).unwrap_or(u32::MAX);
            pause_for(STAGGER * turns).await;
            self.launch_into(*key, |from, to| from >= to).await
        });
        tokio::time::timeout(limit, futures_util::future::try_join_all(launches))
            .await
            .map_err(|_| self.silent_nodes(limit))??;
        Ok(())
    }

    /// The error that names the nodes whose servers did not come to listen in time.
    fn silent_nodes(&self, waited: Duration) -> Error {
        let mut silent = self.nodes();
        silent.retain(|node| matches!(node.state(), Ok(NodeState::Stopped)));
        let names: Vec<_> = silent.iter().map(Node::name).collect();
        Error::Timeout {
            what: String::from("every server to listen"),
            waited,
            last_seen: format!("no ports file of {}", names.join(", ")),
        }
    }

    /// As [`Cluster::wait_ready`], and the meta group has just this many peers, and JetStream
    /// answers the user account.
    async fn wait_formed(&self, within: Duration, peers: usize) -> Result<Formation> {
        let miscounted_since = Mutex::new(None::<Instant>);
        let formed = until(within, || async {
            let seen = match self.look(Some(peers)).await {
                Probe::Ready(()) => return Probe::Ready(Formation::Whole),
                Probe::Pending(seen) => seen,
            };
            let counted = self.meta_view().await.map(|view| view.cluster_size);
            let mut since = miscounted_since
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if counted.is_none_or(|counted| counted == peers) {
                *since = None;
            } else if since.get_or_insert_with(Instant::now).elapsed() > COUNTED_WITHIN {
                return Probe::Ready(Formation::Miscounted);
            }
            Probe::Pending(seen)
        });
        let formed = formed
            .await
            .map_err(|timed_out| timed_out.awaiting("the cluster to form"))?;
        if formed == Formation::Miscounted {
            return Ok(formed);
        }
        until(within, || async {
            let servers = self.addresses_to_ask();
            match self
                .user
                .request::<Value>(&servers, "$JS.API.INFO", &json!({}))
                .await
            {
                Ok(_) => Probe::Ready(()),
                Err(error) => Probe::Pending(error.to_string()),
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting("JetStream to answer the account"))?;
        Ok(Formation::Whole)
    }
}
