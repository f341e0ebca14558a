//! The panels of what was seen from outside: what nodes did, who led, and how far replicas were behind.

use maud::{Markup, html};
use plotters::prelude::Polygon;
use plotters::style::text_anchor::HPos;

use super::chart::{Frame, Panel, Scale, lane_top};
use super::ink::{Drawn, Ink, width_of};
use super::seen::{Behind, Lane, Lead, Seen, Span};
use super::words::{counted, float, number, seconds};
use crate::ledger::NodeStatus;

/// No more lanes than this are drawn in a panel.
const MOST_LANES: usize = 24;
/// No more changes of a lane than this are told in words.
const MOST_TOLD: usize = 20;

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
                    Lead::Several => draw_span(panel, number, span, Ink::Unsure, "several say so")?,
                    Lead::Unknown => draw_span(panel, number, span, Ink::Unknown, "not known")?,
                    Lead::NotThere => draw_span(panel, number, span, Ink::Grid, "not there")?,
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
        let spans = lane.spans.iter().take(MOST_TOLD).map(|span| {
            let leader = match &span.what {
                Lead::Node(node) => node.as_str(),
                Lead::Nobody => "nobody",
                Lead::Several => "several say so",
                Lead::Unknown => "not known",
                Lead::NotThere => "not there",
            };
            format!(
                "{leader} from {} to {}",
                seconds(span.from),
                seconds(span.to)
            )
        });
        let more = match lane.spans.len().saturating_sub(MOST_TOLD) {
            0 => String::new(),
            more => format!(", and {}", counted(more, "more change")),
        };
        let spans = spans.collect::<Vec<_>>().join(", ");
        format!("{}: {spans}{more}", lane.name)
    });
    lanes.collect::<Vec<_>>().join("; ")
}

/// By how many sequences each replica was behind.
pub(super) fn lags(frame: &Frame, seen: &Seen) -> Markup {
    let lags: Vec<_> = seen.lags.iter().take(MOST_LANES).collect();
    let most = lags.iter().flat_map(|(_, lane)| &lane.spans);
    let most = most.map(|span| span.what.sequences()).max();
    let most = most.unwrap_or_default();
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
fn draw_lag(panel: &mut Panel<'_, '_, '_>, number: usize, lane: &Lane<Behind>, most: u64) -> Drawn {
    let (top, base) = (lane_top(number) + 0.14, lane_top(number) + 0.92);
    // What follows on each other is one shape: a page has room for many changes.
    for run in lane.spans.chunk_by(|one, next| one.to >= next.from) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        let mut outline = vec![(first.from, base)];
        for span in run {
            let share = float(span.what.sequences()) / float(most);
            let height = base - (base - top) * share;
            outline.extend([(span.from, height), (span.to, height)]);
        }
        outline.push((last.to, base));
        let shape = Polygon::new(outline, Ink::Unsure.fill());
        panel.chart.draw_series([shape])?;
        let line = [(first.from, base - 0.06), (last.to, base)];
        panel.fill(line, Ink::Quiet.fill())?;
    }
    for span in &lane.spans {
        match span.what {
            Behind::By(_) => {}
            Behind::Unknown => draw_span(panel, number, span, Ink::Unknown, "not known")?,
        }
    }
    let highest = lane.spans.iter().max_by_key(|span| span.what.sequences());
    let Some(span) = highest.filter(|span| span.what.sequences() > 0) else {
        return Ok(());
    };
    let text = format!("{} behind", super::words::number(span.what.sequences()));
    let (x, y) = panel.place((span.to, lane_top(number) + 0.5));
    panel.write_on_plate(&text, (x + 14, y));
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
    if matches!(ink, Ink::Absent | Ink::Unknown | Ink::Grid) {
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
