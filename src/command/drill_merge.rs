//! `drill merge`: the results of several machines as one table.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::drill_matrix::{Told, conclude, read_table};
use super::reports::ReportFiles;
use super::{Failure, Outcome};
use crate::cli::DrillMerge;
use crate::matrix::{Results, Table};
use crate::scenario::Catalog;

pub(super) fn run(options: &DrillMerge) -> Outcome {
    let earlier = options.against.as_deref().map(read_table).transpose()?;
    let metrics = ReportFiles::metrics(options.metrics.as_deref())?;
    let mut results = Results::merge(&options.directories)?;
    results.expect_what_is_known(Catalog::built_in()?.all());
    if let Some(file) = &options.record {
        let new = Table::of(results.runs());
        let kept = if file.exists() {
            read_table(file)?.joined_with(new)
        } else {
            new
        };
        write_record(file, &kept.without_evidence())?;
    }
    let told = Told {
        earlier: earlier.as_ref(),
        out: options.out.as_deref(),
        metrics,
        as_json: options.json,
    };
    conclude(&results, told)
}

/// Writes a table to be kept, a drill a line, so that changes can be read. It may be the only copy of
/// many runs: there is never half of it.
fn write_record(file: &Path, table: &Table) -> Result<(), Failure> {
    let rows = table.rows.iter().map(serde_json::to_string);
    let rows = rows.collect::<Result<Vec<_>, _>>()?.join(",\n");
    let servers = serde_json::to_string(&table.servers)?;
    let text = format!("{{\n\"servers\": {servers},\n\"rows\": [\n{rows}\n]\n}}\n");
    let directory = file.parent().filter(|path| !path.as_os_str().is_empty());
    let mut new = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}
