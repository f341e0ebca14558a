//! `extract`: a backup's stream into the store of a stopped server.

use serde_json::json;

use super::Outcome;
use super::offline::{carry_out, read_config, tell_lacks};
use crate::cli::Extract;
use crate::model::count;
use crate::offline::{ExtractOptions, Look, extract};
use crate::ui;

pub(super) async fn run(options: Extract) -> Outcome {
    if options.output.json {
        ui::speak_json();
    }
    let extraction = ExtractOptions {
        account: options.account.clone(),
        new_account: options.new_account,
        config: read_config(options.config.as_deref())?,
        to_file: options.storage.is_some(),
        stopped: options.stopped,
    };
    let (backup, data) = (options.backup, options.data_dir);
    let extracted = carry_out("extracting", options.output.no_progress, move |on_read| {
        extract(&Look::at(&backup)?, &data, &extraction, Some(&on_read))
    })
    .await?;
    let text = if options.output.json {
        serde_json::to_string_pretty(&json!({
            "stream": extracted.stream,
            "directory": extracted.directory,
            "messages": extracted.messages,
            "consumers": extracted.consumers,
            "lacks": extracted.lacks,
        }))?
    } else {
        format!(
            "{}: {} and {} are in {}; a server with account {} has them when it starts",
            extracted.stream,
            count(extracted.messages, "message"),
            count(extracted.consumers as u64, "consumer"),
            extracted.directory.display(),
            options.account
        )
    };
    ui::print(&text)?;
    Ok(tell_lacks(&extracted.lacks))
}
