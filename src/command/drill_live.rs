//! `drill live`: a live system's backup, taken and rehearsed.

use std::fs;
use std::path::{Path, PathBuf};

use super::rehearsing::{Wanted, settings, tell};
use super::reports::ReportFiles;
use super::{Failure, Outcome, connect};
use crate::backup::{AccountOptions, BackupOptions, back_up_account};
use crate::cli::DrillLive;
use crate::evidence::create_run_directory;
use crate::exit::Exit;
use crate::model::{NameFilter, Verdict};
use crate::rehearsal::{SavedBackup, recovery_points, rehearse};
use crate::ui::{self, AccountBars, RehearsalProgress};

/// The directory of the backup in that of the run.
const BACKUP: &str = "backup";

pub(super) async fn run(options: DrillLive) -> Outcome {
    if options.output.json {
        ui::speak_json();
    }
    let names = names(&options)?;
    let reports = ReportFiles::create(&options.rehearsing.reports)?;
    let connection = connect::open(&options.connect).await?;
    let draw = ui::can_draw(options.output.no_progress);
    let label = format!("live-{}", options.stream.as_deref().unwrap_or("account"));
    let run = create_run_directory(&options.rehearsing.evidence, &label)
        .map_err(|(path, error)| unwritable(&path, &error))?;
    let target = options.keep.clone().unwrap_or_else(|| run.join(BACKUP));
    let account = AccountOptions {
        names,
        jobs: usize::from(options.rehearsing.jobs),
        resume: false,
        stream: BackupOptions::default(),
    };
    let bars = AccountBars::new(draw);
    let taken = back_up_account(&connection, &target, &account, &bars).await;
    bars.clear();
    let taken = match taken {
        Ok(taken) => taken,
        Err(error) => {
            // Nothing was rehearsed, and there is nothing to see.
            let _removed = fs::remove_dir_all(&run);
            return Err(error.into());
        }
    };
    let backup = SavedBackup::at(&target, &NameFilter::default())?;
    let mut settings = settings(&options.rehearsing, &backup, wanted(&options)).await?;
    settings.run_directory = Some(run.clone());
    let progress = RehearsalProgress::new(draw);
    let rehearsed = rehearse(&backup, &settings, &progress).await;
    progress.clear();
    let mut rehearsal = rehearsed?;
    let seconds = taken.elapsed.as_secs_f64();
    let live = recovery_points(&connection, &backup, &rehearsal, seconds).await;
    rehearsal.live = Some(live);
    rehearsal.write()?;
    if rehearsal.verdict == Verdict::Held && options.keep.is_none() {
        fs::remove_dir_all(&target).map_err(|error| unwritable(&target, &error))?;
    }
    tell(&rehearsal, reports, &options.output)
}

/// The streams that were asked for; one that is named is named literally.
fn names(options: &DrillLive) -> Result<NameFilter, Failure> {
    let mut names = NameFilter::from(&options.names);
    let Some(stream) = &options.stream else {
        return Ok(names);
    };
    if names.is_choosy() {
        let text = "a stream is named, and --include or --exclude choose others";
        return Err(Failure::new(Exit::Usage, text));
    }
    let pattern = glob::Pattern::new(&glob::Pattern::escape(stream))
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    names.include.push(pattern);
    Ok(names)
}

/// A version, or the path of a binary.
fn wanted(options: &DrillLive) -> Wanted {
    match &options.rehearse_on {
        Some(text) if text.contains('/') => Wanted {
            path: Some(PathBuf::from(text)),
            version: None,
        },
        other => Wanted {
            path: None,
            version: other.clone(),
        },
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Unexpected,
        format!("can't write {}: {error}", path.display()),
    )
}
