//! `backup account`: every stream of an account into a directory of its own.

use serde_json::{Map, json};

use super::offline::tell_lacks;
use super::{Outcome, backup, connect, interruption};
use crate::backup::{AccountOptions, AccountSummary, BackupError, back_up_account};
use crate::cli::BackupAccount;
use crate::model::count;
use crate::offline::{StreamRecord, unfinished};
use crate::ui::{self, AccountBars};

pub(super) async fn run(options: BackupAccount) -> Outcome {
    let output = &options.output;
    if output.json {
        ui::speak_json();
    }
    let connection = connect::open(&options.connect).await?;
    let account = AccountOptions {
        names: (&options.names).into(),
        jobs: usize::from(options.jobs),
        resume: options.resume,
        stream: backup::taking(&options.taking),
    };
    let bars = AccountBars::new(ui::can_draw(output.no_progress));
    let directory = &options.directory;
    let done = tokio::select! {
        done = back_up_account(&connection, directory, &account, &bars) => done,
        () = interruption() => {
            bars.clear();
            let waiting = unfinished(directory);
            if waiting.exists() {
                ui::say(&format!(
                    "streams that are saved wait in {}: continue with --resume",
                    waiting.display()
                ));
            }
            Err(BackupError::Interrupted)
        }
    };
    bars.clear();
    let done = done?;
    let text = if output.json {
        serde_json::to_string_pretty(&as_json(&done))?
    } else {
        as_text(&done)
    };
    ui::print(&text)?;
    for (name, taken) in &done.taken {
        for remark in taken.remarks() {
            ui::say(&format!("note: {name}: {remark}"));
        }
    }
    if done.record.streams.is_empty() {
        ui::say("note: the account has no streams");
    }
    Ok(tell_lacks(&done.record.lacks()))
}

fn as_json(done: &AccountSummary) -> serde_json::Value {
    let taken = done.taken.iter();
    let taken: Map<_, _> = taken
        .map(|(name, taken)| (name.clone(), backup::as_json(taken)))
        .collect();
    json!({
        "directory": done.directory,
        "elapsed_seconds": done.elapsed.as_secs_f64(),
        "lacks": done.record.lacks(),
        "kept": done.kept,
        "taken": taken,
        "record": done.record,
    })
}

fn as_text(done: &AccountSummary) -> String {
    let (mut messages, mut bytes) = (0, 0);
    for taken in done.taken.values() {
        messages += taken.manifest.messages;
        bytes += taken.manifest.archive_bytes;
    }
    let mut text = format!(
        "{} saved, {}, {bytes} bytes in {:.1?}: {}",
        count(done.taken.len() as u64, "stream"),
        count(messages, "message"),
        done.elapsed,
        done.directory.display()
    );
    let number = |is_so: fn(&StreamRecord) -> bool| {
        let records = done.record.streams.values();
        records.filter(|record| is_so(record)).count()
    };
    let others = [
        (done.kept.len(), "saved before"),
        (
            number(|one| *one == StreamRecord::Excluded),
            "not asked for",
        ),
        (
            number(|one| matches!(one, StreamRecord::Failed { .. })),
            "not saved",
        ),
        (
            number(|one| *one == StreamRecord::Deleted),
            "deleted meanwhile",
        ),
        (number(|one| *one == StreamRecord::Made), "made meanwhile"),
    ];
    for (count, what) in others {
        if count > 0 {
            text.extend([", ", &count.to_string(), " ", what]);
        }
    }
    text
}
