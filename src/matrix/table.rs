//! The one table: a row per drill, a cell per server version, each cell the sum of its runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::judge::{Figures, RunRecord};
use crate::model::{Expected, Verdict};

/// A matrix as it is written and read. Keys are only ever added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The server versions, oldest first, and the digest of each binary.
    pub servers: Vec<Server>,
    /// The drills, by promise and name.
    pub rows: Vec<Row>,
}

/// A server version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The version.
    pub version: String,
    /// The SHA-256 of its binary.
    pub sha256: String,
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub scenario: String,
    /// The promise it is about.
    pub promise: String,
    /// What it shows.
    pub about: String,
    /// By server version; none where it was not run.
    pub cells: BTreeMap<String, Cell>,
}

/// A drill on a server version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// How many runs there were.
    pub runs: usize,
    /// How many of them held.
    pub held: usize,
    /// How many of them were broken.
    pub broken: usize,
    /// How many of them told nothing.
    pub inconclusive: usize,
    /// The verdict the scenario states for this version, and the known defect that explains it.
    pub expected: Expected,
    /// Seconds from the first fault to the stream being whole, where that was measured.
    pub recovery_seconds: Option<Range>,
    /// The longest time without an acknowledged message, in seconds.
    pub write_outage_seconds: Option<Range>,
    /// Acknowledged messages that were lost; none where that is not known.
    pub lost: Option<Range>,
    /// Seconds that a run took.
    pub elapsed_seconds: Option<Range>,
    /// Why the first run that was not as expected, or else the first that was not held, was not:
    /// its worst finding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Where that run's evidence is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub evidence: Option<PathBuf>,
}

/// The least, the middle and the most of several figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The least.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The most.
    pub most: f64,
}

impl Range {
    /// Of figures that were measured; of none there is none.
    fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Some(Self {
            least: *figures.first()?,
            median: figures[figures.len() / 2],
            most: *figures.last()?,
        })
    }
}

impl Cell {
    /// The verdicts that there were, and how often.
    pub fn verdicts(&self) -> impl Iterator<Item = (Verdict, usize)> {
        let counts = [
            (Verdict::Held, self.held),
            (Verdict::Broken, self.broken),
            (Verdict::Inconclusive, self.inconclusive),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0)
    }

    /// The verdict of all runs; none when they differ.
    pub fn verdict(&self) -> Option<Verdict> {
        let all = self.verdicts().find(|(_, count)| *count == self.runs);
        all.map(|(verdict, _)| verdict)
    }

    /// Whether every run had the verdict to be expected.
    pub fn is_as_expected(&self) -> bool {
        self.verdicts()
            .all(|(verdict, _)| self.expected.is_met_by(verdict))
    }

    fn of(runs: &[&RunRecord]) -> Option<Self> {
        let count = |verdict| runs.iter().filter(|run| run.verdict() == verdict).count();
        let figure = |figure: fn(&Figures) -> Option<f64>| {
            Range::of(runs.iter().filter_map(|run| figure(&run.judgement.figures)))
        };
        let told = runs
            .iter()
            .find(|run| !run.is_as_expected())
            .or_else(|| runs.iter().find(|run| run.verdict() != Verdict::Held));
        Some(Self {
            runs: runs.len(),
            held: count(Verdict::Held),
            broken: count(Verdict::Broken),
            inconclusive: count(Verdict::Inconclusive),
            expected: runs.last()?.expected.clone(),
            recovery_seconds: figure(|figures| figures.recovery_seconds),
            write_outage_seconds: figure(|figures| figures.write_outage_seconds),
            lost: figure(|figures| (figures.unread == 0).then_some(figures.lost as f64)),
            elapsed_seconds: Range::of(runs.iter().map(|run| run.elapsed_seconds)),
            reason: told.and_then(|run| {
                let worst = run.judgement.findings.first()?;
                Some(worst.text.clone())
            }),
            evidence: told.map(|run| run.evidence.clone()),
        })
    }
}

/// The runs of one drill.
type RunsByServer<'a> = BTreeMap<&'a str, Vec<&'a RunRecord>>;

impl Table {
    /// Sums runs up, each with what its scenario shows.
    pub fn of<'a>(runs: impl IntoIterator<Item = (&'a str, &'a RunRecord)>) -> Self {
        let mut servers: BTreeMap<(Option<Version>, &str), &str> = BTreeMap::new();
        let mut drills: BTreeMap<(&str, &str), (&str, RunsByServer<'_>)> = BTreeMap::new();
        for (about, run) in runs {
            let version = Version::parse(&run.server).ok();
            servers.insert((version, &run.server), &run.server_sha256);
            let (told, cells) = drills
                .entry((&run.promise, &run.scenario))
                .or_insert_with(|| (about, BTreeMap::new()));
            *told = about;
            cells.entry(&run.server).or_default().push(run);
        }
        let rows = drills.into_iter();
        Self {
            servers: servers
                .into_iter()
                .map(|((_, version), sha256)| Server {
                    version: version.to_owned(),
                    sha256: sha256.to_owned(),
                })
                .collect(),
            rows: rows
                .map(|((promise, scenario), (about, cells))| Row {
                    scenario: scenario.to_owned(),
                    promise: promise.to_owned(),
                    about: about.to_owned(),
                    cells: cells
                        .into_iter()
                        .filter_map(|(version, runs)| Some((version.to_owned(), Cell::of(&runs)?)))
                        .collect(),
                })
                .collect(),
        }
    }

    /// All cells, with their drill and version.
    pub fn cells(&self) -> impl Iterator<Item = (&Row, &str, &Cell)> {
        self.rows.iter().flat_map(|row| {
            let cells = row.cells.iter();
            cells.map(move |(version, cell)| (row, version.as_str(), cell))
        })
    }

    /// A drill's cell for a version.
    pub fn cell(&self, scenario: &str, version: &str) -> Option<&Cell> {
        let row = self.rows.iter().find(|row| row.scenario == scenario)?;
        row.cells.get(version)
    }

    /// The same without where evidence lay, to be kept.
    #[must_use]
    pub fn without_evidence(mut self) -> Self {
        for row in &mut self.rows {
            for cell in row.cells.values_mut() {
                cell.evidence = None;
            }
        }
        self
    }
}
