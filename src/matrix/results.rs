//! The runs of a matrix on disk, a line each: written as soon as one is over, so that whatever is
//! interrupted can be resumed, and read again to be merged with those of other machines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::judge::RunRecord;
use crate::scenario::Source;

/// The file in a matrix's directory.
const FILE: &str = "results.jsonl";

/// What tells one run from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Done {
    /// The scenario's name.
    pub scenario: String,
    /// The digest of what it does.
    pub scenario_digest: String,
    /// The server's version.
    pub server: String,
    /// The SHA-256 of its binary.
    pub server_sha256: String,
    /// Where the nodes ran.
    pub runtime: String,
    /// Which of several runs of the same, from 1.
    pub round: u16,
}

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    done: Done,
    /// What the scenario shows.
    about: String,
    run: RunRecord,
}

/// Why results can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// The file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A line that is no run.
    #[error("{}:{line}: this is no run of a matrix: {source}", path.display())]
    NoRun {
        /// The path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// There are results already, and nobody said what to do with them.
    #[error(
        "{} has {runs} runs already: add --resume to go on with them, or name another directory",
        path.display()
    )]
    NotEmpty {
        /// The path.
        path: PathBuf,
        /// How many.
        runs: usize,
    },
}

/// The runs of a matrix so far.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    lines: Vec<Line>,
}

impl Results {
    /// Opens the results of a directory, which is made when it is not there.
    ///
    /// # Errors
    /// [`ResultsError::NotEmpty`] when there are runs that are not to be resumed.
    pub fn open(directory: &Path, resume: bool) -> Result<Self, ResultsError> {
        std::fs::create_dir_all(directory).map_err(io_error(directory))?;
        let path = directory.join(FILE);
        if !path.exists() {
            return Ok(Self {
                path,
                lines: Vec::new(),
            });
        }
        let (lines, whole) = read(&path)?;
        if !resume && !lines.is_empty() {
            return Err(ResultsError::NotEmpty {
                path,
                runs: lines.len(),
            });
        }
        // Half a line is what a killed program leaves: its run is made again.
        let file = OpenOptions::new().write(true).open(&path);
        file.and_then(|file| file.set_len(whole))
            .map_err(io_error(&path))?;
        Ok(Self { path, lines })
    }

    /// Reads the results of several directories as one; of a run that is in two of them the later
    /// one's counts.
    ///
    /// # Errors
    /// When any of them can't be read.
    pub fn merge(directories: &[PathBuf]) -> Result<Self, ResultsError> {
        let mut merged: Vec<Line> = Vec::new();
        for directory in directories {
            let (lines, _) = read(&directory.join(FILE))?;
            merged.retain(|known| lines.iter().all(|line| line.done != known.done));
            merged.extend(lines);
        }
        // Of a drill that does something else by now only its last runs say anything.
        let cell = |done: &Done| (done.scenario.clone(), done.server.clone());
        let digest = |done: &Done| done.scenario_digest.clone();
        let lines = merged.iter();
        let latest: BTreeMap<_, _> = lines
            .map(|line| (cell(&line.done), digest(&line.done)))
            .collect();
        merged.retain(|line| latest.get(&cell(&line.done)) == Some(&digest(&line.done)));
        Ok(Self {
            path: PathBuf::new(),
            lines: merged,
        })
    }

    /// Which runs are there.
    pub fn done(&self) -> BTreeSet<Done> {
        self.lines.iter().map(|line| line.done.clone()).collect()
    }

    /// The runs, with what each scenario shows.
    pub fn runs(&self) -> impl Iterator<Item = (&str, &RunRecord)> {
        self.lines
            .iter()
            .map(|line| (line.about.as_str(), &line.run))
    }

    /// Keeps only some of the runs, in memory.
    pub fn retain(&mut self, wanted: impl Fn(&Done) -> bool) {
        self.lines.retain(|line| wanted(&line.done));
    }

    /// Has runs of drills be expected what is known of these today.
    pub fn expect_what_is_known(&mut self, sources: &[Source]) {
        for line in &mut self.lines {
            let run = &mut line.run;
            let source = sources.iter().find(|source| {
                source.scenario.name == run.scenario && source.drill_digest() == run.drill_digest
            });
            let version = Version::parse(&run.server);
            if let (Some(source), Ok(version)) = (source, version) {
                run.expected = source.scenario.expect.verdict_for(&version);
            }
        }
    }

    /// Writes a run down, to the disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&mut self, done: Done, about: &str, run: RunRecord) -> Result<(), ResultsError> {
        let about = about.to_owned();
        let line = Line { done, about, run };
        let write = || {
            let mut text = serde_json::to_string(&line)?;
            text.push('\n');
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()
        };
        write().map_err(io_error(&self.path))?;
        self.lines.push(line);
        Ok(())
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ResultsError {
    let path = path.to_owned();
    move |source| ResultsError::Io { path, source }
}

/// The lines of a file, and how many bytes of it are whole lines.
fn read(path: &Path) -> Result<(Vec<Line>, u64), ResultsError> {
    let text = File::open(path)
        .and_then(io::read_to_string)
        .map_err(io_error(path))?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut lines = Vec::new();
    for (index, line) in text[..whole].lines().enumerate() {
        let read = serde_json::from_str(line).map_err(|source| ResultsError::NoRun {
            path: path.to_owned(),
            line: index + 1,
            source,
        })?;
        lines.push(read);
    }
    Ok((lines, whole as u64))
}

#[cfg(test)]
mod tests {
    use super::super::sample::run;
    use super::*;
    use crate::model::Verdict;

    fn done(digest: &str, round: u16) -> Done {
        Done {
            scenario: String::from("drill"),
            scenario_digest: digest.to_owned(),
            server: String::from("2.15.1"),
            server_sha256: String::new(),
            runtime: String::from("process"),
            round,
        }
    }

    #[test]
    fn of_a_drill_that_was_changed_only_the_last_runs_are_merged() {
        let home = tempfile::tempdir().unwrap();
        let mut results = Results::open(home.path(), false).unwrap();
        for (digest, round) in [("old", 1), ("old", 2), ("new", 1)] {
            let run = run("2.15.1", Verdict::Held, 1.0);
            results.add(done(digest, round), "about", run).unwrap();
        }
        let merged = Results::merge(&[home.path().to_owned()]).unwrap();
        assert_eq!(merged.done(), BTreeSet::from([done("new", 1)]));
        assert!(matches!(
            Results::open(home.path(), false),
            Err(ResultsError::NotEmpty { runs: 3, .. })
        ));
    }
}
