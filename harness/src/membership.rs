//! The meta group and the leaders: who is in it, who leads, and how an operator changes that.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::admin::{Admin, StreamMembers};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::monitor::MetaView;
use crate::node::{Node, NodeState};
use crate::wait::{Probe, until};

/// How long the meta group may take to change: without a meta leader nobody answers, and a new
/// one takes up to nine seconds.
const CHANGED_WITHIN: Duration = Duration::from_secs(60);
/// How long a new leader may take.
const ELECTED_WITHIN: Duration = Duration::from_secs(30);
/// JetStream's error number for a peer it does not know (`JSClusterServerNotMemberErr`).
const SERVER_NOT_MEMBER: u32 = 10044;
/// JetStream's error number for a membership change while another is under way.
const CHANGE_UNDER_WAY: u32 = 10202;

#[derive(Debug, Deserialize)]
struct Success {
    success: bool,
}

impl Cluster {
    /// The meta leader's name: the node that says so of itself.
    pub async fn meta_leader(&self) -> Option<String> {
        self.meta_view().await.map(|view| view.leader)
    }

    /// The names of the meta group's peers, as the meta leader sees them.
    pub async fn meta_peers(&self) -> Option<BTreeSet<String>> {
        let view = self.meta_view().await?;
        let peers = view.replicas.into_iter().map(|peer| peer.name);
        Some(peers.chain([view.leader]).collect())
    }

    /// The meta group as its leader sees it.
    pub(crate) async fn meta_view(&self) -> Option<MetaView> {
        // A leader that is cut off calls itself one until it notices.
        for node in self.reachable() {
            let Ok(monitor) = node.monitor() else {
                continue;
            };
            // A node that does not answer, a crashed one for instance, has no say in it.
            let Ok(seen) = monitor.jetstream().await else {
                continue;
            };
            if let Some(view) = seen.meta_cluster.filter(|view| view.leader == node.name()) {
                return Some(view);
            }
        }
        None
    }

