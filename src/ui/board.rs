//! What is shown of a drill that runs: what it does, its cluster, its load, and the clock since the fault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use console::truncate_str;

use crate::drill::{Rates, Tally};
use crate::ledger::{Event, Observation};
use crate::report::{Row, cluster_rows, load_rows};

/// How wide what a line is about is, at least.
const LABEL_WIDTH: usize = 8;

/// A drill at one moment.
#[derive(Debug, Default)]
pub(super) struct Board {
    doing: String,
    seen: Observation,
    tally: Option<Arc<Tally>>,
    rates: Rates,
    fault: Option<Fault>,
}

/// The latest fault.
#[derive(Debug)]
struct Fault {
    what: String,
    began: Instant,
    /// How long it took until a stream was whole again.
    whole_after: Option<(String, Duration)>,
}

impl Board {
    pub(super) fn does(&mut self, text: &str) {
        text.clone_into(&mut self.doing);
    }

    pub(super) fn doing(&self) -> &str {
        &self.doing
    }

    pub(super) fn tally(&mut self, tally: &Arc<Tally>) {
        self.tally.get_or_insert_with(|| Arc::clone(tally));
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others are told as steps and notes"
    )]
    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Observed { seen } => self.seen.clone_from(seen),
            Event::FaultBegan { fault, node } => {
                self.fault = Some(Fault {
                    what: format!("{fault} of {node}"),
                    began: now,
                    whole_after: None,
                });
            }
            Event::Recovered { stream } => {
                if let Some(fault) = &mut self.fault {
                    let after = now.duration_since(fault.began);
                    fault.whole_after = Some((stream.clone(), after));
                }
            }
            _ => {}
        }
    }

    /// The lines below what it does; none before there is a cluster.
    pub(super) fn details(&mut self, now: Instant) -> Vec<String> {
        if self.seen.nodes.is_empty() {
            return Vec::new();
        }
        let mut rows = cluster_rows(&self.seen);
        if let Some(tally) = &self.tally {
            rows.extend(load_rows(&self.rates.look(now, tally)));
        }
        if let Some(fault) = &self.fault {
            rows.push(Row::new("clock", fault.tell(now)));
        }
        let width = Row::label_width(&rows, LABEL_WIDTH);
        rows.iter()
            .map(|row| format!("    {}", row.line(width)))
            .collect()
    }

    /// How it goes and what it does in one line, for when there is no room for more.
    pub(super) fn short(&mut self, now: Instant) -> String {
        let mut parts = Vec::new();
        if let Some(fault) = &self.fault {
            let since = now.duration_since(fault.began).as_secs_f64();
            parts.push(format!("fault + {since:.1} s"));
        }
        if let Some(tally) = &self.tally {
            let load = self.rates.look(now, tally);
            parts.push(format!("{:.0}/s", load.acknowledged_per_second));
        }
        parts.push(self.doing.clone());
        parts.join(" · ")
    }
}

impl Fault {
    fn tell(&self, now: Instant) -> String {
        let since = now.duration_since(self.began).as_secs_f64();
        let whole = self.whole_after.as_ref().map(|(stream, after)| {
            let after = after.as_secs_f64();
            format!(", {stream} whole after {after:.1} s")
        });
        format!(
            "{since:.1} s since {}{}",
            self.what,
            whole.unwrap_or_default()
        )
    }
}

/// As much of a line as a terminal of this width shows; in the last column some break it.
pub(super) fn fit(line: &str, width: usize) -> String {
    truncate_str(line, width.saturating_sub(1).max(1), "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{FaultKind, NodeSeen, NodeStatus};

    #[test]
    fn a_drill_is_shown_with_its_cluster_its_load_and_its_clock() {
        let (mut board, began) = (Board::default(), Instant::now());
        board.does("4/5 wait for 3 whole replicas of ORDERS");
        assert_eq!(board.details(began), [""; 0]);
        let seen = Observation {
            nodes: vec![NodeSeen {
                node: String::from("n1"),
                state: NodeStatus::Stopped,
                leads_meta: false,
            }],
            streams: Vec::new(),
        };
        board.event(&Event::Observed { seen }, began);
        board.tally(&Arc::default());
        let (fault, node) = (FaultKind::Kill, String::from("n1"));
        board.event(&Event::FaultBegan { fault, node }, began);
        let stream = String::from("ORDERS");
        let whole = began + Duration::from_secs(2);
        board.event(&Event::Recovered { stream }, whole);
        let now = began + Duration::from_millis(3500);
        assert_eq!(
            board.details(now),
            [
                "    nodes     n1 stopped",
                "    load      0/s acknowledged, 0/s delivered",
                "    so far    0 acknowledged, 0 refused, 0 unknown, 0 delivered",
                "    clock     3.5 s since kill of n1, ORDERS whole after 2.0 s",
            ]
        );
        let short = board.short(now);
        assert_eq!(
            short,
            "fault + 3.5 s · 0/s · 4/5 wait for 3 whole replicas of ORDERS"
        );
        assert_eq!(fit(&short, 20).chars().count(), 19);
    }
}
