//! A cell of a matrix's page, and the history of its runs.

use maud::{Markup, html};
use plotters::element::PathElement;
use plotters::prelude::{Circle, Rectangle};

use super::ink::{Canvas, Drawn, Ink, svg};
use super::words::{class, float, minute, name, number, seconds, sign};
use crate::matrix::{Brief, Cell, Row};
use crate::model::Verdict;

/// The size of the small plots.
const SPARK: (u32, u32) = (200, 52);
/// The room around their points.
const EDGE: i32 = 10;
/// No more runs than this are drawn and listed: the last ones.
const MOST_RUNS: usize = 40;

/// The slowest recovery of a drill on any version: the scale of its plots.
pub(super) fn slowest(row: &Row) -> f64 {
    let ranges = row.cells.values().filter_map(|cell| cell.recovery_seconds);
    let most = ranges
        .map(|range| range.most)
        .filter(|most| most.is_finite());
    most.fold(0.0, f64::max)
}

/// The verdict in words and figures, and recovery over its runs.
pub(super) fn cell(cell: &Cell, slowest: f64) -> Markup {
    html! {
        (verdict(cell))
        @if cell.history.len() > 1 && cell.recovery_seconds.is_some() {
            (spark(&cell.history, slowest, "recovery times", |run| run.recovery_seconds))
        }
        (remark(cell))
        @if let Some(recovery) = cell.recovery_seconds { span .cell-note { "recovery " (recovery.text(1, " … ")) " s" } }
        @if let Some(lost) = cell.lost.filter(|lost| lost.most > 0.0) { span .cell-note { "lost " (lost.text(0, " … ")) } }
    }
}

fn verdict(cell: &Cell) -> Markup {
    match cell.verdict() {
        Some(verdict) => html! {
            span class=(format!("{}-word", class(verdict))) { (sign(verdict)) " " (verdict) }
            @if cell.runs > 1 { span .quiet { " " (cell.runs) "×" } }
        },
        None => html! {
            span .inconclusive-word { "~ " (mix(cell)) }
        },
    }
}

