//! The one table: a row per drill, a cell per server version, each cell the sum of its runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::results::Done;
use crate::judge::RunRecord;

/// A matrix as it is written and read. Keys are only ever added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// The server versions, oldest first, and the digest of each binary.
    pub servers: Vec<Server>,
    /// The drills, by promise and name.
    pub rows: Vec<Row>,
}

/// A server version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// The version.
    pub version: String,
    /// The SHA-256 of its binary.
    pub sha256: String,
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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

    /// How many runs there are of what `one` is a run of: the same drill on the same binary.
    pub fn runs_of(&self, one: &Done) -> usize {
        let is_the_binary =
            |server: &Server| server.version == one.server && server.sha256 == one.server_sha256;
        let cell = self.cell(&one.scenario, &one.server);
        let cell = cell.filter(|cell| cell.drill_digest == one.scenario_digest);
        cell.filter(|_| self.servers.iter().any(is_the_binary))
            .map_or(0, |cell| cell.runs)
    }

    /// The same with the runs of a later one: of a drill that does what it did, on the same binary, all
    /// runs count; of any other the later ones do.
    #[must_use]
    pub fn joined_with(mut self, later: Self) -> Self {
        for server in later.servers {
            let earlier = self
                .servers
                .iter()
                .position(|own| own.version == server.version);
            match earlier {
                Some(at) if self.servers[at] == server => {}
                Some(at) => {
                    // Nothing that was seen of another binary is of this one.
                    for row in &mut self.rows {
                        row.cells.remove(&server.version);
                    }
                    self.servers[at] = server;
                }
                None => self.servers.push(server),
            }
        }
        self.servers
            .sort_by_key(|server| Version::parse(&server.version).ok());
        for row in later.rows {
            let Some(own) = self
                .rows
                .iter_mut()
                .find(|own| own.scenario == row.scenario)
            else {
                self.rows.push(row);
                continue;
            };
            (own.promise, own.about) = (row.promise, row.about);
            for (version, cell) in row.cells {
                let cell = match own.cells.remove(&version) {
                    Some(earlier) => earlier.joined_with(cell),
                    None => cell,
                };
                own.cells.insert(version, cell);
            }
        }
        self.rows
            .sort_by(|a, b| (&a.promise, &a.scenario).cmp(&(&b.promise, &b.scenario)));
        self
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

#[cfg(test)]
mod tests {
    use super::super::sample::run;
    use super::*;
    use crate::model::Verdict;

    fn table(sha256: &str, drills: &[&str]) -> Table {
        let runs: Vec<_> = drills
            .iter()
            .map(|drill| {
                let mut run = run("2.15.1", Verdict::Held, 1.0);
                (run.scenario, run.server_sha256) = ((*drill).to_owned(), sha256.to_owned());
                run.began_at = format!("{sha256} {drill}");
                run
            })
            .collect();
        Table::of(runs.iter().map(|run| ("about", run)))
    }

    #[test]
    fn what_was_seen_of_another_binary_is_dropped() {
        let joined = table("a", &["one", "two"]).joined_with(table("b", &["one"]));
        assert_eq!(joined.servers.len(), 1);
        assert_eq!(joined.cell("one", "2.15.1").unwrap().runs, 1);
        assert_eq!(joined.cell("two", "2.15.1"), None);
    }

    #[test]
    fn drills_and_runs_are_added() {
        let first = table("a", &["one"]);
        let joined = first.clone().joined_with(table("a", &["one", "two"]));
        assert_eq!(joined.cell("one", "2.15.1").unwrap().runs, 1);
        assert!(joined.cell("two", "2.15.1").is_some());
        assert_eq!(joined.rows.len(), 2);
    }
}
