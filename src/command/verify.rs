//! `verify`: everything that is wrong with a backup.

use super::Outcome;
use super::offline::carry_out;
use crate::archive::Level;
use crate::cli::Verify;
use crate::exit::Exit;
use crate::offline::{AccountLook, Look, Verdict, verify, verify_account};
use crate::{report, ui};

pub(super) async fn run(options: Verify) -> Outcome {
    let level = match &*options.level {
        "structure" => Level::Structure,
        "checksums" => Level::Checksums,
        _ => Level::Content,
    };
    if options.output.json {
        ui::speak_json();
    }
    let (backup, quiet) = (options.backup, options.output.no_progress);
    let (text, verdict) = if AccountLook::is_account(&backup) {
        let report = carry_out("verifying", quiet, move |on_read| {
            verify_account(&AccountLook::at(&backup)?, level, Some(&on_read))
        })
        .await?;
        let text = if options.output.json {
            serde_json::to_string_pretty(&report::account_verification_json(&report))?
        } else {
            report::account_verification_text(&report)
        };
        (text, report.verdict)
    } else {
        let report = carry_out("verifying", quiet, move |on_read| {
            verify(&Look::at(&backup)?, level, Some(&on_read))
        })
        .await?;
        let text = if options.output.json {
            serde_json::to_string_pretty(&report::verification_json(&report))?
        } else {
            report::verification_text(&report)
        };
        (text, report.verdict)
    };
    ui::print(&text)?;
    Ok(match verdict {
        Verdict::Sound => Exit::Done,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Damaged => Exit::Damaged,
    })
}
