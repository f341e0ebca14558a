//! What the commands that rehearse have in common: what was typed, on which server, and how it ends.

use std::path::PathBuf;

use lifeboat_harness::{DEFAULT_VERSION, KNOWN_VERSIONS, Runtime, ServerBinary, ServerSource};
use semver::Version;

use super::drilling::find_server;
use super::reports::{ReportFiles, Texts};
use super::restore::overrides;
use super::{Failure, Outcome};
use crate::backup::MESSAGE_ARCHIVES_SINCE;
use crate::cli::{Output, Rehearsing, ServerChoice};
use crate::exit::Exit;
use crate::model::Verdict;
use crate::rehearsal::{Policy, Rehearsal, RehearsalSettings, Sample, SavedBackup};
use crate::report::{rehearsal_as_junit, rehearsal_as_metrics, rehearsal_markdown, rehearsal_text};
use crate::ui;

/// A server that was asked for.
pub(super) struct Wanted {
    pub(super) path: Option<PathBuf>,
    pub(super) version: Option<String>,
    /// What asks for another.
    pub(super) option: &'static str,
}

/// What is known of the server that made the backup.
pub(super) enum MadeBy {
    Version(Version),
    /// The form of its archives alone; whether it is that of servers to 2.14.
    Form {
        is_older: bool,
    },
}

impl MadeBy {
    /// What a backup tells.
    pub(super) fn of(backup: &SavedBackup) -> Self {
        match backup.server() {
            Some(version) => Self::Version(version.clone()),
            None => Self::Form {
                is_older: backup.is_of_older_servers(),
            },
        }
    }
}

/// What was typed, and the server that is to run.
pub(super) async fn settings(
    options: &Rehearsing,
    made_by: &MadeBy,
    wanted: Wanted,
) -> Result<RehearsalSettings, Failure> {
    let changes = &options.changes;
    let overrides = overrides(changes)?;
    let sample = options
        .sample
        .as_deref()
        .map_or(Ok(Sample::default()), str::parse);
    let sample = sample
        .map_err(|reason: String| Failure::new(Exit::Usage, format!("--sample: {reason}")))?;
    let (server, runtime) = choose_server(options, made_by, wanted).await?;
    Ok(RehearsalSettings {
        server,
        runtime,
        jobs: usize::from(options.jobs),
        sample,
        seed: options.seed.unwrap_or_else(|| fastrand::u64(..)),
        overrides,
        reset_consumers: changes.reset_consumers,
        every_replica: !changes.compare_leader,
        policy: Policy {
            max_age: options.max_age,
            max_recovery_time: options.max_recovery_time,
        },
        evidence_root: options.evidence.clone(),
        run_directory: None,
    })
}

/// The server that was asked for, or else the version that made the backup.
async fn choose_server(
    options: &Rehearsing,
    made_by: &MadeBy,
    wanted: Wanted,
) -> Result<(ServerBinary, Runtime), Failure> {
    let is_asked_for =
        wanted.path.is_some() || wanted.version.is_some() || options.place.image.is_some();
    let (version, is_told) = match made_by {
        _ if is_asked_for => (wanted.version, false),
        MadeBy::Version(version) => (Some(version.to_string()), true),
        MadeBy::Form { is_older } => {
            let likely = likely_version(*is_older);
            ui::say(&format!(
                "nothing in the backup tells which server made it: {likely} is taken ({} takes another)",
                wanted.option
            ));
            (Some(likely.to_string()), false)
        }
    };
    let choice = ServerChoice {
        server: wanted.path,
        server_version: version,
        offline: options.offline,
    };
    let found = find_server(&choice, &options.place).await;
    let (server, runtime) = match found {
        Err(failure) if is_told => {
            let text = format!(
                "it was made by another server than there is: {failure}; {} rehearses it on another",
                wanted.option
            );
            return Err(Failure::new(failure.exit, text));
        }
        found => found?,
    };
    if server.source == ServerSource::Image {
        ui::say(&format!("{server}: image {}", server.path.display()));
    }
    Ok((server, runtime))
}

/// The version that is taken for a backup which does not tell: the newest that writes its form.
fn likely_version(is_older: bool) -> Version {
    let known = KNOWN_VERSIONS.iter();
    let older =
        known.filter(|version| **version < MESSAGE_ARCHIVES_SINCE && version.pre.is_empty());
    let newest = older.max().filter(|_| is_older);
    newest.cloned().unwrap_or(DEFAULT_VERSION)
}

/// Prints what came of it, and says how to exit.
pub(super) fn tell(rehearsal: &Rehearsal, reports: ReportFiles, output: &Output) -> Outcome {
    let text = if output.json {
        serde_json::to_string_pretty(rehearsal)?
    } else {
        rehearsal_text(rehearsal)
    };
    ui::print(&text)?;
    reports.write(|| Texts {
        junit: rehearsal_as_junit(rehearsal),
        markdown: rehearsal_markdown(rehearsal),
        metrics: rehearsal_as_metrics(rehearsal),
    })?;
    Ok(match rehearsal.verdict {
        Verdict::Held => Exit::Done,
        Verdict::Broken => Exit::Broken,
        Verdict::Inconclusive => Exit::Inconclusive,
    })
}
