//! `config save`: the configuration of an account into a directory.

use std::sync::Arc;

use super::offline::tell_lacks;
use super::{Outcome, connect};
use crate::cli::ConfigSave;
use crate::configuration::{SaveOptions, save};
use crate::model::count;
use crate::ui::{self, TransferProgress};

pub(super) async fn run(options: ConfigSave) -> Outcome {
    let output = &options.output;
    if output.json {
        ui::speak_json();
    }
    let connection = connect::open(&options.connect).await?;
    let what = SaveOptions {
        names: (&options.names).into(),
        data: options.data,
    };
    let progress = Arc::new(TransferProgress::new(ui::can_draw(output.no_progress)));
    let saved = save(&connection, &options.directory, &what, progress.clone()).await;
    progress.clear();
    let saved = saved?;
    let text = if output.json {
        serde_json::to_string_pretty(&saved)?
    } else {
        format!(
            "{} and {}, and the messages of {}: {}",
            count(saved.streams.len() as u64, "stream"),
            count(saved.consumers.len() as u64, "consumer"),
            count(saved.data.len() as u64, "stream"),
            saved.directory.display()
        )
    };
    ui::print(&text)?;
    for note in &saved.notes {
        ui::say(&format!("note: {note}"));
    }
    Ok(tell_lacks(&saved.lacks))
}
