//! `restore account`: the streams of an account's backup back onto a server.

use serde_json::{Map, Value, json};

use super::offline::tell_lacks;
use super::restore::{self, exit_of_plan, plan_json, plan_text};
use super::{Outcome, connect, exit_of_backup, interruption};
use crate::backup::{
    AccountPlan, AccountRestoreOptions, AccountRestoreSummary, plan_account, restore_account,
};
use crate::cli::RestoreAccount;
use crate::exit::Exit;
use crate::model::count;
use crate::ui::{self, AccountBars};

pub(super) async fn run(options: RestoreAccount) -> Outcome {
    let output = &options.output;
    if output.json {
        ui::speak_json();
    }
    let connection = connect::open(&options.connect).await?;
    let account = AccountRestoreOptions {
        stream: restore::restoring(&connection, &options.restoring)?,
        names: (&options.names).into(),
        jobs: usize::from(options.jobs),
    };
    let plan = plan_account(&connection, &options.directory, &account).await?;
    if options.restoring.dry_run {
        return dry_run(&plan, output.json);
    }
    plan.check()?;
    for remark in &plan.remarks {
        ui::say(&format!("warning: {remark}"));
    }
    let bars = AccountBars::new(ui::can_draw(output.no_progress));
    let done = restore_account(&connection, plan, &account, &bars, interruption()).await;
    bars.clear();
    let done = done?;
    let text = if output.json {
        serde_json::to_string_pretty(&as_json(&done))?
    } else {
        as_text(&done)
    };
    ui::print(&text)?;
    let mut lacks = done.lacks.clone();
    for (name, restored) in &done.restored {
        restore::tell_remarks(restored);
        let own = restored.lacks.iter();
        lacks.extend(own.map(|lack| format!("stream {name}: {lack}")));
    }
    let incomplete = tell_lacks(&lacks);
    for (name, error) in &done.failed {
        ui::say(&format!("error: {name}: {error}"));
    }
    let worst = done.failed.values().map(exit_of_backup);
    let worst = worst.max_by_key(|exit| *exit as u8);
    Ok(worst.unwrap_or(incomplete))
}

fn dry_run(plan: &AccountPlan, json: bool) -> Outcome {
    let refused = plan.check().err().map(|error| error.to_string());
    let text = if json {
        let streams: Vec<Value> = plan.streams().map(plan_json).collect();
        serde_json::to_string_pretty(&json!({
            "streams": streams,
            "lacks": plan.lacks,
            "remarks": plan.remarks,
            "refused": refused,
        }))?
    } else {
        let mut lines: Vec<String> = plan.streams().map(plan_text).collect();
        lines.extend(plan.lacks.iter().map(|lack| format!("incomplete: {lack}")));
        lines.extend(plan.remarks.iter().map(|text| format!("note: {text}")));
        lines.join("\n")
    };
    ui::print(&text)?;
    if let Some(reasons) = refused {
        ui::say(&format!("refused: {reasons}"));
    }
    let own = if plan.lacks.is_empty() {
        Exit::Done
    } else {
        Exit::Incomplete
    };
    // What is refused weighs more than what is incomplete.
    let exits = plan.streams().map(exit_of_plan).chain([own]);
    Ok(exits.max_by_key(|exit| *exit as u8).unwrap_or(Exit::Done))
}

fn as_json(done: &AccountRestoreSummary) -> Value {
    let restored: Map<_, _> = done
        .restored
        .iter()
        .map(|(name, one)| (name.clone(), restore::as_json(one)))
        .collect();
    let failed: Map<_, _> = done
        .failed
        .iter()
        .map(|(name, error)| (name.clone(), Value::from(error.to_string())))
        .collect();
    json!({
        "elapsed_seconds": done.elapsed.as_secs_f64(),
        "restored": restored,
        "failed": failed,
        "lacks": done.lacks,
    })
}

fn as_text(done: &AccountRestoreSummary) -> String {
    let (skipped, restored): (Vec<_>, Vec<_>) = done.restored.values().partition(|one| one.skipped);
    let messages: u64 = restored.iter().map(|one| one.messages).sum();
    let mut text = format!(
        "{} restored and compared, {} in {:.1?}",
        count(restored.len() as u64, "stream"),
        count(messages, "message"),
        done.elapsed
    );
    for (number, what) in [
        (skipped.len(), "left as they are"),
        (done.failed.len(), "not restored"),
    ] {
        if number > 0 {
            text.extend([", ", &number.to_string(), " ", what]);
        }
    }
    text
}
