//! `completions`, `man` and `schema`: what shells, `man` and other programs want to know of this one.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Failure, Outcome};
use crate::cli::Cli;
use crate::exit::Exit;
use crate::report;
use crate::ui;

/// Prints a shell's completions.
pub(super) fn completions(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lifeboat", &mut script);
    ui::print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}

/// Prints a document's schema.
pub(super) fn schema(name: &str) -> Outcome {
    let schema = report::schema(name)
        .ok_or_else(|| Failure::new(Exit::Usage, format!("{name} has no schema")))?;
    ui::print(&serde_json::to_string_pretty(&schema)?)?;
    Ok(Exit::Done)
}

/// Writes a page for every command.
pub(super) fn man(directory: &Path) -> Outcome {
    let written = fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    written.map_err(|error| {
        let text = format!("can't write {}: {error}", directory.display());
        Failure::new(Exit::Usage, text)
    })?;
    Ok(Exit::Done)
}
