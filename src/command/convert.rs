//! `convert`: a backup in the other form.

use serde_json::json;

use super::Outcome;
use super::offline::{carry_out, read_config, tell_lacks};
use crate::archive::Form;
use crate::cli::Convert;
use crate::model::count;
use crate::offline::{ConvertOptions, Look, convert};
use crate::ui;

pub(super) async fn run(options: Convert) -> Outcome {
    if options.output.json {
        ui::speak_json();
    }
    let conversion = ConvertOptions {
        form: if options.to == "tar" {
            Form::Tar
        } else {
            Form::Message
        },
        rename: options.rename,
        config: read_config(options.config.as_deref())?,
        to_file: options.storage.is_some(),
        take_in_consumers: false,
    };
    let (backup, target) = (options.backup, options.target);
    let converted = carry_out("converting", options.output.no_progress, move |on_read| {
        convert(&Look::at(&backup)?, &target, &conversion, Some(&on_read))
    })
    .await?;
    let manifest = &converted.manifest;
    let text = if options.output.json {
        serde_json::to_string_pretty(&json!({
            "directory": converted.directory,
            "manifest": manifest,
            "lacks": converted.lacks,
        }))?
    } else {
        format!(
            "{}: {} up to sequence {} and {} converted and compared: {} ({})",
            manifest.stream,
            count(manifest.messages, "message"),
            manifest.last_sequence,
            count(manifest.consumers.len() as u64, "consumer"),
            converted.directory.display(),
            manifest.form
        )
    };
    ui::print(&text)?;
    Ok(tell_lacks(&converted.lacks))
}
