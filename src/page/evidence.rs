//! What lies in a directory, and reading it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::error::PageError;
use super::logs::NodeLog;
use crate::judge::RunRecord;
use crate::ledger::{Stamped, read_unfinished_ledger};
use crate::matrix::{Results, Table};
use crate::rehearsal::Rehearsal;
use crate::scenario::{Scenario, load};

/// Something that a page can be made of.
#[derive(Debug)]
pub(super) enum Evidence {
    Drill(Box<RunEvidence>),
    Rehearsal(Box<Rehearsal>),
    Matrix(Table),
}

/// The evidence of a drill's run.
#[derive(Debug)]
pub(super) struct RunEvidence {
    pub(super) directory: PathBuf,
    /// None when the run did not come to its end.
    pub(super) record: Option<RunRecord>,
    pub(super) events: Vec<Stamped>,
    pub(super) scenario_text: String,
    pub(super) scenario: Option<Scenario>,
    pub(super) logs: Vec<NodeLog>,
    /// What is not as it should be with the evidence itself.
    pub(super) remarks: Vec<String>,
}

impl Evidence {
    pub(super) fn at(path: &Path) -> Result<Self, PageError> {
        if !path.is_dir() {
            return Ok(Self::Matrix(read_json(path, "matrix")?));
        }
        let has = |name: &str| path.join(name).is_file();
        if has("ledger.jsonl") || has("verdict.json") {
            return Ok(Self::Drill(Box::new(RunEvidence::read(path)?)));
        }
        if has("rehearsal.json") {
            let file = path.join("rehearsal.json");
            return Ok(Self::Rehearsal(Box::new(read_json(&file, "rehearsal")?)));
        }
        if has("matrix.json") {
            return Ok(Self::Matrix(read_json(
                &path.join("matrix.json"),
                "matrix",
            )?));
        }
        // A matrix that was interrupted has its runs and no table yet.
        if has("results.jsonl") {
            let results = Results::merge(&[path.to_owned()])?;
            return Ok(Self::Matrix(Table::of(results.runs())));
        }
        Err(PageError::NoEvidence {
            path: path.to_owned(),
            hint: hint(path),
        })
    }
}

impl RunEvidence {
    fn read(directory: &Path) -> Result<Self, PageError> {
        let mut remarks = Vec::new();
        let (events, cut) = read_unfinished_ledger(&directory.join("ledger.jsonl"))?;
        if let Some(cut) = cut {
            remarks.push(format!("the ledger's last line was cut off: {cut}"));
        }
        let verdict = directory.join("verdict.json");
        let record = match verdict.exists() {
            true => Some(read_json(&verdict, "verdict of a run")?),
            false => None,
        };
        let file = directory.join("scenario.toml");
        let scenario_text = fs::read_to_string(&file).unwrap_or_else(|error| {
            remarks.push(format!("can't read {}: {error}", file.display()));
            String::new()
        });
        let scenario = load(&file, &scenario_text);
        let scenario = scenario.map_err(|error| {
            remarks.push(format!("what lies where of the loss is not told: {error}"));
        });
        let logs = NodeLog::all_in(&directory.join("nodes"), &mut remarks);
        Ok(Self {
            directory: directory.to_owned(),
            record,
            events,
            scenario_text,
            scenario: scenario.ok(),
            logs,
            remarks,
        })
    }
}

fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, PageError> {
    let text = fs::read_to_string(path).map_err(PageError::io(path))?;
    serde_json::from_str(&text).map_err(|source| PageError::Malformed {
        path: path.to_owned(),
        what,
        source,
    })
}

/// The directory of many runs is named easily where one of them is meant.
fn hint(path: &Path) -> String {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let runs = entries.map(|entry| entry.path()).filter(|path| {
        ["ledger.jsonl", "rehearsal.json", "matrix.json"]
            .iter()
            .any(|name| path.join(name).is_file())
    });
    let last = runs.max();
    last.map_or_else(String::new, |last| {
        format!(
            "; it holds directories of runs, the last is {}",
            last.display()
        )
    })
}
