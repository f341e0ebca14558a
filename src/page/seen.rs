//! What was seen of nodes and streams from outside, as spans of time: an observation holds until the
//! next. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::words::from_us;
use crate::ledger::{Event, NodeSeen, NodeStatus, Observation, Stamped};

/// The lane of who leads the nodes' own group.
const META_GROUP: &str = "meta group";
/// A lane of more changes than this shows what was worst in each of so many parts of its time.
const POINTS: u32 = 300;

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
    Several,
    /// A node that may lead does not answer.
    Unknown,
    /// No node has the stream.
    NotThere,
}

impl Lead {
    /// How bad it is.
    fn rank(&self) -> u64 {
        match self {
            Self::Node(_) => 0,
            Self::NotThere => 1,
            Self::Unknown => 2,
            Self::Several => 3,
            Self::Nobody => 4,
        }
    }
}

/// How far a replica is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    By(u64),
    /// Its node does not answer.
    Unknown,
}

impl Behind {
    /// How far that is; as much as nothing where it is not known.
    pub(super) fn sequences(self) -> u64 {
        match self {
            Self::By(sequences) => sequences,
            Self::Unknown => 0,
        }
    }

    fn rank(&self) -> u64 {
        match self {
            Self::By(sequences) => sequences.saturating_add(1),
            Self::Unknown => 0,
        }
    }
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
    pub(super) lags: Vec<(String, Lane<Behind>)>,
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

    /// The lanes; of many changes those that rank highest.
    fn lanes(mut self, end: f64, rank: impl Fn(&T) -> u64) -> Vec<(K, Vec<Span<T>>)> {
        let mut lanes = Vec::new();
        for key in self.order {
            let Some((mut spans, open)) = self.tracks.remove(&key) else {
                continue;
            };
            if let Some((from, what)) = open {
                let to = end.max(from);
                spans.push(Span { from, to, what });
            }
            lanes.push((key, thinned(spans, &rank)));
        }
        lanes
    }
}

/// No more spans than a plot has room for: what ranks highest in a part of the time is all of it.
fn thinned<T: Clone + PartialEq>(spans: Vec<Span<T>>, rank: impl Fn(&T) -> u64) -> Vec<Span<T>> {
    let most = usize::try_from(POINTS).unwrap_or(usize::MAX);
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return spans;
    };
    let (begin, width) = (first.from, (last.to - first.from) / f64::from(POINTS));
    if spans.len() <= most || width <= 0.0 {
        return spans;
    }
    let mut thin: Vec<Span<T>> = Vec::new();
    // A span may take several parts, and a part have several spans.
    let mut next = 0;
    for part in 0..POINTS {
        let from = begin + width * f64::from(part);
        let to = from + width;
        while spans.get(next).is_some_and(|span| span.to < from) {
            next += 1;
        }
        let within = spans.iter().skip(next).take_while(|span| span.from < to);
        let Some(what) = within.map(|span| &span.what).max_by_key(|what| rank(what)) else {
            continue;
        };
        match thin.last_mut() {
            // The sums of widths may differ in their last digit.
            Some(open) if open.what == *what && from - open.to < width / 2.0 => open.to = to,
            Some(_) | None => thin.push(Span {
                from,
                to,
                what: what.clone(),
            }),
        }
    }
    thin
}

/// Which nodes are known to have which stream: those that do not answer have it as long as nothing else
/// is known.
#[derive(Default)]
struct Holders<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Holders<'a> {
    fn see(&mut self, seen: &'a Observation) {
        for stream in &seen.streams {
            let known = self.0.entry(&stream.stream).or_default();
            let holds = |node: &str| stream.replicas.iter().any(|replica| replica.node == node);
            let answers = |node: &NodeSeen| node.state == NodeStatus::Running;
            known.retain(|known| {
                let own = seen.nodes.iter().find(|node| node.node == *known);
                own.is_some_and(|own| !answers(own) || holds(known))
            });
            known.extend(stream.replicas.iter().map(|replica| replica.node.as_str()));
        }
    }

    /// Those of a stream's that run and do not answer.
    fn silent(&self, stream: &str, seen: &'a Observation) -> Vec<&'a str> {
        let known = self.0.get(stream);
        let silent = seen.nodes.iter().filter(|node| is_silent(node));
        let silent = silent.map(|node| node.node.as_str());
        silent
            .filter(|node| known.is_some_and(|known| known.contains(node)))
            .collect()
    }

    fn has_none(&self, stream: &str) -> bool {
        self.0.get(stream).is_none_or(BTreeSet::is_empty)
    }
}

