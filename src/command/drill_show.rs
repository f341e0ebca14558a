//! `drill show`: the scenario of a drill as it is written, to be read or made one's own.

use super::Outcome;
use crate::exit::Exit;
use crate::scenario::Catalog;
use crate::ui;

pub(super) fn run(name: &str) -> Outcome {
    let catalog = Catalog::built_in()?;
    ui::print(catalog.find(name)?.text.trim_end())?;
    Ok(Exit::Done)
}
