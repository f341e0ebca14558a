//! `verify`: everything that is wrong with a backup.

use super::Outcome;
use super::offline::carry_out;
use crate::archive::Level;
use crate::cli::Verify;
use crate::exit::Exit;
use crate::offline::{Look, Verdict, verify};
use crate::{report, ui};

pub(super) async fn run(options: Verify) -> Outcome {
    let level = match &*options.level {
        "structure" => Level::Structure,
        "checksums" => Level::Checksums,
        _ => Level::Content,
    };
    let backup = options.backup;
    let report = carry_out("verifying", options.output.no_progress, move |on_read| {
        verify(&Look::at(&backup)?, level, Some(&on_read))
    })
    .await?;
    let text = if options.output.json {
        serde_json::to_string_pretty(&report::verification_json(&report))?
    } else {
        report::verification_text(&report)
    };
    ui::print(&text)?;
    Ok(match report.verdict {
        Verdict::Sound => Exit::Done,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Damaged => Exit::Damaged,
    })
}
