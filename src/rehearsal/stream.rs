//! One stream of a backup: opened, restored, compared, each failure put under the check that it belongs to.

use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

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
use crate::model::Verdict;
use crate::offline::{Look, verify};

/// A stream's rehearsal, and the configuration that it came back with.
pub(super) struct Attempt {
    pub(super) rehearsal: StreamRehearsal,
    /// What the plan said; none where it did not come to one.
    pub(super) config: Option<Map<String, Value>>,
}

/// Restores a stream and compares it. Its use is checked later, when all are there.
pub(super) async fn restore(
    site: &Site,
    saved: &SavedStream,
    settings: &RehearsalSettings,
    watched: Arc<dyn Progress>,
) -> Attempt {
    let began = Instant::now();
    let timed = Timed::new(watched);
    let mut attempt = Attempt {
        rehearsal: StreamRehearsal {
            stream: saved.name.clone(),
            verdict: Verdict::Inconclusive,
            came_back: false,
            checks: Vec::new(),
            replicas: replicas_of(saved, settings),
            messages: 0,
            last_sequence: 0,
            bytes: saved.bytes,
            consumers: 0,
            recovery_seconds: 0.0,
            timing: Timing::default(),
            remarks: Vec::new(),
        },
        config: None,
    };
    timed.phase("reading", None);
    match StreamBackup::open(&saved.path).await {
        Ok(backup) => restore_opened(site, saved, &backup, settings, &timed, &mut attempt).await,
        Err(error) => attempt.rehearsal.checks.push(unsound(saved, &error).await),
    }
    attempt.rehearsal.timing = timed.timing();
    attempt.rehearsal.recovery_seconds = began.elapsed().as_secs_f64();
    attempt
}

async fn restore_opened(
    site: &Site,
    saved: &SavedStream,
    backup: &StreamBackup,
    settings: &RehearsalSettings,
    timed: &Timed,
    attempt: &mut Attempt,
) {
    let rehearsal = &mut attempt.rehearsal;
    rehearsal.messages = backup.survey.live.len();
    rehearsal.last_sequence = backup.survey.last_sequence;
    rehearsal.checks.push(sound(backup));
    if !backup.sealed {
        let remark = "no manifest proves that the backup is all that the stream had";
        rehearsal.remarks.push(String::from(remark));
    }
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
    attempt.config = Some(plan.config.clone());
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
            rehearsal.came_back = true;
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
    let is_unreadable = matches!(error, BackupError::Io { .. })
        || matches!(error, BackupError::Archive(error) if is_unreadable(error));
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
    let gone = summary.gone;
    let lacking = gone.expired + gone.consumed + gone.evicted;
    let held = summary.messages.saturating_sub(lacking);
    let mut equal = format!("{held} messages compared {compared}");
    for remark in gone.remarks() {
        equal.push_str("; ");
        equal.push_str(&remark);
    }
    let equal = if gone.consumed > 0 {
        // Of a live stream that is an explanation. Here nobody consumes.
        equal.push_str(", and nobody consumes here");
        Check::broken(CheckName::Equal, equal)
    } else if held == 0 && lacking > 0 {
        Check::inconclusive(CheckName::Equal, equal)
    } else {
        Check::held(CheckName::Equal, equal)
    };
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
        equal,
        consumers,
    ]
}

/// What a restore that failed says of each check.
fn failed(error: &BackupError) -> Vec<Check> {
    use CheckName::{Consumers, Equal, Restored};
    if let BackupError::LeftBehind { failure, .. } = error {
        return failed(failure);
    }
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
    // A server that is not available would take it another time.
    let is_refused_by_server =
        matches!(error, BackupError::Request { source, .. } if source.is_refusal());
    let is_damaged = matches!(error, BackupError::Archive(error) if !is_unreadable(error));
    let is_refused = is_refused_by_server
        || is_damaged
        || matches!(
            error,
            BackupError::Refused { .. }
                | BackupError::StreamExists { .. }
                | BackupError::NotABackup { .. }
        );
    if is_refused {
        return vec![Check::broken(Restored, text)];
    }
    // Of a server that did not answer nobody knows what it would have said.
    vec![Check::inconclusive(Restored, text)]
}

/// Whether an archive could not be read for a reason of ours, which says nothing of it.
fn is_unreadable(error: &ArchiveError) -> bool {
    error.is_ours() || matches!(error, ArchiveError::Unsupported { .. })
}
