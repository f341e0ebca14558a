//! The directories that runs leave: made under a name of their own, written whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

/// How often a name that is taken is tried with another number.
const TRIES: u32 = 1000;

/// The longest label of a directory: names of files have 255 bytes at most.
const LONGEST_LABEL: usize = 150;

/// The directory of a run that is under way: removed when the run does not come to its end.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    is_kept: bool,
}

impl RunDirectory {
    /// Makes one; see [`create_run_directory`].
    ///
    /// # Errors
    /// As [`create_run_directory`].
    pub fn create(parent: &Path, label: &str) -> Result<Self, (PathBuf, io::Error)> {
        Ok(Self {
            path: create_run_directory(parent, label)?,
            is_kept: false,
        })
    }

    /// One that somebody else keeps or removes.
    pub fn of_another(path: PathBuf) -> Self {
        Self {
            path,
            is_kept: true,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps it.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nobody is left who could be told.
            let _removed = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes a directory for a run: its name begins with the time, and has a number where runs side by side
/// begin in the same second.
///
/// # Errors
/// The path that could not be made, and the system's error.
pub fn create_run_directory(parent: &Path, label: &str) -> Result<PathBuf, (PathBuf, io::Error)> {
    let stamp = OffsetDateTime::now_utc()
        .format(format_description!(
            "[year][month][day]-[hour][minute][second]"
        ))
        .unwrap_or_default();
    let label: String = label.chars().map(plain).collect();
    let mut end = label.len().min(LONGEST_LABEL);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    let name = format!("{stamp}-{}", &label[..end]);
    fs::create_dir_all(parent).map_err(|error| (parent.to_owned(), error))?;
    let mut path = parent.join(&name);
    for number in 2..TRIES {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                path = parent.join(format!("{name}-{number}"));
            }
            Err(error) => return Err((path, error)),
            Ok(()) => return Ok(path.canonicalize().unwrap_or(path)),
        }
    }
    Err((path, io::ErrorKind::AlreadyExists.into()))
}

/// What may be in a file's name.
fn plain(character: char) -> char {
    if matches!(character, '/' | '\\') || character.is_control() {
        '_'
    } else {
        character
    }
}

/// Writes a value into a file, as JSON that people can read.
///
/// # Errors
/// When it can't be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(value)?;
    fs::write(path, text)
}
