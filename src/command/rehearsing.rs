//! What the commands that rehearse have in common: what was typed, on which server, and how it ends.

use std::path::PathBuf;

use lifeboat_harness::{DEFAULT_VERSION, KNOWN_VERSIONS, Runtime, ServerBinary, ServerSource};
use semver::Version;

use super::drilling::find_server;
use super::reports::{ReportFiles, Texts};
use super::{Failure, Outcome};
use crate::backup::{Overrides, read_setting};
use crate::cli::{Output, Rehearsing, ServerChoice};
use crate::exit::Exit;
use crate::model::Verdict;
use crate::rehearsal::{Policy, Rehearsal, RehearsalSettings, Sample, SavedBackup};
use crate::report::{rehearsal_as_junit, rehearsal_as_metrics, rehearsal_markdown, rehearsal_text};
use crate::ui;

/// The first version that does not write tars.
const MESSAGE_ARCHIVES_SINCE: Version = Version::new(2, 15, 0);

/// A server that was asked for.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) path: Option<PathBuf>,
    pub(super) version: Option<String>,
}

/// What was typed, and the server that is to run.
pub(super) async fn settings(
    options: &Rehearsing,
    backup: &SavedBackup,
    wanted: Wanted,
) -> Result<RehearsalSettings, Failure> {
    let setting = |text: &String| {
        read_setting(text).map_err(|reason| Failure::new(Exit::Usage, format!("--set: {reason}")))
    };
    let overrides = Overrides {
        replicas: options.replicas.map(usize::from),
        set: options.set.iter().map(setting).collect::<Result<_, _>>()?,
        ..Overrides::default()
    };
    let sample = options
        .sample
        .as_deref()
        .map_or(Ok(Sample::default()), str::parse);
    let sample = sample
        .map_err(|reason: String| Failure::new(Exit::Usage, format!("--sample: {reason}")))?;
    let (server, runtime) = choose_server(options, backup, wanted).await?;
    Ok(RehearsalSettings {
        server,
        runtime,
        jobs: usize::from(options.jobs),
        sample,
        seed: options.seed.unwrap_or_else(|| fastrand::u64(..)),
        overrides,
        reset_consumers: options.reset_consumers,
        every_replica: !options.compare_leader,
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
    backup: &SavedBackup,
    wanted: Wanted,
) -> Result<(ServerBinary, Runtime), Failure> {
    let is_asked_for =
        wanted.path.is_some() || wanted.version.is_some() || options.place.image.is_some();
    let made_by = backup.server().filter(|_| !is_asked_for);
    let version = match made_by {
        Some(version) => Some(version.to_string()),
        None if is_asked_for => wanted.version,
        None => Some(likely_version(backup).to_string()),
    };
    let choice = ServerChoice {
        server: wanted.path,
        server_version: version,
        offline: options.offline,
    };
    let found = find_server(&choice, &options.place).await;
    let (server, runtime) = match (found, made_by) {
        (Err(failure), Some(version)) => {
            let text = format!(
                "the backup was made by nats-server {version}: {failure}; rehearse it on another with \
                 --server-version or --server"
            );
            return Err(Failure::new(failure.exit, text));
        }
        (found, _) => found?,
    };
    if server.source == ServerSource::Image {
        ui::say(&format!("{server}: image {}", server.path.display()));
    }
    Ok((server, runtime))
}

/// The version that is taken for a backup which does not tell: the newest that writes its form.
fn likely_version(backup: &SavedBackup) -> Version {
    let older = KNOWN_VERSIONS
        .iter()
        .filter(|version| **version < MESSAGE_ARCHIVES_SINCE && version.pre.is_empty());
    let likely = if backup.is_of_older_servers() {
        older.max().cloned()
    } else {
        None
    };
    let likely = likely.unwrap_or(DEFAULT_VERSION);
    ui::say(&format!(
        "nothing in the backup tells which server made it: {likely} is taken, another with --server-version"
    ));
    likely
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
