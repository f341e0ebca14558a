//! `drill live`: a live system's backup, taken and rehearsed.

use std::fs;
use std::path::{Path, PathBuf};

use super::rehearsing::{MadeBy, Wanted, settings, tell};
use super::reports::ReportFiles;
use super::{Failure, Outcome, connect};
use crate::backup::{AccountOptions, BackupError, BackupOptions, back_up_account};
use crate::cli::DrillLive;
use crate::evidence::RunDirectory;
use crate::exit::Exit;
use crate::model::{NameFilter, Verdict};
use crate::offline::unfinished;
use crate::rehearsal::{RehearsalError, SavedBackup, recovery_points, rehearse};
use crate::ui::{self, AccountBars, RehearsalProgress};

/// The directory of the backup in that of the run.
const BACKUP: &str = "backup";

pub(super) async fn run(options: DrillLive) -> Outcome {
    if options.output.json {
        ui::speak_json();
    }
    // Everything that can be wrong with what was typed is found before anything is read.
    let names = names(&options)?;
    let reports = ReportFiles::create(&options.rehearsing.reports)?;
    let connection = connect::open(&options.connect).await?;
    let made_by = match connection.server_version() {
        Some(version) => MadeBy::Version(version),
        None => MadeBy::Form { is_older: false },
    };
    let mut settings = settings(&options.rehearsing, &made_by, wanted(&options)).await?;
    let label = format!("live-{}", options.stream.as_deref().unwrap_or("account"));
    let run =
        RunDirectory::create(&options.rehearsing.evidence, &label).map_err(RehearsalError::from)?;
    let target = options
        .keep
        .clone()
        .unwrap_or_else(|| run.path().join(BACKUP));
    let partial = Partial::of(&target)?;

    let account = AccountOptions {
        names,
        jobs: usize::from(options.rehearsing.jobs),
        resume: false,
        stream: BackupOptions::default(),
    };
    let draw = ui::can_draw(options.output.no_progress);
    let bars = AccountBars::new(draw);
    let taken = back_up_account(&connection, &target, &account, &bars).await;
    bars.clear();
    let taken = taken?;
    drop(partial);

    let backup = SavedBackup::at(&target, &NameFilter::default())?;
    // Now, and not when it was rehearsed: that is not part of the procedure.
    let seconds = taken.elapsed.as_secs_f64();
    let live = recovery_points(&connection, &backup, seconds).await;
    settings.run_directory = Some(run.path().to_owned());
    let progress = RehearsalProgress::new(draw);
    let rehearsed = rehearse(&backup, &settings, &progress).await;
    progress.clear();
    let mut rehearsal = rehearsed?;
    rehearsal.live = Some(live);
    rehearsal.write()?;
    if rehearsal.verdict == Verdict::Held && options.keep.is_none() {
        fs::remove_dir_all(&target).map_err(|error| RehearsalError::from((target, error)))?;
    }
    run.keep();
    tell(&rehearsal, reports, &options.output)
}

/// What a backup leaves when it does not come to its end. Nobody continues one that is rehearsed.
struct Partial(PathBuf);

impl Partial {
    /// That of a backup which is about to begin.
    fn of(target: &Path) -> Result<Self, BackupError> {
        let path = unfinished(target);
        if path.exists() {
            // It is of somebody else, who may want to continue it.
            return Err(BackupError::Unfinished { path });
        }
        Ok(Self(path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.0.exists() {
            // Nobody is left who could be told.
            let _removed = fs::remove_dir_all(&self.0);
        }
    }
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
    let path = options.rehearse_on.as_ref();
    let path = path.filter(|text| text.contains('/')).map(PathBuf::from);
    Wanted {
        version: options.rehearse_on.clone().filter(|_| path.is_none()),
        path,
        option: "--rehearse-on",
    }
}
