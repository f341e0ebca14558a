//! The panels of what became of publishes, and of how far consumers came.

use maud::{Markup, html};
use plotters::prelude::Text;
use plotters::series::{AreaSeries, LineSeries};
use plotters::style::text_anchor::HPos;

use super::chart::{Frame, LEFT, Panel, Scale};
use super::ink::{Drawn, Ink, width_of};
use super::timeline::{Column, Progress, Timeline};
use super::words::{counted, float, from_us, number, seconds, shortened};

/// The height of the panel of publishes.
const HEIGHT: u32 = 300;
/// The height of a consumer's panel.
const LOW: u32 = 130;
/// The share of a column's time that its bar takes.
const BAR: f64 = 0.84;
/// A column that is this much higher than most others is cut off, so that those can be read.
const CUT_ABOVE: u64 = 3;
/// No two figures above columns that are cut off come nearer than this.
const LABEL_ROOM: i32 = 120;
/// The longest name of a stream on a plot.
const LONGEST_NAME: usize = 24;
/// No more consumers than this are drawn.
const MOST_CONSUMERS: usize = 8;

/// What became of publishes, by the second.
pub(super) fn outcomes(frame: &Frame, timeline: &Timeline) -> Markup {
    let outcomes = &timeline.outcomes;
    let top = cut(&outcomes.columns);
    let sum = |part: fn(&Column) -> u64| outcomes.columns.iter().map(part).sum::<u64>();
    let label = format!(
        "Publishes over time: {} acknowledged, {} refused, {} without an answer",
        sum(|column| column.acknowledged),
        sum(|column| column.refused),
        sum(|column| column.unknown)
    );
    let scale = Scale::Figure {
        top: float(top),
        height: HEIGHT,
    };
    let drawn = frame.panel(scale, &label, |panel| {
        shade_gap(panel, timeline, float(top))?;
        draw_columns(panel, timeline, top)
    });
    let begins = std::iter::successors(Some(0.0), |from| Some(from + outcomes.width));
    let cut: Vec<_> = begins
        .zip(&outcomes.columns)
        .filter(|(_, column)| column.all() > top)
        .map(|(from, column)| format!("{} at {}", number(column.all()), seconds(from)))
        .collect();
    html! {
        (drawn)
        @if !cut.is_empty() {
            p .quiet .keep {
                "Columns above " (number(top)) " are cut off, which shortens what was acknowledged and nothing "
                "else: " (cut.join(", ")) "."
            }
        }
    }
}

/// Where the axis ends: above all columns, unless a few are far higher than the others; never below what
/// was refused or had no answer.
fn cut(columns: &[Column]) -> u64 {
    let mut heights: Vec<_> = columns.iter().map(|column| column.all()).collect();
    heights.retain(|height| *height > 0);
    heights.sort_unstable();
    let highest = heights.last().copied().unwrap_or(1);
    let usual = heights.get(heights.len() * 3 / 4).copied().unwrap_or(1);
    let usual_top = usual.saturating_mul(CUT_ABOVE) / 2;
    let troubles = columns.iter().map(|column| column.troubles()).max();
    if highest > usual.saturating_mul(CUT_ABOVE) {
        usual_top.max(troubles.unwrap_or_default()).max(1)
    } else {
        highest
    }
}

/// The longest time without an acknowledged message.
fn shade_gap(panel: &mut Panel<'_, '_, '_>, timeline: &Timeline, top: f64) -> Drawn {
    let Some(gap) = &timeline.gap else {
        return Ok(());
    };
    let (from, to) = (from_us(gap.from_us), from_us(gap.to_us));
    panel.fill([(from, 0.0), (to, top)], Ink::Unsure.shade(0.18))?;
    let (x, y) = panel.place(((from + to) / 2.0, top));
    let text = format!(
        "{} acknowledged nothing for {}",
        shortened(&gap.stream, LONGEST_NAME),
        seconds(to - from)
    );
    let left = x.saturating_sub(width_of(&text) / 2).max(LEFT + 8);
    panel.write_on_plate(&text, (left, y + 22));
    Ok(())
}

/// What is drawn of a column, from below: what went wrong is whole, whatever is cut off above.
fn parts(column: &Column, top: u64) -> Vec<(u64, u64, Ink)> {
    let mut base: u64 = 0;
    let mut parts = Vec::new();
    for (count, ink) in [
        (column.unknown, Ink::Unknown),
        (column.refused, Ink::Refused),
        (column.acknowledged, Ink::Good),
    ] {
        let above = base.saturating_add(count).min(top);
        if base < above {
            parts.push((base, above, ink));
        }
        base = above;
    }
    parts
}

