//! `backup stream`: one stream into a directory.

use std::path::Path;

use serde_json::json;

use super::Outcome;
use crate::backup::{BackupOptions, back_up_stream};
use crate::cli::Output;
use crate::exit::Exit;
use crate::jetstream::Connection;
use crate::ui::{self, TransferProgress};

pub(super) async fn run(
    connection: &Connection,
    stream: &str,
    directory: &Path,
    no_consumers: bool,
    output: &Output,
) -> Outcome {
    let progress = TransferProgress::new(ui::can_draw(output.no_progress));
    let options = BackupOptions { no_consumers };
    let taken = back_up_stream(connection, stream, directory, options, &progress).await;
    progress.clear();
    let taken = taken?;
    let text = if output.json {
        serde_json::to_string_pretty(&json!({
            "directory": taken.directory,
            "elapsed_seconds": taken.elapsed.as_secs_f64(),
            "manifest": taken.manifest,
        }))?
    } else {
        let manifest = &taken.manifest;
        format!(
            "{stream}: {} messages up to sequence {}, {} consumers, {} bytes in {:.1?}: {} ({})",
            manifest.messages,
            manifest.last_sequence,
            manifest.consumers.len(),
            manifest.archive_bytes,
            taken.elapsed,
            taken.directory.display(),
            manifest.form
        )
    };
    ui::print(&text)?;
    let missing = &taken.manifest.missing_consumers;
    if missing.is_empty() {
        return Ok(Exit::Done);
    }
    ui::say(&format!(
        "incomplete: the server left these consumers out: {}",
        missing.join(", ")
    ));
    Ok(Exit::Incomplete)
}
