//! `drill catalogue`: the drills and their track record, as a page or as part of one.

use std::fs;
use std::path::Path;

use super::tables::read_table;
use super::{Failure, Outcome};
use crate::cli::DrillCatalogue;
use crate::exit::Exit;
use crate::matrix::Table;
use crate::report::catalogue;
use crate::scenario::Catalog;
use crate::ui;

/// Where the catalogue begins in a page.
const BEGIN: &str = "<!-- catalogue -->";
/// Where it ends.
const END: &str = "<!-- end of catalogue -->";

pub(super) fn run(options: &DrillCatalogue) -> Outcome {
    let catalog = Catalog::built_in()?;
    let record = match &options.matrix {
        Some(path) => read_table(path)?,
        None => Table::default(),
    };
    let text = catalogue(catalog.all(), &record);
    match &options.write {
        Some(page) => put_into(page, &text)?,
        None => ui::print(&text)?,
    }
    Ok(Exit::Done)
}

fn put_into(page: &Path, text: &str) -> Result<(), Failure> {
    let wrong = |error: String| {
        let text = format!("{}: {error}", page.display());
        Failure::new(Exit::Usage, text)
    };
    let old = fs::read_to_string(page).map_err(|error| wrong(error.to_string()))?;
    let parts = old
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| wrong(format!("it has no `{BEGIN}` and `{END}` after it")))?;
    let new = format!("{before}{BEGIN}\n\n{text}\n\n{END}{after}");
    if new != old {
        fs::write(page, new).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}