fn is_silent(node: &NodeSeen) -> bool {
    match node.state {
        NodeStatus::Silent | NodeStatus::Paused => true,
        NodeStatus::Running | NodeStatus::Stopped => false,
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
    let rank = |state: &NodeStatus| match state {
        NodeStatus::Running => 0,
        NodeStatus::Silent => 1,
        NodeStatus::Paused => 2,
        NodeStatus::Stopped => 3,
    };
    tracks.lanes(end, rank).into_iter().map(lane).collect()
}

fn leaders(observed: &[(f64, &Observation)], end: f64) -> Vec<Lane<Lead>> {
    let mut tracks: Tracks<String, Lead> = Tracks::new();
    let mut holders = Holders::default();
    // A server that stands alone has no such group.
    let mut nodes = observed.iter().flat_map(|(_, seen)| &seen.nodes);
    let has_meta_group = nodes.any(|node| node.leads_meta);
    for (at, seen) in observed {
        holders.see(seen);
        if has_meta_group {
            let claims = seen.nodes.iter().filter(|node| node.leads_meta).count();
            let otherwise = match seen.nodes.iter().any(is_silent) {
                true => Lead::Unknown,
                false => Lead::Nobody,
            };
            let lead = lead_of(seen.meta_leader(), claims, otherwise);
            tracks.see(META_GROUP.to_owned(), *at, Some(lead));
        }
        for stream in &seen.streams {
            let claims = stream.replicas.iter().filter(|one| one.leads).count();
            let leader = stream.leader().map(|replica| replica.node.as_str());
            let otherwise = if holders.has_none(&stream.stream) {
                Lead::NotThere
            } else if holders.silent(&stream.stream, seen).is_empty() {
                Lead::Nobody
            } else {
                Lead::Unknown
            };
            let lead = lead_of(leader, claims, otherwise);
            tracks.see(stream.stream.clone(), *at, Some(lead));
        }
    }
    let lanes = tracks.lanes(end, Lead::rank).into_iter();
    lanes.map(lane).collect()
}

/// Who leads, when so many say so, or what is so when none does.
fn lead_of(leader: Option<&str>, claims: usize, otherwise: Lead) -> Lead {
    match leader {
        Some(node) => Lead::Node(node.to_owned()),
        None if claims > 1 => Lead::Several,
        None => otherwise,
    }
}

fn lags(observed: &[(f64, &Observation)], end: f64) -> Vec<(String, Lane<Behind>)> {
    let mut tracks: Tracks<(String, String), Behind> = Tracks::new();
    let mut holders = Holders::default();
    for (at, seen) in observed {
        holders.see(seen);
        for known in tracks.order.clone() {
            let stream = seen.stream(&known.0);
            let mut replicas = stream.into_iter().flat_map(|stream| &stream.replicas);
            if !replicas.any(|replica| replica.node == known.1) {
                let is_silent = holders.silent(&known.0, seen).contains(&known.1.as_str());
                let what = is_silent.then_some(Behind::Unknown);
                tracks.see(known, *at, what);
            }
        }
        for stream in &seen.streams {
            for replica in &stream.replicas {
                let key = (stream.stream.clone(), replica.node.clone());
                let lag = Behind::By(stream.lag_of(replica));
                tracks.see(key, *at, Some(lag));
            }
        }
    }
    let mut lanes = tracks.lanes(end, Behind::rank);
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
        let led = |from, to, node| span_of(from, to, lead_of(node, 0, Lead::Nobody));
        assert_eq!(seen.leaders[1].name, "S");
        let expected = [
            led(1.0, 3.0, Some("n1")),
            led(3.0, 5.0, None),
            led(5.0, 8.0, Some("n2")),
        ];
        assert_eq!(seen.leaders[1].spans, expected);
        let (stream, lag) = &seen.lags[1];
        assert_eq!((stream.as_str(), lag.name.as_str()), ("S", "n2"));
        let by = |from, to, lag| span_of(from, to, Behind::By(lag));
        assert_eq!(lag.spans, [by(1.0, 3.0, 5), by(3.0, 8.0, 0)]);
        assert_eq!(seen.lags[0].1.spans, [by(1.0, 3.0, 0)], "it is gone");
    }

    #[test]
    fn no_answer_is_not_the_same_as_no_leader_and_no_replica() {
        use NodeStatus::{Paused, Running, Silent, Stopped};
        let nodes = |state| [("n1", state), ("n2", Running)];
        let whole = [("n1", true, 9), ("n2", false, 9)];
        let events = [
            look(0, &nodes(Running), &[]),
            look(1_000_000, &nodes(Running), &whole),
            look(2_000_000, &nodes(Paused), &whole[1..]),
            look(3_000_000, &nodes(Silent), &whole[1..]),
            look(4_000_000, &nodes(Stopped), &whole[1..]),
            look(5_000_000, &nodes(Running), &[]),
        ];
        let seen = Seen::of(&events, 6.0).unwrap();
        let led: Vec<_> = seen.leaders[1].spans.iter().map(|one| &one.what).collect();
        let by = Lead::Node(String::from("n1"));
        let (none, gone) = (&Lead::Nobody, &Lead::NotThere);
        assert_eq!(led, [gone, &by, &Lead::Unknown, none, gone]);
        let expected = [
            span_of(1.0, 2.0, Behind::By(0)),
            span_of(2.0, 4.0, Behind::Unknown),
        ];
        assert_eq!(seen.lags[0].1.spans, expected);
    }

    #[test]
    fn many_changes_show_the_worst_of_each_part() {
        let spans: Vec<_> = (0..10_000_u32)
            .map(|at| span_of(f64::from(at), f64::from(at + 1), u64::from(at % 100)))
            .collect();
        let thin = thinned(spans, |lag| *lag);
        assert!(thin.len() <= 300, "{}", thin.len());
        assert!(thin.iter().any(|span| span.what == 99));
        let reached = thin.last().unwrap().to;
        assert!((reached - 10_000.0).abs() < 1e-6, "{reached}");
        assert!(thin.windows(2).all(|pair| pair[0].what != pair[1].what));
    }

    #[test]
    fn two_leaders_are_not_the_same_as_none() {
        let replicas = [("n1", true, 9), ("n2", true, 9)];
        let seen = Seen::of(&[look(0, &[], &replicas)], 1.0).unwrap();
        assert_eq!(seen.leaders.len(), 1, "nobody ever led a meta group");
        assert_eq!(seen.leaders[0].spans[0].what, Lead::Several);
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
