//! One stream of a backup: opened, restored, compared, each failure put under the check that it belongs to.

use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use super::check::{Check, CheckName};
use super::cluster::{Site, replicas_of};
use super::record::{StreamRehearsal, Timing};
use super::run::RehearsalSettings;
use super::saved::SavedStream;
use super::timing::Timed;
use super::whole::told;
use crate::archive::{ArchiveError, Level};
use crate::backup::{
    BackupError, IfExists, Overrides, Progress, RestoreOptions, RestoreSummary, StreamBackup,
    plan_restore, restore_as_planned,
};
use crate::jetstream::RequestError;
use crate::model::Verdict;
use crate::offline::{Look, verify};

/// Restores a stream and compares it. Its use is checked later, when all are there.
pub(super) async fn restore(
    site: &Site,
    saved: &SavedStream,
    settings: &RehearsalSettings,
    watched: Arc<dyn Progress>,
) -> StreamRehearsal {
    let began = Instant::now();
    let timed = Timed::new(watched);
    let mut rehearsal = StreamRehearsal {
        stream: saved.name.clone(),
        verdict: Verdict::Inconclusive,
        checks: Vec::new(),
        replicas: replicas_of(saved, settings),
        messages: 0,
        last_sequence: 0,
        bytes: saved.bytes,
        consumers: 0,
        recovery_seconds: 0.0,
        timing: Timing::default(),
        remarks: Vec::new(),
    };
    timed.phase("reading", None);
    match StreamBackup::open(&saved.path).await {
        Ok(backup) => restore_opened(site, saved, &backup, settings, &timed, &mut rehearsal).await,
        Err(error) => rehearsal.checks.push(unsound(saved, &error).await),
    }
    rehearsal.timing = timed.timing();
    rehearsal.recovery_seconds = began.elapsed().as_secs_f64();
    rehearsal
}

async fn restore_opened(
    site: &Site,
    saved: &SavedStream,
    backup: &StreamBackup,
    settings: &RehearsalSettings,
    timed: &Timed,
    rehearsal: &mut StreamRehearsal,
) {
    rehearsal.messages = backup.survey.live.len();
    rehearsal.last_sequence = backup.survey.last_sequence;
    rehearsal.checks.push(sound(backup));
    let options = RestoreOptions {
        overrides: overrides(site, saved, settings, &mut rehearsal.remarks),
        if_exists: IfExists::Refuse,
        reset_consumers: settings.reset_consumers,
        every_replica: settings.every_replica,
        keep_old: None,
        tuning: None,
    };
    let plan = match plan_restore(&site.connection, backup, &options).await {
        Ok(plan) => plan,
        Err(error) => {
            rehearsal.checks.push(complete(&backup.lacks, backup));
            rehearsal.checks.extend(failed(&error));
            return;
        }
    };
    rehearsal.checks.push(complete(&plan.lacks, backup));
    rehearsal.replicas = plan.replicas();
    rehearsal.consumers = plan.consumers.len();
    if let Err(error) = plan.check() {
        rehearsal.checks.extend(failed(&error));
        return;
    }
    let restored =
        restore_as_planned(&site.connection, backup, plan, &options, timed, pending()).await;
    match restored {
        Ok(summary) => {
            rehearsal.checks.extend(succeeded(&summary));
            rehearsal.remarks.extend(summary.remarks);
        }
        Err(error) => rehearsal.checks.extend(failed(&error)),
    }
}

/// What is changed of a stream's configuration: what was asked for, and a cluster that is not there.
fn overrides(
    site: &Site,
    saved: &SavedStream,
    settings: &RehearsalSettings,
    remarks: &mut Vec<String>,
) -> Overrides {
    let mut overrides = settings.overrides.clone();
    let own = site.cluster.name();
    if let Some(elsewhere) = saved.placed_in().filter(|cluster| *cluster != own) {
        remarks.push(format!(
            "its configuration places it in cluster {elsewhere}, this one is called {own}"
        ));
        overrides.cluster = Some(own.to_owned());
        if overrides.tags.is_empty() {
            overrides.tags = saved.tags();
        }
    }
    overrides
}