fn draw_columns(panel: &mut Panel<'_, '_, '_>, timeline: &Timeline, top: u64) -> Drawn {
    let outcomes = &timeline.outcomes;
    let mut labelled_up_to = i32::MIN;
    let mut from = 0.0;
    for column in &outcomes.columns {
        let to = (from + outcomes.width * BAR).min(timeline.end);
        let is_wide = from < to;
        for (base, above, ink) in parts(column, top).into_iter().filter(|_| is_wide) {
            panel.fill([(from, float(base)), (to, float(above))], ink.fill())?;
        }
        let (x, y) = panel.place(((from + to) / 2.0, float(top)));
        if column.all() > top && is_wide && x >= labelled_up_to {
            let text = format!("↑ {}", number(column.all()));
            let left = x.saturating_sub(width_of(&text) / 2).max(LEFT + 8);
            panel.write_on_plate(&text, (left, y + 58));
            labelled_up_to = x.saturating_add(LABEL_ROOM);
        }
        from += outcomes.width;
    }
    Ok(())
}

/// How far each consumer came, beside what its stream had acknowledged to publishers.
pub(super) fn consumers(frame: &Frame, progress: &[Progress]) -> Markup {
    let left_out = progress.len().saturating_sub(MOST_CONSUMERS);
    html! {
        @for one in progress.iter().take(MOST_CONSUMERS) {
            figcaption .lane-name {
                b { (one.consumer) } " of " (one.stream)
                @if one.acknowledged.is_empty() { " (clients publish nothing to it)" }
            }
            (consumer(frame, one))
        }
        @if left_out > 0 {
            p .quiet .keep { (counted(left_out, "consumer")) " more are not drawn." }
        }
    }
}

fn consumer(frame: &Frame, one: &Progress) -> Markup {
    let last = |points: &[(f64, u64)]| points.last().map_or(0, |(_, count)| *count);
    let (published, consumed) = (last(&one.acknowledged), last(&one.consumed));
    let of_stream = match one.acknowledged.is_empty() {
        true => String::from("clients publish nothing to the stream itself"),
        false => format!("{published} by the stream"),
    };
    let label = format!(
        "{} of {}: {consumed} distinct messages acknowledged by it, {of_stream}",
        one.consumer, one.stream
    );
    let scale = Scale::Figure {
        top: float(published.max(consumed)),
        height: LOW,
    };
    frame.panel(scale, &label, |panel| {
        let points = |points: &[(f64, u64)]| -> Vec<(f64, f64)> {
            let points = points.iter();
            points.map(|(at, count)| (*at, float(*count))).collect()
        };
        let acknowledged = points(&one.acknowledged);
        let area = AreaSeries::new(acknowledged, 0.0, Ink::Quiet.shade(0.3));
        panel.chart.draw_series(area)?;
        let line = LineSeries::new(points(&one.consumed), Ink::Series(0).line(5));
        panel.chart.draw_series(line)?;
        Ok(())
    })
}

/// A name on a canvas of its own, shortened.
pub(super) fn label_at(
    text: &str,
    at: (i32, i32),
    from: HPos,
) -> Text<'static, (i32, i32), String> {
    Text::new(shortened(text, 26), at, Ink::Text.text(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::timeline::Outcomes;

    fn column(acknowledged: u64) -> Column {
        Column {
            acknowledged,
            ..Column::default()
        }
    }

    #[test]
    fn what_is_far_higher_than_the_rest_is_cut_off() {
        let even: Vec<_> = [90, 100, 110].map(column).into();
        assert_eq!(cut(&even), 110);
        let burst: Vec<_> = [2000, 0, 100, 100, 100, 90].map(column).into();
        assert_eq!(cut(&burst), 150);
        assert_eq!(cut(&[]), 1);
        assert_eq!(cut(&[column(u64::MAX)]), u64::MAX);
    }

    #[test]
    fn what_went_wrong_is_drawn_whole_in_a_column_that_is_cut_off() {
        let burst = Column {
            acknowledged: 5000,
            refused: 170,
            unknown: 30,
        };
        let columns = [column(100), column(100), column(100), column(90), burst];
        let top = cut(&columns);
        assert_eq!(top, 200, "below that would be a loss");
        let drawn = parts(&burst, top);
        let expected = [(0, 30, Ink::Unknown), (30, 200, Ink::Refused)];
        assert_eq!(drawn, expected);
        let whole = parts(&burst, u64::MAX);
        assert_eq!(whole.last(), Some(&(200, 5200, Ink::Good)));
        let timeline = Timeline {
            end: 5.0,
            outcomes: Outcomes {
                width: 1.0,
                columns: columns.into(),
            },
            ..Timeline::default()
        };
        let frame = Frame {
            end: 5.0,
            faults: Vec::new(),
            recovered: Vec::new(),
        };
        let page = outcomes(&frame, &timeline).into_string();
        assert!(page.contains("5\u{202f}200 at 4.00 s"), "{page}");
    }
}
