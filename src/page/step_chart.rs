//! The first panel: faults and recoveries by name, every step from its begin to its end, and the two
//! times that are promised.

use maud::{Markup, html};
use plotters::style::text_anchor::HPos;

use super::chart::{AXIS, Frame, LEFT, Panel, Scale, WIDTH, lane_top};
use super::ink::{Drawn, Ink, width_of};
use super::timeline::{Mark, StepSpan, Timeline};
use super::words::{counted, from_us, seconds, shortened};
use crate::ledger::StepEnd;

/// The room between a bar and its text.
const ROOM: i32 = 14;
/// The least width of a bar: what took no time is seen as well.
const LEAST_BAR: f64 = 0.002;
/// No more rows of marks than this: those that do not fit are in the table of steps.
const MOST_MARK_LANES: usize = 6;
/// No more steps than this are drawn; the table has all.
const MOST_STEPS: usize = 40;
/// The longest text beside a bar.
const LONGEST_TEXT: usize = 70;

/// A bar, and what is written beside it.
struct Named {
    name: String,
    from: f64,
    to: f64,
    ink: Ink,
    text: String,
}

/// Draws it.
pub(super) fn panel(frame: &Frame, timeline: &Timeline) -> Markup {
    let mut marks: Vec<(&Mark, Ink)> = Vec::new();
    marks.extend(timeline.faults.iter().map(|mark| (mark, Ink::Bad)));
    marks.extend(timeline.recovered.iter().map(|mark| (mark, Ink::Good)));
    marks.sort_by(|a, b| a.0.at.total_cmp(&b.0.at));
    let (placed, mark_lanes) = place_marks(frame, &marks);
    let bars = bars(timeline);
    let label = format!(
        "Steps and faults over {}: {} steps, {} faults",
        seconds(timeline.end),
        timeline.steps.len(),
        timeline.faults.len()
    );
    let drawn = frame.panel(Scale::Lanes(mark_lanes + bars.len()), &label, |panel| {
        for (lane, mark, ink) in &placed {
            write_mark(panel, *lane, mark, *ink);
        }
        for (number, one) in bars.iter().enumerate() {
            draw_bar(panel, frame, mark_lanes + number, one)?;
        }
        Ok(())
    });
    let steps = timeline.steps.len().saturating_sub(MOST_STEPS);
    html! {
        (drawn)
        @for (more, what) in [(steps, "more step"), (marks.len() - placed.len(), "more mark")] {
            @if more > 0 { p .quiet .keep { (counted(more, what)) " not drawn." } }
        }
    }
}

fn bars(timeline: &Timeline) -> Vec<Named> {
    let steps = timeline.steps.iter().take(MOST_STEPS);
    let mut bars: Vec<_> = steps.map(|step| of_step(step, timeline.end)).collect();
    if let Some((from, to)) = timeline.recovery {
        bars.push(Named {
            name: String::from("recovery"),
            from,
            to,
            ink: Ink::Good,
            text: seconds(to - from),
        });
    }
    if let Some(gap) = &timeline.gap {
        let (from, to) = (from_us(gap.from_us), from_us(gap.to_us));
        bars.push(Named {
            name: String::from("no writes"),
            from,
            to,
            ink: Ink::Unsure,
            text: format!(
                "{} acknowledged nothing for {}",
                shortened(&gap.stream, LONGEST_TEXT),
                seconds(to - from)
            ),
        });
    }
    bars
}

fn of_step(step: &StepSpan, end: f64) -> Named {
    let (ink, remark) = match &step.end {
        Some(StepEnd::Done) => (Ink::Quiet, ""),
        Some(StepEnd::Broken { .. }) => (Ink::Bad, " ✗ failed"),
        Some(StepEnd::Impossible { .. }) => (Ink::Unsure, " ? not carried out"),
        Some(StepEnd::Withdrawn { .. }) => (Ink::Quiet, " – withdrawn"),
        None => (Ink::Unsure, " ? never ended"),
    };
    Named {
        name: format!("step {}", step.number),
        from: step.from,
        to: step.to.unwrap_or(end),
        ink,
        text: format!("{}{remark}", shortened(&step.text, LONGEST_TEXT)),
    }
}

