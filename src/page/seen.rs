//! What was seen of nodes and streams from outside, as spans of time: an observation holds until the
//! next. Pure.

use std::collections::BTreeMap;

use super::words::from_us;
use crate::ledger::{Event, NodeStatus, Observation, Stamped};

/// The lane of who leads the nodes' own group.
const META_GROUP: &str = "meta group";

/// A time in which something stayed as it was, in seconds since the drill began.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span<T> {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) what: T,
}

/// Spans one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lane<T> {
    pub(super) name: String,
    pub(super) spans: Vec<Span<T>>,
}

/// Who leads, by the nodes' own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lead {
    Node(String),
    Nobody,
    /// Of several that say so all but one are cut off.
    Several,
}

/// Everything that was seen.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Every node, in the order in which they were first seen.
    pub(super) nodes: Vec<String>,
    /// What each node did.
    pub(super) states: Vec<Lane<NodeStatus>>,
    /// Who led the meta group and each stream.
    pub(super) leaders: Vec<Lane<Lead>>,
    /// By how many sequences each replica was behind, by stream and node.
    pub(super) lags: Vec<(String, Lane<u64>)>,
}

/// Lanes while they are made, in the order in which they were first seen.
struct Tracks<K, T> {
    order: Vec<K>,
    tracks: BTreeMap<K, Track<T>>,
}

/// The spans that are over, and what is so since when.
type Track<T> = (Vec<Span<T>>, Option<(f64, T)>);

impl<K: Ord + Clone, T: Clone + PartialEq> Tracks<K, T> {
    fn new() -> Self {
        Self {
            order: Vec::new(),
            tracks: BTreeMap::new(),
        }
    }

    /// From now on it is so; nothing when it was not seen.
    fn see(&mut self, key: K, at: f64, what: Option<T>) {
        let (spans, open) = self.tracks.entry(key.clone()).or_insert_with(|| {
            self.order.push(key);
            (Vec::new(), None)
        });
        if open.as_ref().map(|(_, what)| what) == what.as_ref() {
            return;
        }
        if let Some((from, what)) = open.take() {
            let to = at.max(from);
            spans.push(Span { from, to, what });
        }
        *open = what.map(|what| (at, what));
    }

    fn lanes(mut self, end: f64) -> Vec<(K, Vec<Span<T>>)> {
        let mut lanes = Vec::new();
        for key in self.order {
            let Some((mut spans, open)) = self.tracks.remove(&key) else {
                continue;
            };
            if let Some((from, what)) = open {
                let to = end.max(from);
                spans.push(Span { from, to, what });
            }
            lanes.push((key, spans));
        }
        lanes
    }
}

impl Seen {
    /// Of a ledger; none when nobody looked, as in ledgers of earlier versions.
    pub(super) fn of(events: &[Stamped], end: f64) -> Option<Self> {
        let observed: Vec<(f64, &Observation)> = events
            .iter()
            .filter_map(|stamped| {
                let Event::Observed { seen } = &stamped.event else {
                    return None;
                };
                Some((from_us(stamped.at_us), seen))
            })
            .collect();
        if observed.is_empty() {
            return None;
        }
        let states = states(&observed, end);
        Some(Self {
            nodes: states.iter().map(|lane| lane.name.clone()).collect(),
            leaders: leaders(&observed, end),
            lags: lags(&observed, end),
            states,
        })
    }

    /// The number of a node, which has its colour.
    pub(super) fn number_of(&self, node: &str) -> usize {
        let mut nodes = self.nodes.iter();
        nodes.position(|one| one == node).unwrap_or_default()
    }
}

fn lane<T>((name, spans): (String, Vec<Span<T>>)) -> Lane<T> {
    Lane { name, spans }
}

fn states(observed: &[(f64, &Observation)], end: f64) -> Vec<Lane<NodeStatus>> {
    let mut tracks: Tracks<String, NodeStatus> = Tracks::new();
    for (at, seen) in observed {
        for known in tracks.order.clone() {
            if seen.nodes.iter().all(|one| one.node != known) {
                tracks.see(known, *at, None);
            }
        }
        for one in &seen.nodes {
            tracks.see(one.node.clone(), *at, Some(one.state));
        }
    }
    tracks.lanes(end).into_iter().map(lane).collect()
}

fn leaders(observed: &[(f64, &Observation)], end: f64) -> Vec<Lane<Lead>> {
    let mut tracks: Tracks<String, Lead> = Tracks::new();
    for (at, seen) in observed {
        let claims = seen.nodes.iter().filter(|node| node.leads_meta).count();
        let lead = lead_of(seen.meta_leader(), claims);
        tracks.see(META_GROUP.to_owned(), *at, Some(lead));
        for stream in &seen.streams {
            let claims = stream.replicas.iter().filter(|one| one.leads).count();
            let leader = stream.leader().map(|replica| replica.node.as_str());
            tracks.see(stream.stream.clone(), *at, Some(lead_of(leader, claims)));
        }
    }
    tracks.lanes(end).into_iter().map(lane).collect()
}

