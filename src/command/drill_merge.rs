//! `drill merge`: the results of several machines as one table.

use super::Outcome;
use super::drill_matrix::{Told, conclude};
use super::reports::ReportFiles;
use super::tables::{TrackRecord, read_table};
use crate::cli::DrillMerge;
use crate::matrix::Results;
use crate::scenario::Catalog;

pub(super) fn run(options: &DrillMerge) -> Outcome {
    let earlier = options.against.as_deref().map(read_table).transpose()?;
    let metrics = ReportFiles::metrics(options.metrics.as_deref())?;
    let record = options.record.as_deref().map(TrackRecord::open);
    let record = record.transpose()?;
    let mut results = Results::merge(&options.directories)?;
    results.expect_what_is_known(Catalog::built_in()?.all());
    if let Some(record) = &record {
        record.add(&results)?;
    }
    let told = Told {
        earlier: earlier.as_ref(),
        out: options.out.as_deref(),
        metrics,
        as_json: options.json,
    };
    conclude(&results, told)
}
