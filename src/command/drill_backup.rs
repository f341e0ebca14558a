//! `drill backup`: a backup of the user's, rehearsed.

use super::Outcome;
use super::rehearsing::{MadeBy, Wanted, settings, tell};
use super::reports::ReportFiles;
use crate::cli::DrillBackup;
use crate::model::NameFilter;
use crate::rehearsal::{SavedBackup, rehearse};
use crate::ui::{self, RehearsalProgress};

pub(super) async fn run(options: DrillBackup) -> Outcome {
    if options.output.json {
        ui::speak_json();
    }
    let backup = SavedBackup::at(&options.directory, &NameFilter::from(&options.names))?;
    let wanted = Wanted {
        path: options.server.clone(),
        version: options.server_version.clone(),
        option: "--server-version or --server",
    };
    let settings = settings(&options.rehearsing, &MadeBy::of(&backup), wanted).await?;
    // A report that can't be written is told of before the work, not after.
    let reports = ReportFiles::create(&options.rehearsing.reports)?;
    let progress = RehearsalProgress::new(ui::can_draw(options.output.no_progress));
    let rehearsed = rehearse(&backup, &settings, &progress).await;
    progress.clear();
    tell(&rehearsed?, reports, &options.output)
}
