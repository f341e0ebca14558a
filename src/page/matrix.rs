//! The page of a matrix, for whoever decides on a server version: the versions side by side, what is not
//! as expected, and every drill with the history of its runs.

use std::collections::BTreeSet;
use std::path::Path;

use maud::{Markup, html};

use super::document::{Parts, document, fact};
use super::words::{counted, date, name, percent, seconds};
use super::{matrix_cell, matrix_changes};
use crate::matrix::{Cell, Row, Table};
use crate::model::Verdict;
use crate::report::matrix_counts;

/// Hides rows that nobody asked for; all are there without it.
const SCRIPT: &str = include_str!("matrix.js");

/// What one version's cells add up to.
#[derive(Debug, Default, PartialEq)]
struct Summary {
    drills: usize,
    runs: usize,
    held: usize,
    broken: usize,
    inconclusive: usize,
    mixed: usize,
    unexpected: usize,
    known: usize,
    recovery: Option<f64>,
    outage: Option<f64>,
}

/// The page.
pub(super) fn page(table: &Table, path: &Path) -> Markup {
    let versions: Vec<_> = table
        .servers
        .iter()
        .map(|server| server.version.as_str())
        .collect();
    let title = format!("Lifeboat matrix: nats-server {}", versions.join(", "));
    let body = html! {
        (summaries(table))
        (unexpected(table))
        (matrix_changes::section(table))
        (drills(table))
    };
    document(&Parts {
        title: &title,
        summary: &matrix_counts(table),
        head: head(table),
        body,
        script: Some(SCRIPT),
        made_of: path,
    })
}

fn head(table: &Table) -> Markup {
    let runs = table.cells().flat_map(|(_, _, cell)| &cell.history);
    let times: BTreeSet<&str> = runs.map(|run| run.at.as_str()).collect();
    let (first, last) = (times.first(), times.last());
    html! {
        p .kind { "Lifeboat matrix" }
        h1 { (counted(table.rows.len(), "drill")) " on " (counted(table.servers.len(), "nats-server version")) }
        p .about { (matrix_counts(table)) "." }
        dl .facts {
            @if let Some(first) = first { (fact("first run", &html! { (date(first)) })) }
            @if let Some(last) = last { (fact("last run", &html! { (date(last)) })) }
        }
    }
}

fn summary(table: &Table, version: &str) -> Summary {
    let mut summary = Summary::default();
    let (mut recoveries, mut outages) = (Vec::new(), Vec::new());
    for cell in table.rows.iter().filter_map(|row| row.cells.get(version)) {
        summary.drills += 1;
        summary.runs = summary.runs.saturating_add(cell.runs);
        match cell.verdict() {
            Some(Verdict::Held) => summary.held += 1,
            Some(Verdict::Broken) => summary.broken += 1,
            Some(Verdict::Inconclusive) => summary.inconclusive += 1,
            None => summary.mixed += 1,
        }
        summary.unexpected += usize::from(!cell.is_as_expected());
        summary.known += usize::from(cell.expected.because.is_some());
        recoveries.extend(cell.recovery_seconds.map(|range| range.median));
        outages.extend(cell.write_outage_seconds.map(|range| range.median));
    }
    (summary.recovery, summary.outage) = (median(recoveries), median(outages));
    summary
}

/// The middle of several figures; of none there is none.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn summaries(table: &Table) -> Markup {
    html! {
        section id="versions" {
            h2 { "Versions" }
            p .legend {
                span .key { i .held {} "held" } " "
                span .key { i .unknown {} "inconclusive, or not the same in every run" } " "
                span .key { i .refused {} "broken" }
            }
            div .scroll {
                table .versions {
                    thead { tr {
                        th { "nats-server" } th { "share of drills" } th .right { "held" } th .right { "broken" }
                        th .right { "inconclusive" } th .right { "differing" } th .right { "not as expected" }
                        th .right { "known defects" } th .right { "median recovery" } th .right { "median write outage" } th .right { "runs" }
                    } }
                    tbody { @for server in &table.servers {
                        (version_row(&server.version, &summary(table, &server.version)))
                    } }
                }
            }
            p .quiet {
                "Medians are over drills, of each drill's median. Known defects are the drills that are not expected to hold on this version in every run."
            }
        }
    }
}

fn version_row(version: &str, summary: &Summary) -> Markup {
    let part = |count: usize| format!("width:{:.2}%", percent(count, summary.drills));
    let unsure = summary.inconclusive + summary.mixed;
    let time = |time: Option<f64>| time.map_or_else(|| String::from("–"), seconds);
    let told = format!(
        "{} of {} held, {} broken",
        summary.held, summary.drills, summary.broken
    );
    html! {
        tr {
            td .nowrap { b { (version) } }
            td {
                div .share role="img" aria-label=(told) {
                    span .held style=(part(summary.held)) {}
                    span .inconclusive style=(part(unsure)) {}
                    span .broken style=(part(summary.broken)) {}
                }
            }
            td .right .nowrap { (summary.held) " (" (format!("{:.0}", percent(summary.held, summary.drills))) " %)" }
            td .right { (summary.broken) }
            td .right { (summary.inconclusive) }
            td .right { (summary.mixed) }
            td .right .bad[summary.unexpected > 0] { (summary.unexpected) }
            td .right { (summary.known) }
            td .right .nowrap { (time(summary.recovery)) }
            td .right .nowrap { (time(summary.outage)) }
            td .right { (summary.runs) }
        }
    }
}

