//! A look at a cluster in a few lines: who runs, who leads, and what each replica holds.

use crate::ledger::{NodeStatus, Observation, ReplicaSeen, StreamSeen};

/// What separates nodes.
const BETWEEN: &str = " · ";

/// A line for the nodes, and one for each stream, each with what it is about before it.
pub fn cluster_lines(seen: &Observation) -> Vec<(String, String)> {
    let mut lines = vec![(String::from("nodes"), nodes(seen))];
    let streams = seen.streams.iter();
    lines.extend(streams.map(|stream| (stream.stream.clone(), replicas(stream))));
    lines
}

fn nodes(seen: &Observation) -> String {
    let nodes = seen.nodes.iter().map(|seen| {
        let state = match seen.state {
            NodeStatus::Running if seen.leads_meta => " (meta leader)",
            NodeStatus::Running => "",
            NodeStatus::Silent => " silent",
            NodeStatus::Paused => " paused",
            NodeStatus::Stopped => " stopped",
        };
        format!("{}{state}", seen.node)
    });
    nodes.collect::<Vec<_>>().join(BETWEEN)
}

fn replicas(stream: &StreamSeen) -> String {
    if stream.replicas.is_empty() {
        return String::from("on no node that answers");
    }
    let replicas = stream.replicas.iter().map(|one| replica(stream, one));
    let mut text = replicas.collect::<Vec<_>>().join(BETWEEN);
    if stream.leader().is_none() {
        text.push_str(BETWEEN);
        text.push_str("no leader");
    }
    text
}

fn replica(stream: &StreamSeen, replica: &ReplicaSeen) -> String {
    let lag = stream.lag_of(replica);
    let role = if replica.leads { " leader" } else { "" };
    let behind = match lag {
        0 => String::new(),
        lag => format!(" ({lag} behind)"),
    };
    format!("{} {}{role}{behind}", replica.node, replica.messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::NodeSeen;

    #[test]
    fn a_cluster_is_told_in_a_line_for_each_stream() {
        let node = |name: &str, state, leads_meta| NodeSeen {
            node: name.to_owned(),
            state,
            leads_meta,
        };
        let replica = |node: &str, leads, messages| ReplicaSeen {
            node: node.to_owned(),
            leads,
            messages,
            first_sequence: 1,
            last_sequence: messages,
        };
        let mut seen = Observation {
            nodes: vec![
                node("n1", NodeStatus::Running, true),
                node("n2", NodeStatus::Stopped, false),
                node("n3", NodeStatus::Running, false),
            ],
            streams: vec![StreamSeen {
                stream: String::from("ORDERS"),
                replicas: vec![replica("n1", true, 12), replica("n3", false, 10)],
            }],
        };
        let lines = cluster_lines(&seen);
        assert_eq!(lines[0].1, "n1 (meta leader) · n2 stopped · n3");
        assert_eq!(
            lines[1],
            (
                String::from("ORDERS"),
                String::from("n1 12 leader · n3 10 (2 behind)")
            )
        );
        seen.streams[0].replicas.remove(0);
        assert_eq!(cluster_lines(&seen)[1].1, "n3 10 · no leader");
    }
}
