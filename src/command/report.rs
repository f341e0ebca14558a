//! `report`: stored evidence as a page.

use std::io::Write as _;

use super::reports::{beside, persist};
use super::{Failure, Outcome};
use crate::cli::Report;
use crate::exit::Exit;
use crate::page::{PageError, page_of};
use crate::ui;

pub(super) fn run(options: &Report) -> Outcome {
    let page = page_of(&options.evidence)?;
    let path = options.output.as_ref().unwrap_or(&page.default_path);
    let mut file = beside(path)?;
    file.write_all(page.html.as_bytes())?;
    persist(file, path)?;
    ui::print(&path.display().to_string())?;
    Ok(Exit::Done)
}

impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        // Whatever is wrong, it is with what was named.
        Self::new(Exit::Usage, error)
    }
}