fn unexpected(table: &Table) -> Markup {
    let cells: Vec<_> = table
        .cells()
        .filter(|(_, _, cell)| !cell.is_as_expected())
        .collect();
    html! {
        section id="unexpected" {
            h2 { "Not as expected" }
            @if cells.is_empty() { p { "Nothing: every cell is as its scenario says." } }
            ul .findings {
                @for (row, version, cell) in cells { (unexpected_cell(row, version, cell)) }
            }
        }
    }
}

fn unexpected_cell(row: &Row, version: &str, cell: &Cell) -> Markup {
    let seen = cell
        .verdicts()
        .map(|(verdict, count)| format!("{verdict} {count} of {}", cell.runs));
    let seen: Vec<_> = seen.collect();
    let by: BTreeSet<&str> = cell
        .history
        .iter()
        .flat_map(|run| &run.broken_by)
        .map(|kind| name(*kind))
        .collect();
    let by: Vec<_> = by.into_iter().collect();
    let known: Vec<_> = cell
        .expected
        .findings
        .iter()
        .map(|kind| name(*kind))
        .collect();
    html! {
        li .broken[cell.broken > 0] {
            p .kind {
                a href=(format!("#{}", anchor(&row.scenario))) { b { (row.scenario) } } " on " (version)
                " " span .quiet {
                    (seen.join(", ")) @if !by.is_empty() { " by " (by.join(", ")) }
                    ", expected " (cell.expected.verdict) @if !known.is_empty() { " by " (known.join(", ")) }
                }
            }
            @if let Some(reason) = &cell.reason { p .said { (reason) } }
            @if let Some(evidence) = &cell.evidence { p .quiet { "evidence: " code { (evidence.display()) } } }
        }
    }
}

/// Where a drill is on the page.
pub(super) fn anchor(scenario: &str) -> String {
    let plain = |character: char| {
        if character.is_whitespace() {
            '_'
        } else {
            character
        }
    };
    format!("drill-{}", scenario.chars().map(plain).collect::<String>())
}

fn drills(table: &Table) -> Markup {
    html! {
        section id="drills" {
            h2 { "Drills" }
            p .quiet .legend {
                "A plot shows recovery times, a run after the other, on one scale for all versions of a drill: "
                "a dot held, a square was broken, a ring is inconclusive."
            }
            (filters(table))
            table .matrix {
                thead { tr {
                    th { "drill" }
                    @for server in &table.servers { th { (server.version) } }
                } }
                @for row in &table.rows { (drill(table, row)) }
            }
        }
    }
}

/// Shown where scripts run.
fn filters(table: &Table) -> Markup {
    let mut promises: Vec<_> = table.rows.iter().map(|row| row.promise.as_str()).collect();
    promises.sort_unstable();
    promises.dedup();
    html! {
        form id="filters" hidden {
            label { "Name " input type="search" name="name" autocomplete="off"; }
            label { "Promise "
                select name="promise" { option value="" { "all" } @for promise in promises { option { (promise) } } }
            }
            label { "Cells "
                select name="state" {
                    option value="" { "all" }
                    option value="unexpected" { "not as expected" }
                    option value="broken" { "broken" }
                    option value="differing" { "differing between runs" }
                    option value="inconclusive" { "inconclusive" }
                    option value="lossy" { "with loss" }
                    option value="known" { "known defects" }
                }
            }
            label { "Version "
                select name="version" { option value="" { "any" } @for server in &table.servers { option { (server.version) } } }
            }
            output {}
        }
    }
}

fn drill(table: &Table, row: &Row) -> Markup {
    let slowest = matrix_cell::slowest(row);
    html! {
        tbody id=(anchor(&row.scenario)) data-name=(row.scenario) data-promise=(row.promise) {
            tr {
                th scope="row" {
                    span .name { (row.scenario) } " " span .quiet { (row.promise) }
                }
                @for server in &table.servers {
                    @if let Some(cell) = row.cells.get(&server.version) {
                        td data-version=(server.version) data-state=(states(cell)) { (matrix_cell::cell(cell, slowest)) }
                    } @else {
                        td data-version=(server.version) { span .quiet { "not run" } }
                    }
                }
            }
            tr .more {
                td colspan=(table.servers.len() + 1) {
                    details {
                        summary { span .quiet { (row.about) } }
                        div .histories {
                            @for server in &table.servers {
                                @if let Some(cell) = row.cells.get(&server.version) {
                                    (matrix_cell::history(&server.version, cell))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a cell can be looked for by.
fn states(cell: &Cell) -> String {
    let states = [
        ("unexpected", !cell.is_as_expected()),
        ("broken", cell.broken > 0),
        ("inconclusive", cell.inconclusive > 0),
        ("differing", cell.verdict().is_none()),
        ("lossy", cell.lost.is_some_and(|lost| lost.most > 0.0)),
        ("known", cell.expected.because.is_some()),
    ];
    let states = states.into_iter().filter(|(_, is_so)| *is_so);
    states.map(|(state, _)| state).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_of_nothing_is_a_page_as_well() {
        let html = page(&Table::default(), Path::new("matrix.json")).into_string();
        assert!(
            html.contains("0 drills on 0 nats-server versions"),
            "{html}"
        );
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, f64::NAN]), Some(3.0));
        assert_eq!(anchor("a b"), "drill-a_b");
    }
}
