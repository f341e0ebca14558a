//! `info`: what is in a backup.

use super::Outcome;
use super::offline::{carry_out, tell_lacks};
use crate::archive::Severity;
use crate::cli::Info;
use crate::exit::Exit;
use crate::offline::{AccountLook, Look, inspect, inspect_account};
use crate::{report, ui};

pub(super) async fn run(options: Info) -> Outcome {
    if options.output.json {
        ui::speak_json();
    }
    if AccountLook::is_account(&options.backup) {
        return account(&options);
    }
    let backup = options.backup.clone();
    let mut info = carry_out("reading", options.output.no_progress, move |on_read| {
        inspect(&Look::at(&backup)?, Some(&on_read))
    })
    .await?;
    let shown = match options.subjects {
        0 => usize::MAX,
        some => some,
    };
    let text = if options.output.json {
        report::info_json(&mut info, shown)?
    } else {
        report::info_text(&info, shown)
    };
    ui::print(&text)?;
    if info.defects > 0 {
        let backup = options.backup.display();
        ui::say(&format!(
            "warning: {} defects were found: `lifeboat verify {backup}` tells them",
            info.defects
        ));
    }
    Ok(match info.worst {
        Some(Severity::Damage) => Exit::Damaged,
        Some(Severity::Lack) => Exit::Incomplete,
        Some(Severity::Remark) | None => Exit::Done,
    })
}

/// What an account's backup says of itself: its archives are not read.
fn account(options: &Info) -> Outcome {
    let info = inspect_account(&AccountLook::at(&options.backup)?)?;
    let text = if options.output.json {
        serde_json::to_string_pretty(&info)?
    } else {
        report::account_text(&info)
    };
    ui::print(&text)?;
    if info.is_unfinished {
        ui::say("warning: this backup was interrupted; continue it with --resume");
        return Ok(Exit::Damaged);
    }
    if info.record.is_none() {
        ui::say("warning: nothing proves that these are all streams that the account had");
    }
    Ok(tell_lacks(&info.lacks))
}
