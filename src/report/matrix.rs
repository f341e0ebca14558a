//! A matrix as one table: for a terminal, and in Markdown for a pull request or a page.

use comfy_table::presets::{ASCII_MARKDOWN, UTF8_HORIZONTAL_ONLY};
use comfy_table::{ContentArrangement, Table as Drawn};

use crate::matrix::{Cell, Change, Row, Table};
use crate::model::Verdict;

/// What the marks in the cells mean.
const LEGEND: &str = "! not as expected   k a known defect, as expected   s one that shows in some runs only   ~ not the same in every run   - not run";

/// The table, what is remarkable about its cells, and the counts.
pub fn matrix_text(table: &Table, earlier: Option<&Table>) -> String {
    let mut drawn = draw(table, earlier);
    drawn
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let mut parts = vec![drawn.to_string(), LEGEND.to_owned()];
    let remarks: Vec<_> = table
        .cells()
        .filter(|(_, _, cell)| !cell.is_as_expected())
        .map(|(row, version, cell)| remark(row, version, cell))
        .collect();
    if !remarks.is_empty() {
        parts.push(remarks.join("\n"));
    }
    parts.push(matrix_counts(table));
    parts.join("\n\n")
}

/// The same in Markdown.
pub fn matrix_markdown(table: &Table, earlier: Option<&Table>) -> String {
    let mut drawn = draw(table, earlier);
    drawn.load_style(ASCII_MARKDOWN);
    let mut parts = vec![
        drawn.to_string(),
        format!("{LEGEND}\n\n{}", matrix_counts(table)),
    ];
    let known: Vec<_> = table
        .cells()
        .filter_map(|(row, version, cell)| {
            let because = cell.expected.because.as_ref()?;
            Some(format!("- `{}` on {version}: {because}", row.scenario))
        })
        .collect();
    if !known.is_empty() {
        parts.push(format!("Known defects:\n\n{}", known.join("\n")));
    }
    let remarks: Vec<_> = table
        .cells()
        .filter(|(_, _, cell)| !cell.is_as_expected())
        .map(|(row, version, cell)| format!("- {}", remark(row, version, cell)))
        .collect();
    if !remarks.is_empty() {
        parts.push(format!("Not as expected:\n\n{}", remarks.join("\n")));
    }
    parts.join("\n\n")
}

fn draw(table: &Table, earlier: Option<&Table>) -> Drawn {
    let mut drawn = Drawn::new();
    let versions = table.servers.iter().map(|server| server.version.clone());
    drawn.set_header(
        ["drill", "promise"]
            .map(str::to_owned)
            .into_iter()
            .chain(versions),
    );
    for row in &table.rows {
        let cells = table.servers.iter().map(|server| {
            let Some(cell) = row.cells.get(&server.version) else {
                return String::from("-");
            };
            let change = earlier
                .and_then(|earlier| table.change_since(earlier, &row.scenario, &server.version));
            cell_text(cell, change.as_ref())
        });
        let head = [row.scenario.clone(), row.promise.clone()];
        drawn.add_row(head.into_iter().chain(cells));
    }
    drawn
}

/// Verdict, recovery time, loss, and what changed.
fn cell_text(cell: &Cell, change: Option<&Change>) -> String {
    let mark = match (cell.is_as_expected(), cell.verdict(), cell.expected.verdict) {
        (true, _, Verdict::Held) => "",
        (true, _, _) if cell.expected.sometimes => " s",
        (true, _, Verdict::Broken | Verdict::Inconclusive) => " k",
        (false, None, _) => " ~",
        (false, Some(_), _) => " !",
    };
    let verdict = match cell.verdict() {
        Some(verdict) => verdict.to_string(),
        None => format!("held {}/{}", cell.held, cell.runs),
    };
    let recovery = cell
        .recovery_seconds
        .map(|recovery| format!(" {} s", recovery.text(1, " to ")));
    let lost = cell
        .lost
        .filter(|lost| lost.most > 0.0)
        .map(|lost| format!(", lost {}", lost.text(0, " to ")));
    let change = change.map(|change| match change {
        Change::New => String::from(" (new)"),
        Change::Verdict(Some(then)) => format!(" (was {then})"),
        Change::Verdict(None) => String::from(" (was unstable)"),
        Change::Recovery(then) => format!(" (was {then:.1} s)"),
    });
    let more = [recovery, lost, change].into_iter().flatten();
    format!("{verdict}{mark}{}", more.collect::<String>())
}

fn remark(row: &Row, version: &str, cell: &Cell) -> String {
    let seen: Vec<_> = cell
        .verdicts()
        .map(|(verdict, count)| format!("{verdict} {count} of {}", cell.runs))
        .collect();
    let mut text = format!(
        "{} on {version}: {}, expected {}",
        row.scenario,
        seen.join(", "),
        cell.expected.verdict
    );
    if let Some(reason) = &cell.reason {
        text.push_str(": ");
        text.push_str(reason);
    }
    if let Some(evidence) = &cell.evidence {
        text.push_str("; evidence: ");
        text.push_str(&evidence.display().to_string());
    }
    text
}

/// How many cells are as expected, and what the verdicts were.
pub fn matrix_counts(table: &Table) -> String {
    let cells: Vec<_> = table.cells().collect();
    let count =
        |wanted: fn(&Cell) -> bool| cells.iter().filter(|(_, _, cell)| wanted(cell)).count();
    let runs = cells.iter().map(|(_, _, cell)| cell.runs);
    let runs = runs.fold(0, usize::saturating_add);
    format!(
        "{} of {} cells as expected ({runs} runs): {} held, {} broken, {} inconclusive, {} not the same in every run",
        count(Cell::is_as_expected),
        cells.len(),
        count(|cell| cell.verdict() == Some(Verdict::Held)),
        count(|cell| cell.verdict() == Some(Verdict::Broken)),
        count(|cell| cell.verdict() == Some(Verdict::Inconclusive)),
        count(|cell| cell.verdict().is_none()),
    )
}