    /// The nodes that run and are not cut off, in the order they were added: of several sides of
    /// a cut those on the largest, of equally large ones on that with the oldest node.
    pub fn reachable(&self) -> Vec<Node<'_>> {
        let main_side = self.main_side();
        let mut nodes = self.running();
        nodes.retain(|node| {
            let key = self.slot(node.name(), |slot| slot.key);
            key.is_ok_and(|key| main_side.contains(&key))
        });
        nodes
    }

    /// Waits until the nodes that run are one healthy cluster: each says it is healthy, all
    /// know the same meta leader, and it counts every one of them as current.
    ///
    /// # Errors
    /// [`Error::Timeout`] with what was missing last.
    pub async fn wait_ready(&self, within: Duration) -> Result<()> {
        until(within, || async { self.look(None).await })
            .await
            .map_err(|timed_out| timed_out.awaiting("the cluster to be ready"))
    }

    /// One look at every running node.
    pub(crate) async fn look(&self, peers: Option<usize>) -> Probe<()> {
        match self.find_fault(peers).await {
            Ok(None) => Probe::Ready(()),
            Ok(Some(seen)) => Probe::Pending(seen),
            Err(error) => Probe::Pending(error.to_string()),
        }
    }

    /// What keeps the cluster from being ready, if anything does.
    async fn find_fault(&self, peers: Option<usize>) -> Result<Option<String>> {
        self.check_alive().await?;
        let nodes = self.running();
        if nodes.is_empty() {
            return Ok(Some(String::from("no node runs")));
        }
        let mut leaders = BTreeSet::new();
        let mut leader_view = None;
        for node in &nodes {
            let monitor = node.monitor()?;
            let health = monitor.health().await?;
            if !health.is_ok() {
                let why = health.error.unwrap_or(health.status);
                return Ok(Some(format!("{}: {why}", node.name())));
            }
            // A single server has no meta group, and needs none.
            let Some(view) = monitor.jetstream().await?.meta_cluster else {
                continue;
            };
            if view.leader.is_empty() {
                return Ok(Some(format!("{} knows no meta leader", node.name())));
            }
            leaders.insert(view.leader.clone());
            if view.leader == node.name() {
                leader_view = Some(view);
            }
        }
        if leaders.len() > 1 {
            return Ok(Some(format!("several meta leaders: {leaders:?}")));
        }
        let Some(view) = leader_view else {
            let leaderless = format!("meta leader {leaders:?} does not say so itself");
            return Ok((!leaders.is_empty()).then_some(leaderless));
        };
        Ok(missing_peer(
            &view,
            nodes.iter().map(|node| node.name()),
            peers,
        ))
    }

    /// Makes sure that every server that should run does.
    ///
    /// # Errors
    /// [`Error::Exited`] with the end of the log of the first one that ended by itself.
    pub async fn check_alive(&self) -> Result<()> {
        match self.ended_by_themselves().await?.into_iter().next() {
            Some(ended) => Err(ended),
            None => Ok(()),
        }
    }

    /// Every server that should run and has ended by itself, each as [`Error::Exited`].
    ///
    /// # Errors
    /// When that can't be found out.
    pub async fn ended_by_themselves(&self) -> Result<Vec<Error>> {
        let running: Vec<_> = self
            .slots()
            .iter()
            .filter(|slot| slot.state == NodeState::Running)
            .map(|slot| (slot.key, slot.name.clone()))
            .collect();
        let mut ended = Vec::new();
        for (key, node) in running {
            if let Some(status) = self.host().exited(key).await? {
                ended.push(Error::Exited {
                    node,
                    status,
                    log_tail: self.host().log_tail(key).await,
                });
            }
        }
        Ok(ended)
    }

    /// Waits until the meta leader counts a node among its current peers.
    pub(crate) async fn wait_member(&self, name: &str) -> Result<()> {
        until(CHANGED_WITHIN, || async {
            match self.meta_view().await {
                None => Probe::Pending(String::from("no meta leader")),
                Some(view) => match missing_peer(&view, [name].into_iter(), None) {
                    None => Probe::Ready(()),
                    Some(seen) => Probe::Pending(seen),
                },
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting(format!("the meta group to take `{name}`")))
    }

    /// Removes a node from the meta group (`$JS.API.SERVER.REMOVE`), as an operator does when
    /// it will never come back, and waits until every running node's meta leader agrees.
    ///
    /// The request is repeated while there is no meta leader to answer it. Removing a node
    /// that holds the only replica of a stream recreates that stream empty elsewhere.
    ///
    /// # Errors
    /// [`Error::UnknownNode`]; [`Error::Refused`] with the server's reason; [`Error::Timeout`]
    /// when nobody answered, or the group kept the node.
    pub async fn peer_remove(&self, name: &str) -> Result<()> {
        self.slot(name, |_| ())?;
        until(CHANGED_WITHIN, || async {
            match self.ask_to_remove(name).await {
                Ok(None) => Probe::Ready(Ok(())),
                Ok(Some(seen)) => Probe::Pending(seen),
                Err(error) => Probe::Ready(Err(error)),
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting(format!("`{name}` to be removed")))??;
        self.slot(name, |slot| slot.removed = true)
    }

    /// One try; what is still missing, or nothing when the node is out of the group.
    async fn ask_to_remove(&self, name: &str) -> Result<Option<String>> {
        let asked: Result<Success> = self
            .system
            .request(
                &self.addresses_to_ask(),
                "$JS.API.SERVER.REMOVE",
                &json!({ "peer": name }),
            )
            .await;
        match asked {
            Ok(Success { success: true }) => {}
            Ok(Success { success: false }) => return Ok(Some(String::from("success: false"))),
            Err(Error::Refused {
                err_code,
                description,
                ..
            }) if [SERVER_NOT_MEMBER, CHANGE_UNDER_WAY].contains(&err_code) => {
                // An earlier try may have done it although its answer was lost.
                let peers = self.meta_peers().await;
                let gone = peers.is_some_and(|peers| !peers.contains(name));
                return Ok((!gone).then_some(description));
            }
            Err(error @ Error::NoAnswer { .. }) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        }
        // An acknowledgement is no proof: nats-server#7581 acknowledged without a quorum.
        match self.meta_peers().await {
            None => Ok(Some(String::from(
                "removed, but now there is no meta leader",
            ))),
            Some(peers) if peers.contains(name) => Ok(Some(format!(
                "acknowledged, but the group is still {peers:?}"
            ))),
            Some(_) => Ok(None),
        }
    }

    /// Who holds a stream of the user account, as its leader tells it.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such stream; [`Error::NoAnswer`] when its only
    /// replica is gone, or nobody leads.
    pub async fn stream_members(&self, stream: &str) -> Result<StreamMembers> {
        let members = self
            .user
            .stream_members(&self.addresses_to_ask(), stream)
            .await?;
        if self.settings.standalone {
            // A single server names nobody: whatever there is, it has.
            let alone = self.nodes().first().map(|node| node.name().to_owned());
            return Ok(StreamMembers {
                leader: alone,
                followers: Vec::new(),
            });
        }
        Ok(members)
    }

    /// Has a stream's leader step down and waits for another; returns its name. A stream with
    /// one replica has nobody to hand over to.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NoAnswer`], or [`Error::Timeout`] when nobody else leads.
    pub async fn step_down_stream(&self, stream: &str) -> Result<String> {
        let before = self.stream_members(stream).await?.leader;
        self.step_down(
            &self.user,
            &format!("$JS.API.STREAM.LEADER.STEPDOWN.{stream}"),
        )
        .await?;
        until(ELECTED_WITHIN, || async {
            let leader = self
                .stream_members(stream)
                .await
                .map(|members| members.leader);
            match leader {
                Ok(Some(leader)) if Some(&leader) != before.as_ref() => Probe::Ready(leader),
                Ok(leader) => Probe::Pending(format!("leader {leader:?}")),
                Err(error) => Probe::Pending(error.to_string()),
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting(format!("a new leader of stream {stream}")))
    }

    /// Has the meta leader step down and waits for another; returns its name.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NoAnswer`], or [`Error::Timeout`] when nobody else leads.
    pub async fn step_down_meta(&self) -> Result<String> {
        let before = self.meta_leader().await;
        self.step_down(&self.system, "$JS.API.META.LEADER.STEPDOWN")
            .await?;
        until(ELECTED_WITHIN, || async {
            match self.meta_leader().await {
                Some(leader) if Some(&leader) != before.as_ref() => Probe::Ready(leader),
                leader => Probe::Pending(format!("meta leader {leader:?}")),
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting("a new meta leader"))
    }

    async fn step_down(&self, admin: &Admin, subject: &str) -> Result<()> {
        let asked: Success = admin
            .request(&self.addresses_to_ask(), subject, &json!({}))
            .await?;
        if asked.success {
            Ok(())
        } else {
            Err(Error::NoAnswer {
                request: subject.to_owned(),
                reason: String::from("success: false"),
            })
        }
    }
}

/// Which of the nodes the meta leader does not count as a current peer, if any.
fn missing_peer<'a>(
    view: &MetaView,
    mut nodes: impl Iterator<Item = &'a str>,
    size: Option<usize>,
) -> Option<String> {
    if let Some(size) = size.filter(|size| *size != view.cluster_size) {
        return Some(format!(
            "the meta group has {} of {size} peers",
            view.cluster_size
        ));
    }
    nodes.find_map(|name| {
        let peer = view.replicas.iter().find(|peer| peer.name == name);
        match peer {
            _ if view.leader == name => None,
            Some(peer) if peer.current => None,
            Some(peer) => Some(format!(
                "{name} is behind by {} in the meta group",
                peer.lag
            )),
            None => Some(format!("{name} is not in the meta group")),
        }
    })
}
