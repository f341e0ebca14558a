//! `backup stream`: one stream into a directory.

use std::sync::Arc;

use serde_json::json;

use super::offline::tell_lacks;
use super::{Outcome, connect};
use crate::backup::{BackupOptions, BackupSummary, back_up_stream};
use crate::cli::{BackupStream, Taking};
use crate::jetstream::SnapshotOptions;
use crate::model::count;
use crate::ui::{self, TransferProgress};

pub(super) async fn run(options: BackupStream) -> Outcome {
    let output = &options.output;
    if output.json {
        ui::speak_json();
    }
    let connection = connect::open(&options.connect).await?;
    let progress = Arc::new(TransferProgress::new(ui::can_draw(output.no_progress)));
    let taken = back_up_stream(
        &connection,
        &options.stream,
        &options.directory,
        taking(&options.taking),
        progress.clone(),
    )
    .await;
    progress.clear();
    let taken = taken?;
    let text = if output.json {
        serde_json::to_string_pretty(&as_json(&taken))?
    } else {
        let manifest = &taken.manifest;
        format!(
            "{}: {} up to sequence {}, {}, {} bytes in {:.1?}: {} ({})",
            manifest.stream,
            count(manifest.messages, "message"),
            manifest.last_sequence,
            count(taken.consumers().len() as u64, "consumer"),
            manifest.archive_bytes,
            taken.elapsed,
            taken.directory.display(),
            manifest.form
        )
    };
    ui::print(&text)?;
    for remark in taken.remarks() {
        ui::say(&format!("note: {remark}"));
    }
    Ok(tell_lacks(&taken.lacks()))
}

/// What was typed, as the engine takes it.
pub(super) fn taking(taking: &Taking) -> BackupOptions {
    BackupOptions {
        snapshot: SnapshotOptions {
            no_consumers: taking.no_consumers,
            chunk_bytes: taking.chunk_size,
            window_bytes: taking.window_size,
        },
        retries: u32::from(taking.retries),
    }
}

/// A backup that was taken, for tools.
pub(super) fn as_json(taken: &BackupSummary) -> serde_json::Value {
    json!({
        "directory": taken.directory,
        "elapsed_seconds": taken.elapsed.as_secs_f64(),
        "attempts": taken.attempts,
        "decoded_bytes": taken.decoded_bytes,
        "lacks": taken.lacks(),
        "remarks": taken.remarks(),
        "manifest": taken.manifest,
    })
}