/// A bar with its text on the side that has more room.
fn draw_bar(panel: &mut Panel<'_, '_, '_>, frame: &Frame, lane: usize, one: &Named) -> Drawn {
    panel.name_lane(lane, &one.name);
    let to = one.to.max(one.from + frame.end * LEAST_BAR).min(frame.end);
    let from = one.from.min(to);
    panel.bar(lane, from, to, one.ink)?;
    let middle = lane_top(lane) + 0.5;
    let (left, y) = panel.place((from, middle));
    let (right, _) = panel.place((to, middle));
    let wide = width_of(&one.text);
    let edge = i32::try_from(WIDTH).unwrap_or(i32::MAX);
    if right + ROOM + wide <= edge {
        panel.write(&one.text, (right + ROOM, y), Ink::Text.text(HPos::Left));
    } else if left - ROOM - wide >= LEFT {
        panel.write(&one.text, (left - ROOM, y), Ink::Text.text(HPos::Right));
    } else {
        // A bar from end to end has its text inside.
        panel.write(&one.text, (left + ROOM, y), Ink::OnBar.text(HPos::Left));
    }
    Ok(())
}

/// Where the axis has a time, about, before there is a panel.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a share of the axis's width is no more than that"
)]
fn pixel(frame: &Frame, at: f64) -> i32 {
    let share = (at / frame.end).clamp(0.0, 1.0);
    LEFT + (f64::from(AXIS) * share) as i32
}

/// Each mark in the first row in which it covers no other, and how many rows that takes.
fn place_marks<'a>(
    frame: &Frame,
    marks: &[(&'a Mark, Ink)],
) -> (Vec<(usize, &'a Mark, Ink)>, usize) {
    let mut ends: Vec<i32> = Vec::new();
    let mut placed = Vec::new();
    for (mark, ink) in marks {
        let begin = pixel(frame, mark.at);
        let end = begin.saturating_add(width_of(&mark_text(mark, *ink)) + 2 * ROOM);
        let free = ends.iter().position(|taken| *taken <= begin);
        let lane = match free {
            Some(lane) => lane,
            None if ends.len() < MOST_MARK_LANES => {
                ends.push(i32::MIN);
                ends.len() - 1
            }
            None => continue,
        };
        ends[lane] = end;
        placed.push((lane, *mark, *ink));
    }
    (placed, ends.len())
}

fn mark_text(mark: &Mark, ink: Ink) -> String {
    let sign = if ink == Ink::Bad { "▼" } else { "✓" };
    format!("{sign} {}", shortened(&mark.text, 40))
}

/// A mark begins at its line, or ends there where the panel ends.
fn write_mark(panel: &mut Panel<'_, '_, '_>, lane: usize, mark: &Mark, ink: Ink) {
    let (x, y) = panel.place((mark.at, lane_top(lane) + 0.5));
    let text = mark_text(mark, ink);
    let edge = i32::try_from(WIDTH).unwrap_or(i32::MAX);
    if x + ROOM / 2 + width_of(&text) <= edge {
        panel.write(&text, (x + ROOM / 2, y), ink.text(HPos::Left));
    } else {
        panel.write(&text, (x - ROOM / 2, y), ink.text(HPos::Right));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_at_the_same_time_do_not_cover_each_other() {
        let frame = Frame {
            end: 10.0,
            faults: Vec::new(),
            recovered: Vec::new(),
        };
        let mark = |at, text: &str| Mark {
            at,
            text: text.to_owned(),
        };
        let marks: Vec<_> = (0..9).map(|_| mark(1.0, "kill n1")).collect();
        let marks: Vec<_> = marks.iter().map(|mark| (mark, Ink::Bad)).collect();
        let (placed, lanes) = place_marks(&frame, &marks);
        assert_eq!((placed.len(), lanes), (MOST_MARK_LANES, MOST_MARK_LANES));
        let apart = [mark(1.0, "kill n1"), mark(9.0, "kill n2")];
        let apart: Vec<_> = apart.iter().map(|mark| (mark, Ink::Bad)).collect();
        assert_eq!(place_marks(&frame, &apart).1, 1);
    }
}
