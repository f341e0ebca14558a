//! The directories that runs leave: made under a name of their own, written whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

/// How often a name that is taken is tried with another number.
const TRIES: u32 = 1000;

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
    let name = format!("{stamp}-{label}");
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

/// Writes a value into a file, as JSON that people can read.
///
/// # Errors
/// When it can't be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(value)?;
    fs::write(path, text)
}
