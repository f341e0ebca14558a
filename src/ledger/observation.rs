//! What a look at a cluster from outside has seen: who runs, who leads, who holds how much.

use serde::{Deserialize, Serialize};

/// One look at every node. Nothing is judged by it: what nodes say of themselves is no evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The nodes, in the order they were added.
    pub nodes: Vec<NodeSeen>,
    /// The drill's streams, in the scenario's order.
    pub streams: Vec<StreamSeen>,
}

/// What a node was seen to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSeen {
    /// Its name.
    pub node: String,
    /// What it does.
    pub state: NodeStatus,
    /// Whether it says that it leads the meta group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leads_meta: bool,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStatus {
    /// Its server runs and answers.
    Running,
    /// Its server runs and has not answered in time.
    Silent,
    /// Its server is frozen.
    Paused,
    /// Its server has ended.
    Stopped,
}

/// The replicas of a stream that were seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSeen {
    /// The stream.
    pub stream: String,
    /// A replica for every node that answered and has a copy, in the order of the nodes.
    pub replicas: Vec<ReplicaSeen>,
}

/// A node's own copy of a stream, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSeen {
    /// The node.
    pub node: String,
    /// Whether it says that it leads the stream. Of two that say so, one is cut off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leads: bool,
    /// Messages it holds.
    pub messages: u64,
    /// The first sequence.
    pub first_sequence: u64,
    /// The last sequence.
    pub last_sequence: u64,
}

/// What is published and consumed, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadSeen {
    /// Messages acknowledged a second, over the last seconds.
    pub acknowledged_per_second: f64,
    /// Messages delivered to consumers a second, over the last seconds.
    pub delivered_per_second: f64,
    /// Messages acknowledged by a stream.
    pub acknowledged: u64,
    /// Messages refused.
    pub refused: u64,
    /// Messages whose fate was not told.
    pub unknown: u64,
    /// Messages delivered to consumers.
    pub delivered: u64,
}

impl Observation {
    /// The node that says it leads the meta group; nobody when several say so, or none.
    pub fn meta_leader(&self) -> Option<&str> {
        let mut leaders = self.nodes.iter().filter(|seen| seen.leads_meta);
        let first = leaders.next()?;
        leaders.next().is_none().then_some(first.node.as_str())
    }

    /// What was seen of a stream.
    pub fn stream(&self, name: &str) -> Option<&StreamSeen> {
        self.streams.iter().find(|seen| seen.stream == name)
    }
}

impl StreamSeen {
    /// The replica that says it leads; nobody when several say so, or none.
    pub fn leader(&self) -> Option<&ReplicaSeen> {
        let mut leaders = self.replicas.iter().filter(|seen| seen.leads);
        let first = leaders.next()?;
        leaders.next().is_none().then_some(first)
    }

    /// By how many sequences a replica is behind the one that has most.
    pub fn lag_of(&self, replica: &ReplicaSeen) -> u64 {
        let furthest = self.replicas.iter().map(|seen| seen.last_sequence).max();
        furthest.unwrap_or(0).saturating_sub(replica.last_sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(node: &str, leads: bool, last_sequence: u64) -> ReplicaSeen {
        ReplicaSeen {
            node: node.to_owned(),
            leads,
            messages: last_sequence,
            first_sequence: 1,
            last_sequence,
        }
    }

    #[test]
    fn of_two_that_call_themselves_leaders_none_is_believed() {
        let mut seen = StreamSeen {
            stream: String::from("S"),
            replicas: vec![replica("n1", true, 10), replica("n2", false, 7)],
        };
        assert_eq!(seen.leader().map(|seen| seen.node.as_str()), Some("n1"));
        assert_eq!(seen.lag_of(&seen.replicas[1]), 3);
        seen.replicas[1].leads = true;
        assert_eq!(seen.leader(), None);
    }
}
