//! `drill merge`: the results of several machines as one table.

use super::Outcome;
use super::drill_matrix::{conclude, read_table};
use crate::cli::DrillMerge;
use crate::matrix::Results;

pub(super) fn run(options: &DrillMerge) -> Outcome {
    let earlier = options.against.as_deref().map(read_table).transpose()?;
    let results = Results::merge(&options.directories)?;
    conclude(
        &results,
        earlier.as_ref(),
        options.out.as_deref(),
        options.json,
    )
}