/// Who leads, when so many say so.
fn lead_of(leader: Option<&str>, claims: usize) -> Lead {
    match leader {
        Some(node) => Lead::Node(node.to_owned()),
        None if claims > 1 => Lead::Several,
        None => Lead::Nobody,
    }
}

fn lags(observed: &[(f64, &Observation)], end: f64) -> Vec<(String, Lane<u64>)> {
    let mut tracks: Tracks<(String, String), u64> = Tracks::new();
    for (at, seen) in observed {
        for known in tracks.order.clone() {
            let stream = seen.stream(&known.0);
            let mut replicas = stream.into_iter().flat_map(|stream| &stream.replicas);
            if !replicas.any(|replica| replica.node == known.1) {
                tracks.see(known, *at, None);
            }
        }
        for stream in &seen.streams {
            for replica in &stream.replicas {
                let key = (stream.stream.clone(), replica.node.clone());
                tracks.see(key, *at, Some(stream.lag_of(replica)));
            }
        }
    }
    let mut lanes = tracks.lanes(end);
    lanes.sort_by(|a, b| a.0.cmp(&b.0));
    let lanes = lanes.into_iter();
    lanes
        .map(|((stream, name), spans)| (stream, Lane { name, spans }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{NodeSeen, ReplicaSeen, StreamSeen};

    fn look(at_us: u64, nodes: &[(&str, NodeStatus)], replicas: &[(&str, bool, u64)]) -> Stamped {
        let nodes = nodes.iter().map(|(node, state)| NodeSeen {
            node: (*node).to_owned(),
            state: *state,
            leads_meta: *node == "n1",
        });
        let replicas = replicas.iter().map(|(node, leads, last)| ReplicaSeen {
            node: (*node).to_owned(),
            leads: *leads,
            messages: *last,
            first_sequence: 1,
            last_sequence: *last,
        });
        let seen = Observation {
            nodes: nodes.collect(),
            streams: vec![StreamSeen {
                stream: String::from("S"),
                replicas: replicas.collect(),
            }],
        };
        let event = Event::Observed { seen };
        Stamped { at_us, event }
    }

    #[test]
    fn what_was_seen_holds_until_the_next_look() {
        use NodeStatus::{Running, Stopped};
        let events = [
            look(
                1_000_000,
                &[("n1", Running), ("n2", Running)],
                &[("n1", true, 9), ("n2", false, 4)],
            ),
            look(
                2_000_000,
                &[("n1", Running), ("n2", Running)],
                &[("n1", true, 12), ("n2", false, 7)],
            ),
            look(
                3_000_000,
                &[("n1", Stopped), ("n2", Running)],
                &[("n2", false, 9)],
            ),
            look(
                5_000_000,
                &[("n2", Running), ("n3", Running)],
                &[("n2", true, 9)],
            ),
        ];
        let seen = Seen::of(&events, 8.0).unwrap();
        assert_eq!(seen.nodes, ["n1", "n2", "n3"]);
        assert_eq!(seen.number_of("n3"), 2);
        let span = |from, to, what| Span { from, to, what };
        assert_eq!(
            seen.states[0].spans,
            [span(1.0, 3.0, Running), span(3.0, 5.0, Stopped)]
        );
        assert_eq!(seen.states[2].spans, [span(5.0, 8.0, Running)]);
        let led = |from, to, node: Option<&str>| span_of(from, to, lead_of(node, 0));
        assert_eq!(seen.leaders[1].name, "S");
        let expected = [
            led(1.0, 3.0, Some("n1")),
            led(3.0, 5.0, None),
            led(5.0, 8.0, Some("n2")),
        ];
        assert_eq!(seen.leaders[1].spans, expected);
        let (stream, lag) = &seen.lags[1];
        assert_eq!((stream.as_str(), lag.name.as_str()), ("S", "n2"));
        assert_eq!(lag.spans, [span_of(1.0, 3.0, 5), span_of(3.0, 8.0, 0)]);
        assert_eq!(seen.lags[0].1.spans, [span_of(1.0, 3.0, 0)], "it is gone");
    }

    #[test]
    fn two_leaders_are_not_the_same_as_none() {
        let replicas = [("n1", true, 9), ("n2", true, 9)];
        let seen = Seen::of(&[look(0, &[], &replicas)], 1.0).unwrap();
        assert_eq!(seen.leaders[0].spans[0].what, Lead::Nobody);
        assert_eq!(seen.leaders[1].spans[0].what, Lead::Several);
    }

    fn span_of<T>(from: f64, to: f64, what: T) -> Span<T> {
        Span { from, to, what }
    }

    #[test]
    fn nobody_may_have_looked() {
        assert_eq!(Seen::of(&[], 5.0), None);
        // A clock that goes backwards makes no span that ends before it begins.
        use NodeStatus::{Running, Silent};
        let events = [
            look(9_000_000, &[("n1", Running)], &[]),
            look(1, &[("n1", Silent)], &[]),
        ];
        let seen = Seen::of(&events, 5.0).unwrap();
        assert!(seen.states[0].spans.iter().all(|span| span.from <= span.to));
    }
}
