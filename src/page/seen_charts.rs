//! The panels of what was seen from outside: what nodes did, who led, and how far replicas were behind.

use maud::{Markup, html};
use plotters::style::text_anchor::HPos;

use super::chart::{Frame, Panel, Scale, lane_top};
use super::ink::{Drawn, Ink, width_of};
use super::seen::{Lane, Lead, Seen, Span};
use super::words::{counted, float, number, seconds};
use crate::ledger::NodeStatus;

/// No more lanes than this are drawn in a panel.
const MOST_LANES: usize = 24;

/// What every node did.
pub(super) fn states(frame: &Frame, seen: &Seen) -> Markup {
    let lanes: Vec<_> = seen.states.iter().take(MOST_LANES).collect();
    let label = format!("What {} did over time", counted(seen.states.len(), "node"));
    let drawn = frame.panel(Scale::Lanes(lanes.len()), &label, |panel| {
        for (number, lane) in lanes.iter().enumerate() {
            panel.name_lane(number, &lane.name);
            for span in &lane.spans {
                let (word, ink) = match span.what {
                    NodeStatus::Running => ("running", Ink::GoodPale),
                    NodeStatus::Silent => ("silent", Ink::Unknown),
                    NodeStatus::Paused => ("paused", Ink::Unsure),
                    NodeStatus::Stopped => ("stopped", Ink::Absent),
                };
                draw_span(panel, number, span, ink, word)?;
            }
        }
        Ok(())
    });
    html! { (drawn) (left_out(seen.states.len())) }
}

/// Who led the meta group, and each stream.
pub(super) fn leaders(frame: &Frame, seen: &Seen) -> Markup {
    let lanes: Vec<_> = seen.leaders.iter().take(MOST_LANES).collect();
    let label = format!("Leaders over time: {}", told(&lanes));
    let drawn = frame.panel(Scale::Lanes(lanes.len()), &label, |panel| {
        for (number, lane) in lanes.iter().enumerate() {
            panel.name_lane(number, &lane.name);
            for span in &lane.spans {
                match &span.what {
                    Lead::Node(node) => {
                        let ink = Ink::series(seen.number_of(node));
                        draw_span(panel, number, span, ink, node)?;
                    }
                    Lead::Nobody => draw_span(panel, number, span, Ink::Absent, "no leader")?,
                    Lead::Several => {
                        draw_span(panel, number, span, Ink::Unknown, "several say so")?;
                    }
                }
            }
        }
        Ok(())
    });
    html! { (drawn) (left_out(seen.leaders.len())) }
}

/// Who led what from when to when, for those who can't see it.
fn told(lanes: &[&Lane<Lead>]) -> String {
    let lanes = lanes.iter().map(|lane| {
        let spans = lane.spans.iter().map(|span| {
            let leader = match &span.what {
                Lead::Node(node) => node.as_str(),
                Lead::Nobody => "nobody",
                Lead::Several => "several say so",
            };
            format!(
                "{leader} from {} to {}",
                seconds(span.from),
                seconds(span.to)
            )
        });
        format!("{}: {}", lane.name, spans.collect::<Vec<_>>().join(", "))
    });
    lanes.collect::<Vec<_>>().join("; ")
}

/// By how many sequences each replica was behind.
pub(super) fn lags(frame: &Frame, seen: &Seen) -> Markup {
    let lags: Vec<_> = seen.lags.iter().take(MOST_LANES).collect();
    let most = lags.iter().flat_map(|(_, lane)| &lane.spans);
    let most = most.map(|span| span.what).max().unwrap_or_default();
    let label = format!(
        "How far replicas were behind: {} at most",
        counted_lag(most)
    );
    let drawn = frame.panel(Scale::Lanes(lags.len()), &label, |panel| {
        for (number, (stream, lane)) in lags.iter().enumerate() {
            panel.name_lane(number, &format!("{} {stream}", lane.name));
            draw_lag(panel, number, lane, most.max(1))?;
        }
        Ok(())
    });
    html! { (drawn) (left_out(seen.lags.len())) }
}

fn counted_lag(lag: u64) -> String {
    format!("{} sequences", number(lag))
}

/// A lag as steps above the base of its lane, where there is a replica, and its most beside it.
fn draw_lag(panel: &mut Panel<'_, '_, '_>, number: usize, lane: &Lane<u64>, most: u64) -> Drawn {
    let (top, base) = (lane_top(number) + 0.14, lane_top(number) + 0.92);
    for span in &lane.spans {
        let line = [(span.from, base - 0.06), (span.to, base)];
        panel.fill(line, Ink::Quiet.fill())?;
        let share = float(span.what) / float(most);
        let corners = [(span.from, base - (base - top) * share), (span.to, base)];
        if span.what > 0 {
            panel.fill(corners, Ink::Unsure.fill())?;
        }
    }
    let highest = lane.spans.iter().max_by_key(|span| span.what);
    let Some(span) = highest.filter(|span| span.what > 0) else {
        return Ok(());
    };
    let text = format!("{} behind", super::words::number(span.what));
    let (x, y) = panel.place((span.to, lane_top(number) + 0.5));
    panel.write(&text, (x + 14, y), Ink::Text.text(HPos::Left));
    Ok(())
}

/// A bar with a word in it, where there is room for one.
fn draw_span<T>(
    panel: &mut Panel<'_, '_, '_>,
    lane: usize,
    span: &Span<T>,
    ink: Ink,
    word: &str,
) -> Drawn {
    panel.bar(lane, span.from, span.to, ink)?;
    let middle = lane_top(lane) + 0.5;
    let (left, y) = panel.place((span.from, middle));
    let (right, _) = panel.place((span.to, middle));
    if right.saturating_sub(left) < width_of(word) + 16 {
        return Ok(());
    }
    if matches!(ink, Ink::Absent | Ink::Unknown) {
        panel.write_on_plate(word, (left + 8, y));
    } else if ink == Ink::GoodPale {
        panel.write(word, (left + 8, y), Ink::Text.text(HPos::Left));
    } else {
        panel.write(word, (left + 8, y), Ink::OnBar.text(HPos::Left));
    }
    Ok(())
}

fn left_out(lanes: usize) -> Markup {
    let more = lanes.saturating_sub(MOST_LANES);
    html! {
        @if more > 0 { p .quiet .keep { (counted(more, "more lane")) " not drawn." } }
    }
}
