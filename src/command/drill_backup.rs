//! `drill backup`: a backup of the user's, rehearsed.

use std::path::{Path, PathBuf};

use super::rehearsing::{MadeBy, Wanted, settings, tell};
use super::reports::ReportFiles;
use super::{Failure, Outcome};
use crate::audit::find_backups;
use crate::cli::DrillBackup;
use crate::model::NameFilter;
use crate::offline::AccountLook;
use crate::rehearsal::{RehearsalError, SavedBackup, rehearse};
use crate::ui::{self, RehearsalProgress};

pub(super) async fn run(options: DrillBackup) -> Outcome {
    if options.output.json {
        ui::speak_json();
    }
    let backup = SavedBackup::at(&options.directory, &NameFilter::from(&options.names))
        .map_err(|error| not_one(&options.directory, error))?;
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

/// Why there is nothing to rehearse; of a directory of backups the newest is named.
fn not_one(directory: &Path, error: RehearsalError) -> Failure {
    let failure = Failure::from(error);
    match newest_below(directory) {
        Some(newest) => {
            let newest = newest.display();
            let text = format!("{failure}; the newest backup below it is {newest}");
            Failure::new(failure.exit, text)
        }
        None => failure,
    }
}

/// The newest sealed backup below a directory: of an account, where it is part of one.
fn newest_below(directory: &Path) -> Option<PathBuf> {
    let found = find_backups(&[directory.to_owned()]).ok()?;
    let newest = found.newest.into_values().max_by_key(|one| one.taken_at)?;
    let is_account = |path: &&Path| AccountLook::at(path).is_ok_and(|look| look.record.is_some());
    let account = newest.path.parent().filter(is_account);
    let path = account.unwrap_or(&newest.path);
    (path != directory).then(|| path.to_owned())
}
