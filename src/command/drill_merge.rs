//! `drill merge`: the results of several machines as one table.

use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::Outcome;
use super::drill_matrix::{conclude, read_table};
use crate::cli::DrillMerge;
use crate::matrix::{Results, Table};
use crate::scenario::Catalog;

pub(super) fn run(options: &DrillMerge) -> Outcome {
    let earlier = options.against.as_deref().map(read_table).transpose()?;
    let mut results = Results::merge(&options.directories)?;
    results.expect_what_is_known(Catalog::built_in()?.all());
    if let Some(file) = &options.record {
        let new = Table::of(results.runs());
        let kept = if file.exists() {
            read_table(file)?.joined_with(new)
        } else {
            new
        };
        let kept = kept.without_evidence();
        let mut text = serde_json::to_string_pretty(&kept)?;
        text.push('\n');
        // It may be the only copy of many runs: never half of it.
        let directory = file.parent().filter(|path| !path.as_os_str().is_empty());
        let mut new = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
        new.write_all(text.as_bytes())?;
        new.persist(file).map_err(|error| error.error)?;
    }
    conclude(
        &results,
        earlier.as_ref(),
        options.out.as_deref(),
        options.json,
    )
}
