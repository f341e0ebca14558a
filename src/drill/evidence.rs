//! The directory of one run: what is written before it starts, while it runs, and at its end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::run::DrillError;
use crate::evidence::{create_run_directory, write_json};
use crate::judge::RunRecord;
use crate::ledger::Ledger;
use crate::scenario::Source;

/// One run's directory.
#[derive(Debug)]
pub(super) struct Evidence {
    root: PathBuf,
}

impl Evidence {
    /// Makes the directory and writes down what is about to run.
    pub(super) fn create(
        parent: &Path,
        source: &Source,
        server: &str,
    ) -> Result<(Self, Ledger), DrillError> {
        let label = format!("{}-{server}", source.scenario.name);
        let root = create_run_directory(parent, &label)
            .map_err(|(path, source)| DrillError::Evidence { path, source })?;
        let evidence = Self { root };
        evidence.describe(source)?;
        let ledger = Ledger::create(&evidence.ledger())?;
        Ok((evidence, ledger))
    }

    /// Writes down what runs, in the place of what was written before.
    pub(super) fn describe(&self, source: &Source) -> Result<(), DrillError> {
        self.write("scenario.toml", source.text.as_bytes())?;
        self.write_json("resolved.json", &source.scenario)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.root.join("ledger.jsonl")
    }

    /// Where the nodes' configurations and logs go.
    pub(super) fn nodes(&self) -> PathBuf {
        self.root.join("nodes")
    }

    pub(super) fn backup(&self, name: &str) -> PathBuf {
        self.root.join("backups").join(name)
    }

    /// Where a node's copy of a stream is put to be read.
    pub(super) fn store(&self, stream: &str, node: &str) -> PathBuf {
        self.root.join("stores").join(stream).join(node)
    }

    /// Where a copy of a node's disk is kept.
    pub(super) fn copy(&self, name: &str, node: &str) -> PathBuf {
        self.root.join("copies").join(name).join(node)
    }

    /// Takes over what a cluster that did not start has left; where that can't be moved, it
    /// stays where its error said.
    pub(super) fn adopt(&self, kept: &Path) {
        if copy_directory(kept, &self.nodes()).is_ok() {
            // The copy is what counts.
            let _removed = fs::remove_dir_all(kept);
        }
    }

    /// Writes the verdict. Backups, stores and copies are kept only when it is not the expected one:
    /// everything that was read from them is in the ledger.
    pub(super) fn conclude(&self, record: &RunRecord) -> Result<(), DrillError> {
        self.write_json("verdict.json", record)?;
        if !record.is_as_expected() {
            return Ok(());
        }
        for name in ["stores", "backups", "copies"] {
            let path = self.root.join(name);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(DrillError::evidence(&path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), DrillError> {
        let path = self.root.join(name);
        fs::write(&path, bytes).map_err(DrillError::evidence(&path))
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), DrillError> {
        let path = self.root.join(name);
        write_json(&path, value).map_err(DrillError::evidence(&path))
    }
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
