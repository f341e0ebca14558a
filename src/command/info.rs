//! `info`: what is in a backup.

use super::Outcome;
use super::offline::carry_out;
use crate::archive::Severity;
use crate::cli::Info;
use crate::exit::Exit;
use crate::offline::{Look, inspect};
use crate::{report, ui};

pub(super) async fn run(options: Info) -> Outcome {
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
