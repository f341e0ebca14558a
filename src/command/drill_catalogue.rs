//! `drill catalogue`: the drills and their track record, as a page.

use super::Outcome;
use super::drill_matrix::read_table;
use crate::cli::DrillCatalogue;
use crate::exit::Exit;
use crate::matrix::Table;
use crate::report::catalogue;
use crate::scenario::Catalog;
use crate::ui;

pub(super) fn run(options: &DrillCatalogue) -> Outcome {
    let catalog = Catalog::built_in()?;
    let record = match &options.matrix {
        Some(path) => read_table(path)?,
        None => Table::default(),
    };
    ui::print(&catalogue(catalog.all(), &record))?;
    Ok(Exit::Done)
}