fn sound(backup: &StreamBackup) -> Check {
    let seal = if backup.sealed {
        "sealed"
    } else {
        "not sealed"
    };
    let detail = format!(
        "{} messages up to sequence {}, every checksum is right; {seal}",
        backup.survey.live.len(),
        backup.survey.last_sequence
    );
    Check::held(CheckName::Sound, detail)
}

fn complete(lacks: &[String], backup: &StreamBackup) -> Check {
    if !lacks.is_empty() {
        return Check::broken(CheckName::Complete, lacks.join("; "));
    }
    let detail = if backup.sealed {
        "its manifest has all that the stream had"
    } else {
        "all that its own description has; no manifest proves that this is all that the stream had"
    };
    Check::held(CheckName::Complete, detail)
}

/// Why a backup can't be used, with everything that a verification finds.
async fn unsound(saved: &SavedStream, error: &BackupError) -> Check {
    let name = CheckName::Sound;
    let is_unreadable = matches!(
        error,
        BackupError::Archive(ArchiveError::Unsupported { .. }) | BackupError::Io { .. }
    );
    if is_unreadable {
        return Check::inconclusive(name, error.to_string());
    }
    let path = saved.path.clone();
    let verifying = tokio::task::spawn_blocking(move || {
        let report = verify(&Look::at(&path)?, Level::Content, None)?;
        let damage = report.defects.kept().iter();
        Ok::<_, crate::offline::OfflineError>(told(damage.filter(|defect| defect.is_damage())))
    });
    let damage = match verifying.await {
        Ok(Ok(damage)) => damage,
        Ok(Err(_)) | Err(_) => None,
    };
    Check::broken(name, damage.unwrap_or_else(|| error.to_string()))
}

fn succeeded(summary: &RestoreSummary) -> [Check; 3] {
    let replicas: Vec<&str> = summary
        .replicas
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    let compared = match replicas[..] {
        [] => String::from("on the only replica"),
        _ => format!("on {}", replicas.join(", ")),
    };
    let mut equal = format!("{} messages compared {compared}", summary.messages);
    for gone in summary.gone.remarks() {
        equal.push_str("; ");
        equal.push_str(&gone);
    }
    let consumers = if !summary.misplaced.is_empty() {
        Check::broken(CheckName::Consumers, summary.misplaced.join("; "))
    } else if summary.consumers == 0 {
        Check::not_applicable(CheckName::Consumers, "the backup has none")
    } else {
        let detail = format!("{} of them, where they stood", summary.consumers);
        Check::held(CheckName::Consumers, detail)
    };
    [
        Check::held(CheckName::Restored, "the server took it"),
        Check::held(CheckName::Equal, equal),
        consumers,
    ]
}

/// What a restore that failed says of each check.
fn failed(error: &BackupError) -> Vec<Check> {
    use CheckName::{Consumers, Equal, Restored};
    let taken = Check::held(Restored, "the server took it");
    let text = error.to_string();
    if matches!(error, BackupError::Differs { .. }) {
        return vec![taken, Check::broken(Equal, text)];
    }
    if matches!(error, BackupError::ConsumerMissing { .. }) {
        let equal = Check::held(Equal, "every message was compared");
        return vec![taken, equal, Check::broken(Consumers, text)];
    }
    if matches!(
        error,
        BackupError::NotCompared { .. } | BackupError::StillMarked { .. }
    ) {
        return vec![taken, Check::inconclusive(Equal, text)];
    }
    let is_refused = matches!(
        error,
        BackupError::Refused { .. }
            | BackupError::StreamExists { .. }
            | BackupError::NotABackup { .. }
            | BackupError::NothingToDo { .. }
            | BackupError::Archive(_)
            | BackupError::Request {
                source: RequestError::Refused { .. },
                ..
            }
    );
    if is_refused {
        return vec![Check::broken(Restored, text)];
    }
    // Of a server that did not answer nobody knows what it would have said.
    vec![Check::inconclusive(Restored, text)]
}
