//! `config apply`: a saved configuration onto a server.

use std::path::Path;

use serde_json::json;

use super::offline::tell_lacks;
use super::{Failure, Outcome, connect};
use crate::cli::ConfigApply;
use crate::configuration::{
    Action, Applied, ConfigurationError, Plan, SavedConfiguration, Step, apply, read,
};
use crate::exit::Exit;
use crate::jetstream::RequestError;
use crate::ui;

pub(super) async fn run(options: ConfigApply) -> Outcome {
    let is_json = options.output.json;
    if is_json {
        ui::speak_json();
    }
    // All files, before a server is even spoken to.
    let saved = read(&options.directory)?;
    for note in &saved.notes {
        ui::say(&format!("note: {note}"));
    }
    let connection = connect::open(&options.connect).await?;
    let plan = Plan::make(&connection, &saved, options.update_streams).await?;
    let applied = if options.dry_run {
        None
    } else {
        let on_done = |step: &Step| ui::say(&format!("done: {step}"));
        Some(apply(&connection, &plan, &on_done).await?)
    };
    let text = if is_json {
        serde_json::to_string_pretty(&as_json(
            &options.directory,
            &saved,
            &plan,
            applied.as_ref(),
        ))?
    } else {
        as_text(&options.directory, &plan, applied.as_ref())
    };
    ui::print(&text)?;
    tell_data(&saved);
    let applied = applied.unwrap_or_default();
    let lacks = [saved.lacks, applied.lacks].concat();
    let exit = tell_lacks(&lacks);
    for refused in &applied.refused {
        ui::say(&format!("refused: {refused}"));
    }
    Ok(if applied.refused.is_empty() {
        exit
    } else {
        Exit::Refused
    })
}

fn as_json(
    directory: &Path,
    saved: &SavedConfiguration,
    plan: &Plan,
    applied: Option<&Applied>,
) -> serde_json::Value {
    let not_taken = applied.map_or(&[][..], |applied| &applied.lacks);
    let lacks = [&saved.lacks, not_taken].concat();
    json!({
        "directory": directory,
        "dry_run": applied.is_none(),
        "steps": plan.steps,
        "created": applied.map_or(0, |applied| applied.created),
        "updated": applied.map_or(0, |applied| applied.updated),
        "left": count(plan, |action| *action == Action::Leave),
        "refused": applied.map_or(&[][..], |applied| &applied.refused),
        "lacks": lacks,
        "data_files": saved.data_files,
    })
}

fn count(plan: &Plan, is_so: fn(&Action) -> bool) -> usize {
    let steps = plan.steps.iter();
    steps.filter(|step| is_so(&step.action)).count()
}

fn as_text(directory: &Path, plan: &Plan, applied: Option<&Applied>) -> String {
    let left = count(plan, |action| *action == Action::Leave);
    let directory = directory.display();
    if left == plan.steps.len() {
        return format!("nothing to do: all {left} streams and consumers of {directory} are there");
    }
    if let Some(applied) = applied {
        return format!(
            "{} created, {} updated, {left} left as they are: {directory}",
            applied.created, applied.updated
        );
    }
    let mut lines: Vec<String> = plan.steps.iter().map(Step::to_string).collect();
    lines.push(format!(
        "nothing was changed (--dry-run): {} to create, {} to update, {left} to leave",
        count(plan, |action| *action == Action::Create),
        plan.steps.len() - left - count(plan, |action| *action == Action::Create)
    ));
    lines.join("\n")
}

/// Says how the messages come back, which this does not do.
fn tell_data(saved: &SavedConfiguration) {
    for path in &saved.data_files {
        let path = path.display();
        ui::say(&format!(
            "note: the messages in {path} are not restored by this: `lifeboat restore stream {path}` \
             does that, where the stream does not exist yet, or was deleted again"
        ));
    }
}

impl From<ConfigurationError> for Failure {
    fn from(error: ConfigurationError) -> Self {
        let exit = match error {
            ConfigurationError::Offline(error) => return Self::from(error),
            ConfigurationError::Backup(error) => return Self::from(error),
            ConfigurationError::NotAConfiguration { .. }
            | ConfigurationError::NothingToDo { .. } => Exit::Usage,
            ConfigurationError::Checksum { .. } => Exit::Damaged,
            ConfigurationError::Refused { .. }
            | ConfigurationError::Request {
                source: RequestError::Refused { .. },
                ..
            }
            | ConfigurationError::Stopped {
                source: RequestError::Refused { .. },
                ..
            } => Exit::Refused,
            ConfigurationError::Request { .. } | ConfigurationError::Stopped { .. } => {
                Exit::NotReady
            }
            ConfigurationError::Io { .. } => Exit::Unexpected,
        };
        Self::new(exit, error)
    }
}
