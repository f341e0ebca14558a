//! `report`: stored evidence as a page.

use std::fs;
use std::io;
use std::path::Path;

use super::reports::{unwritable, write_whole};
use super::{Failure, Outcome};
use crate::cli::Report;
use crate::exit::Exit;
use crate::page::{PageError, page_of};
use crate::ui;

pub(super) fn run(options: &Report) -> Outcome {
    let page = page_of(&options.evidence)?;
    let path = options.output.as_ref().unwrap_or(&page.default_path);
    if path == Path::new("-") {
        ui::print(&page.html)?;
        return Ok(Exit::Done);
    }
    check_target(path, &options.evidence)?;
    write_whole(path, &page.html)?;
    ui::print(&path.display().to_string())?;
    Ok(Exit::Done)
}

/// A page takes the place of nothing but a page, whatever is named.
fn check_target(path: &Path, evidence: &Path) -> Result<(), Failure> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let refused = |why: &str| Err(unwritable(path, &io::Error::other(why.to_owned())));
    if !there.is_file() {
        return refused("it is no regular file");
    }
    let (Ok(target), Ok(evidence)) = (path.canonicalize(), evidence.canonicalize()) else {
        return Ok(());
    };
    let is_page = target.extension().is_some_and(|ending| ending == "html");
    if target == evidence || (target.starts_with(&evidence) && !is_page) {
        return refused("it is part of the evidence");
    }
    Ok(())
}

impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        // Whatever is wrong, it is with what was named.
        Self::new(Exit::Usage, error)
    }
}
