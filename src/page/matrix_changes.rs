//! What changes from one server version to the next: drills whose verdict is another, or that take much
//! longer or shorter to recover.

use std::cmp::Ordering;

use maud::{Markup, html};

use super::matrix::anchor;
use super::words::{counted, seconds};
use crate::matrix::{Cell, Change, Row, Table};
use crate::model::Verdict;

/// A longer list is closed at first.
const MOST_SHOWN: usize = 12;

/// What changed in one drill.
struct Changed<'a> {
    row: &'a Row,
    text: String,
    /// Less is worse.
    way: Ordering,
}

/// A list for each version and the one before it.
pub(super) fn section(table: &Table) -> Markup {
    html! {
        @if table.servers.len() > 1 {
            section id="changes" {
                h2 { "From one version to the next" }
                p .quiet {
                    "Drills with another verdict, or whose median recovery takes twice as long, or half, and five seconds more or less. "
                    "What was seen in few runs may be chance."
                }
                @for pair in table.servers.windows(2) {
                    @if let [then, now] = pair { (between(table, &then.version, &now.version)) }
                }
            }
        }
    }
}

fn between(table: &Table, then: &str, now: &str) -> Markup {
    let changes: Vec<_> = table
        .rows
        .iter()
        .filter_map(|row| changed(row, then, now))
        .collect();
    let both = |row: &&Row| row.cells.contains_key(then) && row.cells.contains_key(now);
    let compared = table.rows.iter().filter(both).count();
    let not_run = table.rows.len() - compared;
    html! {
        h3 { (then) " → " (now) }
        @if compared == 0 { p { "No drill was run on both." } }
        @else if changes.is_empty() { p { "Nothing changes in " (counted(compared, "drill")) "." } }
        @if not_run > 0 { p .quiet { (counted(not_run, "drill")) " not compared: not run on both." } }
        (list("worse", Ordering::Less, &changes))
        (list("better", Ordering::Greater, &changes))
        (list("neither better nor worse, but not the same", Ordering::Equal, &changes))
    }
}

fn list(word: &str, way: Ordering, changes: &[Changed<'_>]) -> Markup {
    let changes: Vec<_> = changes.iter().filter(|one| one.way == way).collect();
    let is_open = way == Ordering::Less && changes.len() <= MOST_SHOWN;
    html! {
        @if !changes.is_empty() {
            details .log open[is_open] {
                summary { (counted(changes.len(), "drill")) " " (word) }
                ul .changes { @for one in changes {
                    li { a href=(format!("#{}", anchor(&one.row.scenario))) { (one.row.scenario) } ": " (one.text) }
                } }
            }
        }
    }
}

fn changed<'a>(row: &'a Row, then: &str, now: &str) -> Option<Changed<'a>> {
    let (then, now) = (row.cells.get(then)?, row.cells.get(now)?);
    let (text, way) = match now.change_since(then)? {
        Change::New => return None,
        Change::Verdict(_) => (
            format!("{}, was {}", verdict(now), verdict(then)),
            share_held(now).cmp(&share_held(then)),
        ),
        Change::Recovery(was) => {
            let is = now.recovery_seconds.map_or(was, |range| range.median);
            let text = format!("recovers in {}, was {}", seconds(is), seconds(was));
            (text, was.total_cmp(&is))
        }
    };
    Some(Changed { row, text, way })
}

fn verdict(cell: &Cell) -> String {
    let all = cell.verdict().map(|verdict: Verdict| verdict.to_string());
    all.unwrap_or_else(|| format!("held in {} of {} runs", cell.held, cell.runs))
}

/// How many of its runs held, in millionths.
fn share_held(cell: &Cell) -> usize {
    cell.held.saturating_mul(1_000_000) / cell.runs.max(1)
}
