//! `restore stream`: the stream of a backup back onto a server.

use std::path::Path;

use serde_json::json;

use super::Outcome;
use super::offline::tell_lacks;
use crate::backup::{RestoreOptions, restore_stream};
use crate::cli::Output;
use crate::jetstream::Connection;
use crate::ui::{self, TransferProgress};

pub(super) async fn run(
    connection: &Connection,
    directory: &Path,
    replicas: Option<u8>,
    output: &Output,
    stop: impl Future<Output = ()>,
) -> Outcome {
    let progress = TransferProgress::new(ui::can_draw(output.no_progress));
    let options = RestoreOptions {
        replicas: replicas.map(usize::from),
    };
    let restored = restore_stream(connection, directory, options, &progress, stop).await;
    progress.clear();
    let restored = restored?;
    if !restored.sealed {
        ui::say(
            "warning: this backup has no manifest of ours: that it holds all the stream had can't be proven",
        );
    }
    let text = if output.json {
        serde_json::to_string_pretty(&json!({
            "stream": restored.stream,
            "messages": restored.messages,
            "last_sequence": restored.last_sequence,
            "consumers": restored.consumers,
            "sealed": restored.sealed,
            "lacks": restored.lacks,
            "elapsed_seconds": restored.elapsed.as_secs_f64(),
        }))?
    } else {
        format!(
            "{}: {} messages up to sequence {} and {} consumers restored and compared in {:.1?}",
            restored.stream,
            restored.messages,
            restored.last_sequence,
            restored.consumers,
            restored.elapsed
        )
    };
    ui::print(&text)?;
    Ok(tell_lacks(&restored.lacks))
}
