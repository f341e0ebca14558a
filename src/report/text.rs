//! Runs as people read them: one table, then what was found, then where the evidence is.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};

use crate::judge::{Finding, RunRecord};
use crate::model::Verdict;

/// How many findings of a run are shown; the rest is in its evidence.
const MOST_FINDINGS: usize = 8;

/// Columns that are shown when there is something in them.
const RARE: [&str; 2] = ["dup", "altered"];
/// Columns of words, which may take several lines.
const WORDY: [&str; 2] = ["drill", "verdict"];

/// One line on one run.
pub fn headline(run: &RunRecord) -> String {
    let figures = &run.judgement.figures;
    let mut line = format!(
        "{}: {} acknowledged, {} lost",
        verdict(run),
        figures.acknowledged,
        lost(run)
    );
    if figures.ahead > 0 {
        line.push_str(", ");
        line.push_str(&figures.ahead.to_string());
        line.push_str(" on mirrors only");
    }
    if let Some(seconds) = figures.recovery_seconds {
        line.push_str(", recovered in ");
        line.push_str(&seconds_text(seconds));
    }
    line
}

/// Everything on all runs.
pub fn summary(runs: &[RunRecord]) -> String {
    let mut parts = vec![runs_table(runs).to_string()];
    parts.extend(runs.iter().filter_map(findings));
    parts.push(counts(runs));
    parts.push(evidence(runs));
    parts.join("\n\n")
}

/// A column's name, what is in it, and whether that is a figure.
type Column<'a> = (&'static str, &'a dyn Fn(&RunRecord) -> String, bool);

/// A row for each run. What nobody has seen needs no column: terminals are 80 wide.
pub(super) fn runs_table(runs: &[RunRecord]) -> Table {
    let time = |seconds: Option<f64>| seconds.map_or_else(|| String::from("-"), seconds_text);
    let figures = |run: &RunRecord| run.judgement.figures.clone();
    let columns: [Column<'_>; 10] = [
        ("drill", &|run| run.scenario.clone(), false),
        ("promise", &|run| run.promise.clone(), false),
        ("server", &|run| run.server.clone(), false),
        ("verdict", &verdict, false),
        ("acked", &|run| figures(run).acknowledged.to_string(), true),
        ("lost", &lost, true),
        ("dup", &|run| figures(run).duplicated.to_string(), true),
        ("altered", &|run| figures(run).altered.to_string(), true),
        (
            "outage",
            &|run| time(figures(run).write_outage_seconds),
            true,
        ),
        ("recovery", &|run| time(figures(run).recovery_seconds), true),
    ];
    let is_shown = |(name, value, _): &Column<'_>| {
        !RARE.contains(name) || runs.iter().any(|run| value(run) != "0")
    };
    let columns: Vec<_> = columns.iter().filter(|column| is_shown(column)).collect();
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns.iter().map(|(name, ..)| *name));
    for run in runs {
        table.add_row(columns.iter().map(|(_, value, _)| value(run)));
    }
    for (column, (name, _, is_number)) in table.column_iter_mut().zip(&columns) {
        column.set_padding((0, 1));
        if *is_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // A figure that is broken into two lines is none.
        if !WORDY.contains(name) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// How many messages were lost, when that is known.
fn lost(run: &RunRecord) -> String {
    let figures = &run.judgement.figures;
    if figures.unread > 0 {
        String::from("?")
    } else {
        figures.lost.to_string()
    }
}

/// The verdict, and what was expected when that is something else.
fn verdict(run: &RunRecord) -> String {
    let held = run.verdict() == Verdict::Held && run.expected.sometimes;
    match (&run.expected.because, run.is_as_expected()) {
        (Some(_), true) if held => String::from("held (known not to always)"),
        (Some(_), true) => format!("{} (known)", run.verdict()),
        (None, true) => run.verdict().to_string(),
        (_, false) => format!("{}, not {}", run.verdict(), run.expected.verdict),
    }
}

/// What is known of the drill on this server, and what was found.
fn findings(run: &RunRecord) -> Option<String> {
    let all = &run.judgement.findings;
    let known = run.expected.because.as_ref();
    if all.is_empty() && known.is_none() {
        return None;
    }
    let mut lines = vec![format!("{} on {}:", run.scenario, run.server)];
    lines.extend(known.map(|because| format!("  known: {because}")));
    lines.extend(all.iter().take(MOST_FINDINGS).map(finding));
    if all.len() > MOST_FINDINGS {
        lines.push(format!(
            "  … and {} more, see the evidence",
            all.len() - MOST_FINDINGS
        ));
    }
    Some(lines.join("\n"))
}

fn finding(finding: &Finding) -> String {
    format!("  {} {}", finding.verdict, finding.text)
}

/// How many were as expected, and what the verdicts were.
pub(super) fn counts(runs: &[RunRecord]) -> String {
    let count = |wanted: Verdict| runs.iter().filter(|run| run.verdict() == wanted).count();
    let expected = runs.iter().filter(|run| run.is_as_expected()).count();
    format!(
        "{expected} of {} as expected: {} held, {} broken, {} inconclusive",
        runs.len(),
        count(Verdict::Held),
        count(Verdict::Broken),
        count(Verdict::Inconclusive)
    )
}

/// Where the evidence is: the directory of all when nothing is remarkable, else the directory
/// of each run that is.
fn evidence(runs: &[RunRecord]) -> String {
    let unexpected = runs.iter().filter(|run| !run.is_as_expected());
    let mut lines: Vec<_> = unexpected
        .map(|run| format!("evidence of {}: {}", run.scenario, run.evidence.display()))
        .collect();
    let root = runs.first().and_then(|run| run.evidence.parent());
    if let Some(root) = root.filter(|_| lines.is_empty()) {
        lines.push(format!("evidence: {}", root.display()));
    }
    lines.join("\n")
}

fn seconds_text(seconds: f64) -> String {
    format!("{seconds:.1} s")
}