/// How many runs had which verdict.
fn mix(cell: &Cell) -> String {
    let parts = cell
        .verdicts()
        .map(|(verdict, count)| format!("{count} {verdict}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// Whether that was to be expected.
fn remark(cell: &Cell) -> Markup {
    let is_expected = cell.is_as_expected();
    let remark = match (is_expected, &cell.expected.because) {
        (false, _) => "not as expected",
        (true, Some(_)) if cell.expected.sometimes => "known, in some runs",
        (true, Some(_)) => "known defect",
        (true, None) => return html! {},
    };
    html! { span .cell-note .bad[!is_expected] { (remark) } }
}

/// A figure of each run, one after the other.
fn spark(
    history: &[Brief],
    most: f64,
    what: &str,
    figure: impl Fn(&Brief) -> Option<f64>,
) -> Markup {
    let runs = history.len().saturating_sub(MOST_RUNS);
    let figures: Vec<_> = history[runs..]
        .iter()
        .map(|run| (figure(run), run.verdict))
        .collect();
    let told = figures.iter().map(|(figure, verdict)| {
        let figure = figure.map_or_else(|| String::from("none"), |figure| format!("{figure:.1}"));
        format!("{figure} ({verdict})")
    });
    let some = match runs {
        0 => String::new(),
        _ => format!(", last {MOST_RUNS} of {}", history.len()),
    };
    let label = format!("{what}{some}: {}", told.collect::<Vec<_>>().join(", "));
    let drawn = svg(SPARK, &label, |canvas| {
        points(canvas, &figures, most.max(0.001))
    });
    html! {
        div .spark { (drawn) }
        @if !some.is_empty() { span .cell-note { (some.trim_start_matches(", ")) " runs" } }
    }
}

fn points(canvas: &Canvas<'_>, figures: &[(Option<f64>, Verdict)], most: f64) -> Drawn {
    let (width, height) = canvas.dim_in_pixel();
    let (width, height) = (width.cast_signed(), height.cast_signed());
    let base = height - EDGE;
    canvas.draw(&PathElement::new(
        [(0, base + 6), (width, base + 6)],
        Ink::Grid.line(2),
    ))?;
    let gaps = i32::try_from(figures.len())
        .unwrap_or(i32::MAX)
        .saturating_sub(1)
        .max(1);
    let mut x = EDGE;
    let (mut placed, mut line) = (Vec::new(), Vec::new());
    for (figure, verdict) in figures {
        if let Some(figure) = figure {
            placed.push(((x, base - share(*figure / most, base - EDGE)), *verdict));
            line.push((x, base - share(*figure / most, base - EDGE)));
        } else {
            // No figure is no good one: it is marked at the upper edge, and ends the line.
            let cross = [[(x - 5, 1), (x + 5, 11)], [(x - 5, 11), (x + 5, 1)]];
            for stroke in cross {
                canvas.draw(&PathElement::new(stroke, Ink::Unsure.line(3)))?;
            }
            let before = std::mem::take(&mut line);
            canvas.draw(&PathElement::new(before, Ink::Quiet.line(2)))?;
        }
        x += (width - 2 * EDGE) / gaps;
    }
    canvas.draw(&PathElement::new(line, Ink::Quiet.line(2)))?;
    for ((x, y), verdict) in placed {
        match verdict {
            Verdict::Held => canvas.draw(&Circle::new((x, y), 6, Ink::Good.fill()))?,
            Verdict::Broken => {
                let corners = [(x - 6, y - 6), (x + 6, y + 6)];
                canvas.draw(&Rectangle::new(corners, Ink::Bad.fill()))?;
            }
            Verdict::Inconclusive => {
                canvas.draw(&Circle::new((x, y), 6, Ink::Surface.fill()))?;
                canvas.draw(&Circle::new((x, y), 6, Ink::Unsure.line(3)))?;
            }
        }
    }
    Ok(())
}

/// A share of a height.
#[expect(clippy::cast_possible_truncation, reason = "it is within the drawing")]
fn share(share: f64, of: i32) -> i32 {
    (share.clamp(0.0, 1.0) * f64::from(of)) as i32
}

/// Every run of a cell, what is known of it, and its losses over the runs.
pub(super) fn history(version: &str, cell: &Cell) -> Markup {
    let left_out = cell.history.len().saturating_sub(MOST_RUNS);
    let lossy = cell
        .lost
        .filter(|lost| lost.most > 0.0 && cell.history.len() > 1);
    html! {
        div {
            h4 { (version) }
            @if let Some(because) = &cell.expected.because { p .quiet { "known: " (because) } }
            @if let Some(reason) = &cell.reason { p .quiet .said { "seen: " (reason) } }
            @if let Some(lost) = lossy {
                p .quiet { "lost messages over the runs, " (lost.text(0, " … ")) }
                (spark(&cell.history, lost.most, "lost messages", |run| run.lost.map(float)))
            }
            @if cell.history.is_empty() { p .quiet { "Its runs are not told one by one." } }
            @else {
                div .scroll { table {
                    thead { tr { th { "run (UTC)" } th { "verdict" } th .right { "recovery" } th .right { "outage" } th .right { "lost" } } }
                    tbody { @for run in &cell.history[left_out..] { (run_row(run)) } }
                } }
            }
            @if left_out > 0 { p .quiet { (left_out) " earlier runs are not listed." } }
        }
    }
}

fn run_row(run: &Brief) -> Markup {
    let time = |time: Option<f64>| time.map_or_else(|| String::from("–"), seconds);
    let by: Vec<_> = run.broken_by.iter().map(|kind| name(*kind)).collect();
    html! {
        tr {
            td { (minute(&run.at)) }
            td { (sign(run.verdict)) " " (run.verdict) @if !by.is_empty() { ": " (by.join(", ")) } }
            td .right .nowrap { (time(run.recovery_seconds)) }
            td .right .nowrap { (time(run.write_outage_seconds)) }
            td .right { (run.lost.map_or_else(|| String::from("?"), number)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(verdict: Verdict, recovery: Option<f64>) -> Brief {
        Brief {
            at: String::from("2026-01-01T00:00:00Z"),
            verdict,
            broken_by: Vec::new(),
            recovery_seconds: recovery,
            write_outage_seconds: None,
            lost: None,
            elapsed_seconds: 1.0,
        }
    }

    #[test]
    fn verdicts_have_shapes_of_their_own() {
        let runs = [
            run(Verdict::Held, Some(1.0)),
            run(Verdict::Broken, Some(f64::INFINITY)),
            run(Verdict::Held, None),
            run(Verdict::Inconclusive, Some(-1.0)),
        ];
        for most in [0.0, 1.0, f64::NAN] {
            let drawn = spark(&runs, most, "recovery", |run| run.recovery_seconds);
            let drawn = drawn.into_string();
            assert_eq!(drawn.matches("<rect").count(), 1, "{drawn}");
            assert_eq!(drawn.matches("<circle").count(), 3, "{drawn}");
        }
        let many: Vec<_> = (0..500).map(|_| run(Verdict::Held, Some(1.0))).collect();
        let drawn = spark(&many, 1.0, "recovery", |run| run.recovery_seconds);
        assert_eq!(drawn.into_string().matches("<circle").count(), MOST_RUNS);
        let _nothing = spark(&[], 1.0, "recovery", |run| run.recovery_seconds);
    }
}
