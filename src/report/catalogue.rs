//! The catalogue of drills in Markdown: what each is about, what the last matrix saw on each server
//! version, and which defects are known.

use std::collections::BTreeMap;

use crate::matrix::{Cell, Table};
use crate::model::Verdict;
use crate::scenario::Source;

/// What a group of drills is, by its directory.
const GROUPS: [(&str, &str); 10] = [
    ("core", "Core: the drills that run when none is named"),
    ("replicas", "Replicas: repaired by the cluster, or not"),
    ("during", "During a backup, during a restore"),
    ("recovery", "Recovery: another cluster takes over"),
    ("operator", "Operators: what can still be done"),
    ("damage", "Damage: of blocks, indexes, state and disks"),
    ("streams", "Kinds of streams"),
    ("upgrade", "Upgrades"),
    (
        "defects",
        "Defects of released servers, and the versions that show them",
    ),
    ("faults", "Faults that need something of the machine"),
];

/// A section for every group, with a row for every drill.
pub fn catalogue(sources: &[Source], record: &Table) -> String {
    let mut groups: BTreeMap<usize, Vec<&Source>> = BTreeMap::new();
    for source in sources {
        let group = source.group();
        let place = GROUPS.iter().position(|(name, _)| *name == group);
        groups
            .entry(place.unwrap_or(GROUPS.len()))
            .or_default()
            .push(source);
    }
    let sections = groups.into_iter().map(|(place, sources)| {
        let title = GROUPS.get(place).map_or("Others", |(_, title)| title);
        section(title, &sources, record)
    });
    sections.collect::<Vec<_>>().join("\n\n")
}

fn section(title: &str, sources: &[&Source], record: &Table) -> String {
    let versions: Vec<&str> = record
        .servers
        .iter()
        .map(|server| server.version.as_str())
        .collect();
    let mut lines = vec![
        format!("### {title}"),
        String::new(),
        row(&[&["drill", "promise", "shows"], &versions[..], &["known"]].concat()),
        format!("|{}", "---|".repeat(versions.len() + 4)),
    ];
    for source in sources {
        let scenario = &source.scenario;
        let group = source.group();
        let name = format!("[`{0}`]({group}/{0}.toml)", scenario.name);
        let seen: Vec<String> = versions
            .iter()
            .map(|version| {
                record
                    .cell(&scenario.name, version)
                    .map_or_else(|| String::from("-"), seen)
            })
            .collect();
        let known: Vec<_> = scenario
            .expect
            .known
            .iter()
            .map(|known| format!("{}: {}", known.server, known.because))
            .collect();
        let known = known.join("; ");
        let mut columns = vec![name.as_str(), &scenario.promise, &scenario.about];
        columns.extend(seen.iter().map(String::as_str));
        columns.push(&known);
        lines.push(row(&columns));
    }
    lines.join("\n")
}

fn row(columns: &[&str]) -> String {
    // A bar would end the column.
    let columns: Vec<_> = columns
        .iter()
        .map(|column| column.replace('|', "\\|"))
        .collect();
    format!("| {} |", columns.join(" | "))
}

/// What was seen on a version: the verdict, and in how many of its runs; where they differ, how often
/// it held.
fn seen(cell: &Cell) -> String {
    let runs = cell.runs;
    match cell.verdict() {
        Some(Verdict::Held) => format!("held {runs}/{runs}"),
        Some(Verdict::Broken) => format!("**broken** {runs}/{runs}"),
        Some(Verdict::Inconclusive) => format!("inconclusive {runs}/{runs}"),
        None => format!("held {}/{runs}", cell.held),
    }
}
