//! A look at a cluster and its load in a few lines: who runs, who leads, what each replica holds, what is
//! published and consumed.

use crate::ledger::{LoadSeen, NodeStatus, Observation, ReplicaSeen, StreamSeen};

/// What separates nodes.
const BETWEEN: &str = " · ";

/// A line, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    label: String,
    text: String,
}

impl Row {
    /// A line about something.
    pub fn new(label: &str, text: String) -> Self {
        Self {
            label: label.to_owned(),
            text,
        }
    }

    /// How wide the labels of these lines are, and at least so wide.
    pub fn label_width(rows: &[Self], least: usize) -> usize {
        let widths = rows.iter().map(|row| row.label.chars().count());
        widths.max().unwrap_or(0).max(least)
    }

    /// The line, with its label so wide.
    pub fn line(&self, width: usize) -> String {
        format!("{:<width$}  {}", self.label, self.text)
    }
}

/// A line for the nodes, and one for each stream.
pub fn cluster_rows(seen: &Observation) -> Vec<Row> {
    let mut rows = vec![Row::new("nodes", nodes(seen))];
    let streams = seen.streams.iter();
    rows.extend(streams.map(|stream| Row::new(&stream.stream, replicas(stream))));
    rows
}

/// What is published and consumed: now, and so far.
pub fn load_rows(load: &LoadSeen) -> [Row; 2] {
    [
        Row::new(
            "load",
            format!(
                "{:.0}/s acknowledged, {:.0}/s delivered",
                load.acknowledged_per_second, load.delivered_per_second
            ),
        ),
        Row::new(
            "so far",
            format!(
                "{} acknowledged, {} refused, {} unknown, {} delivered",
                load.acknowledged, load.refused, load.unknown, load.delivered
            ),
        ),
    ]
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
        let lines = cluster_rows(&seen);
        assert_eq!(lines[0].text, "n1 (meta leader) · n2 stopped · n3");
        assert_eq!(
            lines[1].line(8),
            "ORDERS    n1 12 leader · n3 10 (2 behind)"
        );
        seen.streams[0].replicas.remove(0);
        assert_eq!(cluster_rows(&seen)[1].text, "n3 10 · no leader");
    }
}
