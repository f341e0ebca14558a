//! Tables in files: those of earlier matrices, and the track record, to which runs are added.

use std::fs;
use std::path::{Path, PathBuf};

use super::Failure;
use super::reports::{beside, write_whole};
use crate::exit::Exit;
use crate::matrix::{Done, Results, Table};

/// The table in a matrix's directory, for tools.
pub(super) const TABLE: &str = "matrix.json";

/// An earlier table: the file, or the directory that has it.
pub(super) fn read_table(path: &Path) -> Result<Table, Failure> {
    let file = if path.is_dir() {
        path.join(TABLE)
    } else {
        path.to_owned()
    };
    let wrong = |error: String| {
        let text = format!("{}: this is no matrix: {error}", file.display());
        Failure::new(Exit::Usage, text)
    };
    let text = fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// A table to which runs are added, in a file that is kept.
pub(super) struct TrackRecord {
    path: PathBuf,
    so_far: Option<Table>,
}

impl TrackRecord {
    /// Reads what is on record so far, nothing where there is no such file yet. That it can't be
    /// written is found here, before the runs.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        beside(path)?;
        let path = path.to_owned();
        let so_far = Self::read(&path)?;
        Ok(Self { path, so_far })
    }

    fn read(path: &Path) -> Result<Option<Table>, Failure> {
        path.exists().then(|| read_table(path)).transpose()
    }

    /// How many runs there are on record of what `one` is a run of.
    pub(super) fn runs_of(&self, one: &Done) -> usize {
        self.so_far.as_ref().map_or(0, |table| table.runs_of(one))
    }

    /// Adds runs, also to those that somebody else has added meanwhile. It may be the only copy of many
    /// runs: there is never half of it. A drill has a line, so that changes can be read.
    pub(super) fn add(&self, results: &Results) -> Result<(), Failure> {
        let new = Table::of(results.runs());
        let kept = match Self::read(&self.path)? {
            Some(earlier) => earlier.joined_with(new),
            None => new,
        };
        let kept = kept.without_evidence();
        let rows = kept.rows.iter().map(serde_json::to_string);
        let rows = rows.collect::<Result<Vec<_>, _>>()?.join(",\n");
        let servers = serde_json::to_string(&kept.servers)?;
        let text = format!("{{\n\"servers\": {servers},\n\"rows\": [\n{rows}\n]\n}}\n");
        write_whole(&self.path, &text)
    }
}
