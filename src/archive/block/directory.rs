//! The files of a stream's directory as they lie on disk, in the order of a server's own tar.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::super::defect::{Defect, Kind};
use super::super::error::{ArchiveError, Result};
use super::super::open::OnRead;
use super::LARGEST_FILE;
use super::files::{BlockFiles, FileName};

/// The files of a directory.
pub(in super::super) struct DirectoryFiles {
    root: PathBuf,
    files: VecDeque<(FileName, String)>,
    defects: Vec<Defect>,
    bytes: u64,
    on_read: Option<OnRead>,
}

impl DirectoryFiles {
    /// Lists the directory. Links are not followed.
    pub(in super::super) fn open(root: &Path, on_read: Option<OnRead>) -> Result<Self> {
        let mut found = Self {
            root: root.to_owned(),
            files: VecDeque::new(),
            defects: Vec::new(),
            bytes: 0,
            on_read,
        };
        let mut files = Vec::new();
        found.list("", &mut files)?;
        // Blocks by number, and what describes something after it, as in a tar.
        files.sort_by_cached_key(|(name, path)| (place_of(name), path.clone()));
        found.files = files.into();
        Ok(found)
    }

    /// How many bytes were read.
    pub(in super::super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn list(&mut self, under: &str, files: &mut Vec<(FileName, String)>) -> Result<()> {
        let directory = self.root.join(under);
        let failed = || ArchiveError::io(format!("reading {}", directory.display()));
        for entry in fs::read_dir(&directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let kind = entry.file_type().map_err(failed())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if under.is_empty() {
                name
            } else {
                format!("{under}/{name}")
            };
            if kind.is_dir() {
                // What else servers keep there, such as batches that were not committed, is no part
                // of the stream.
                if matches!(&*path, "msgs" | "obs") || under == "obs" {
                    self.list(&path, files)?;
                }
            } else if !kind.is_file() {
                let detail = "neither a file nor a directory of a stream";
                self.defects
                    .push(Defect::new(Kind::Entry, format!("`{path}`"), detail));
            } else {
                match FileName::of(&path) {
                    Ok(name) => files.push((name, path)),
                    Err(detail) => {
                        self.defects
                            .push(Defect::new(Kind::Entry, format!("`{path}`"), detail));
                    }
                }
            }
        }
        Ok(())
    }
}

impl BlockFiles for DirectoryFiles {
    fn next(&mut self, content: &mut Vec<u8>) -> Result<Option<(FileName, String)>> {
        while let Some((name, path)) = self.files.pop_front() {
            let full = self.root.join(&path);
            let failed = || ArchiveError::io(format!("reading {}", full.display()));
            let file = File::open(&full).map_err(failed())?;
            content.clear();
            let read = file
                .take(LARGEST_FILE + 1)
                .read_to_end(content)
                .map_err(failed())?;
            self.bytes += read as u64;
            if let Some(tell) = &self.on_read {
                tell(read as u64).map_err(failed())?;
            }
            if read as u64 <= LARGEST_FILE {
                return Ok(Some((name, path)));
            }
            let detail =
                format!("a file of more than {LARGEST_FILE} bytes is too large to be read");
            let kind = if name == FileName::Index {
                Kind::NoIndex
            } else {
                Kind::TooLarge
            };
            self.defects
                .push(Defect::new(kind, format!("`{path}`"), detail));
        }
        Ok(None)
    }

    fn take_defects(&mut self) -> Vec<Defect> {
        std::mem::take(&mut self.defects)
    }

    fn is_store(&self) -> bool {
        true
    }
}

/// Where a file of that name stands among the others.
fn place_of(name: &FileName) -> (u8, u64) {
    match name {
        FileName::Meta => (0, 0),
        FileName::MetaSum => (1, 0),
        FileName::Block(number) => (2, *number),
        FileName::Index => (3, 0),
        FileName::ConsumerMeta(_) | FileName::ConsumerSum(_) | FileName::ConsumerState(_) => (4, 0),
        FileName::Errors | FileName::Key | FileName::Derived | FileName::Other => (5, 0),
    }
}

impl BlockFiles for &mut DirectoryFiles {
    fn next(&mut self, content: &mut Vec<u8>) -> Result<Option<(FileName, String)>> {
        (**self).next(content)
    }

    fn take_defects(&mut self) -> Vec<Defect> {
        (**self).take_defects()
    }

    fn is_store(&self) -> bool {
        (**self).is_store()
    }
}
