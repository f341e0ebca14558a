//! The lookout: looks at all nodes again and again while a drill runs, and writes down what each says
//! of itself, for whoever watches and for reports. No judge uses it.

use std::time::Duration;

use futures_util::future::join_all;
use lifeboat_harness::{Cluster, JetStreamView, Node, NodeState};
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::world::World;
use crate::ledger::{Event, NodeSeen, NodeStatus, Observation, ReplicaSeen, StreamSeen};
use crate::scenario::StreamSpec;

/// The time from one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A node that takes longer is silent: the next look must not wait for it.
const ANSWER_WITHIN: Duration = Duration::from_millis(400);

/// Whoever looks, one after the other: what was seen first is written down first.
#[derive(Debug, Default)]
pub(super) struct Lookout(Mutex<Observation>);

impl Lookout {
    /// Looks again and again until it is dropped.
    pub(super) async fn keep_looking(&self, world: &World<'_>) -> ! {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(world).await;
        }
    }

    /// Looks now. An observation holds until the next: what has not changed is not written down again.
    pub(super) async fn look(&self, world: &World<'_>) -> Observation {
        let mut last = self.0.lock().await;
        let seen = look(world.cluster(), &world.scenario.streams).await;
        if seen != *last {
            last.clone_from(&seen);
            world.record(Event::Observed { seen: seen.clone() });
        }
        seen
    }
}

/// One look at every node, all at once.
async fn look(cluster: &Cluster, streams: &[StreamSpec]) -> Observation {
    let nodes = cluster.nodes();
    let views = join_all(nodes.iter().map(ask)).await;
    let account = &cluster.credentials().account;
    let replica = |stream: &str, node: &Node<'_>, view: &JetStreamView| {
        let own = view.stream_view(account, stream)?;
        Some(ReplicaSeen {
            node: node.name().to_owned(),
            leads: view.leads(own, node.name()),
            messages: own.state.messages,
            first_sequence: own.state.first_seq,
            last_sequence: own.state.last_seq,
        })
    };
    let of_stream = |stream: &StreamSpec| StreamSeen {
        stream: stream.name.clone(),
        replicas: nodes
            .iter()
            .zip(&views)
            .filter_map(|(node, view)| replica(&stream.name, node, view.as_ref().ok()?))
            .collect(),
    };
    let of_node = |(node, view): (&Node<'_>, &Result<JetStreamView, NodeStatus>)| NodeSeen {
        node: node.name().to_owned(),
        state: view
            .as_ref()
            .map_or_else(|state| *state, |_| NodeStatus::Running),
        leads_meta: view.as_ref().is_ok_and(|view| {
            let meta = view.meta_cluster.as_ref();
            meta.is_some_and(|meta| meta.leader == node.name())
        }),
    };
    Observation {
        nodes: nodes.iter().zip(&views).map(of_node).collect(),
        streams: streams.iter().map(of_stream).collect(),
    }
}

/// What a node says, or why it says nothing.
async fn ask(node: &Node<'_>) -> Result<JetStreamView, NodeStatus> {
    match node.state() {
        Ok(NodeState::Running) => {}
        Ok(NodeState::Paused) => return Err(NodeStatus::Paused),
        // A node the cluster does not have is not asked for.
        Ok(NodeState::Stopped) | Err(_) => return Err(NodeStatus::Stopped),
    }
    let monitor = node.monitor().map_err(|_| NodeStatus::Silent)?;
    match timeout(ANSWER_WITHIN, monitor.jetstream()).await {
        Ok(Ok(view)) => Ok(view),
        Ok(Err(_)) | Err(_) => Err(NodeStatus::Silent),
    }
}
