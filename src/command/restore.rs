//! `restore stream`: the stream of a backup back onto a server.

use serde_json::{Value, json};

use super::offline::{read_config, tell_lacks};
use super::{Failure, Outcome, connect, interruption};
use crate::backup::{
    Action, IfExists, Overrides, RestoreOptions, RestorePlan, RestoreSummary, StreamBackup,
    plan_restore, read_setting, restore_stream,
};
use crate::cli::{Changes, RestoreStream, Restoring};
use crate::exit::Exit;
use crate::jetstream::{Connection, RestoreTuning};
use crate::model::count;
use crate::ui::{self, TransferProgress};

pub(super) async fn run(options: RestoreStream) -> Outcome {
    let output = &options.output;
    if output.json {
        ui::speak_json();
    }
    let config = read_config(options.config.as_deref())?;
    // From here on, before anything is begun.
    let stop = interruption();
    let connection = connect::open(&options.connect).await?;
    let mut restoring = restoring(&connection, &options.restoring)?;
    restoring.overrides.config = config;
    restoring.overrides.rename = options.rename;
    let directory = &options.directory;
    if options.restoring.dry_run {
        let backup = StreamBackup::open(directory).await?;
        let plan = plan_restore(&connection, &backup, &restoring).await?;
        let text = if output.json {
            serde_json::to_string_pretty(&plan_json(&plan))?
        } else {
            plan_text(&plan)
        };
        ui::print(&text)?;
        return Ok(exit_of_plan(&plan));
    }
    let progress = TransferProgress::new(ui::can_draw(output.no_progress));
    let restored = restore_stream(&connection, directory, &restoring, &progress, stop).await;
    progress.clear();
    let restored = restored?;
    let text = if output.json {
        serde_json::to_string_pretty(&as_json(&restored))?
    } else {
        as_text(&restored)
    };
    ui::print(&text)?;
    tell_remarks(&restored);
    Ok(tell_lacks(&restored.lacks))
}

/// What was typed, as the engine takes it.
pub(super) fn restoring(
    connection: &Connection,
    typed: &Restoring,
) -> Result<RestoreOptions, Failure> {
    let changes = &typed.changes;
    Ok(RestoreOptions {
        overrides: Overrides {
            cluster: typed.cluster.clone(),
            tags: typed.tag.clone(),
            ..overrides(changes)?
        },
        if_exists: match &*typed.if_exists {
            "skip" => IfExists::Skip,
            "replace" => IfExists::Replace,
            _ => IfExists::Refuse,
        },
        reset_consumers: changes.reset_consumers,
        every_replica: !changes.compare_leader,
        keep_old: typed.keep_old.clone(),
        tuning: typed.chunk_size.map(|chunk_bytes| RestoreTuning {
            chunk_bytes,
            ..RestoreTuning::for_connection(connection)
        }),
    })
}

/// What is changed of a configuration.
pub(super) fn overrides(changes: &Changes) -> Result<Overrides, Failure> {
    let mut set = Vec::new();
    for text in &changes.set {
        let setting = read_setting(text)
            .map_err(|reason| Failure::new(Exit::Usage, format!("--set {text}: {reason}")))?;
        set.push(setting);
    }
    Ok(Overrides {
        replicas: changes.replicas.map(usize::from),
        set,
        ..Overrides::default()
    })
}

/// Tells what is worth knowing of a stream that was restored.
pub(super) fn tell_remarks(restored: &RestoreSummary) {
    if !restored.sealed {
        ui::say(
            "warning: this backup has no manifest of ours: that it holds all the stream had can't be proven",
        );
    }
    for remark in &restored.remarks {
        ui::say(&format!("note: {}: {remark}", restored.stream));
    }
}

pub(super) fn as_json(restored: &RestoreSummary) -> Value {
    json!({
        "stream": restored.stream,
        "skipped": restored.skipped,
        "messages": restored.messages,
        "last_sequence": restored.last_sequence,
        "consumers": restored.consumers,
        "replicas": restored.replicas,
        "sealed": restored.sealed,
        "lacks": restored.lacks,
        "remarks": restored.remarks,
        "old": restored.old,
        "elapsed_seconds": restored.elapsed.as_secs_f64(),
    })
}

fn as_text(restored: &RestoreSummary) -> String {
    if restored.skipped {
        return format!("{}: it exists, and stays as it is", restored.stream);
    }
    let replicas = match restored.replicas.len() {
        0 | 1 => String::new(),
        several => format!(" on {several} replicas"),
    };
    let old = restored.old.as_ref().map_or_else(String::new, |old| {
        format!("; the stream that was there is saved in {}", old.display())
    });
    format!(
        "{}: {} up to sequence {} and {} restored and compared{replicas} in {:.1?}{old}",
        restored.stream,
        count(restored.messages, "message"),
        restored.last_sequence,
        count(restored.consumers as u64, "consumer"),
        restored.elapsed
    )
}

/// What would be done.
pub(super) fn plan_text(plan: &RestorePlan) -> String {
    let action = match plan.action {
        Action::Create => "would be restored",
        Action::Taken => {
            "exists, and would not be touched (--if-exists skip leaves it as it is, --if-exists \
             replace puts the backup in its place)"
        }
        Action::Skip => "exists and would stay as it is",
        Action::Replace => "exists and would be saved, deleted and replaced",
        Action::Clear => "is left over, empty, and would be deleted and restored",
        Action::Finish => "was sent before and would be compared",
    };
    let mut lines = vec![format!(
        "{}: {action}: {}, {} bytes, {}, {}, as a {}",
        plan.stream,
        count(plan.messages, "message"),
        plan.bytes,
        count(plan.consumers.len() as u64, "consumer"),
        count(plan.replicas(), "replica"),
        plan.form
    )];
    if let (Some(why), false) = (plan.rewritten, plan.action == Action::Skip) {
        lines.push(format!("  the archive is written anew on the way: {why}"));
    }
    let parts = [
        ("against it", &plan.obstacles),
        ("incomplete", &plan.lacks),
        ("note", &plan.remarks),
    ];
    for (what, texts) in parts {
        lines.extend(texts.iter().map(|text| format!("  {what}: {text}")));
    }
    lines.join("\n")
}

pub(super) fn plan_json(plan: &RestorePlan) -> Value {
    json!({
        "stream": plan.stream,
        "action": match plan.action {
            Action::Create => "create",
            Action::Taken => "taken",
            Action::Skip => "skip",
            Action::Replace => "replace",
            Action::Clear => "clear",
            Action::Finish => "finish",
        },
        "config": plan.named_config(),
        "form": plan.form,
        "rewritten": plan.rewritten,
        "messages": plan.messages,
        "bytes": plan.bytes,
        "consumers": plan.consumers.iter().map(|one| &one.name).collect::<Vec<_>>(),
        "obstacles": plan.obstacles,
        "lacks": plan.lacks,
        "remarks": plan.remarks,
    })
}

/// How a dry run ends: as the restore would, before it begins.
pub(super) fn exit_of_plan(plan: &RestorePlan) -> Exit {
    if plan.check().is_err() {
        Exit::Refused
    } else if !plan.lacks.is_empty() {
        Exit::Incomplete
    } else {
        Exit::Done
    }
}
