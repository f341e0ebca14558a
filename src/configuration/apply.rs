//! Carrying a plan out, and saying what was done of it even when it ends halfway.

use serde_json::{Map, Value};

use super::error::{ConfigurationError, Result};
use super::plan::{Action, Plan, Step};
use crate::jetstream::{Connection, RequestError};

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// How many streams and consumers were made.
    pub created: usize,
    /// How many were changed.
    pub updated: usize,
    /// How many were as they should be.
    pub left: usize,
    /// Changes that the server refuses to make, in sentences.
    pub refused: Vec<String>,
    /// What the server has otherwise than it was asked for.
    pub lacks: Vec<String>,
}

/// Carries a plan out. `on_done` is told of every stream and consumer that was made or changed.
///
/// A consumer that the server refuses to change stays as it is, and keeps nothing else from being
/// done: most of a consumer's fields can't be changed.
///
/// # Errors
/// [`ConfigurationError::Stopped`] with what was done and what was not.
pub async fn apply(
    connection: &Connection,
    plan: &Plan,
    on_done: &(dyn Fn(&Step) + Sync),
) -> Result<Applied> {
    let mut applied = Applied::default();
    let mut done = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let count = match step.action {
            Action::Leave => {
                applied.left += 1;
                continue;
            }
            Action::Create => &mut applied.created,
            Action::Update { .. } => &mut applied.updated,
        };
        match carry_out(connection, step).await {
            Ok(has) => {
                *count += 1;
                applied.lacks.extend(step.not_taken(&has));
                on_done(step);
                done.push(step.subject());
            }
            Err(error) if is_refused_change(step, &error) => {
                applied.refused.push(format!(
                    "{} exists, differs, and can't be changed: {error}",
                    step.subject()
                ));
            }
            Err(source) => return Err(stopped(plan, at, &done, source)),
        }
    }
    Ok(applied)
}

/// Does one thing, and returns what the server has then.
async fn carry_out(
    connection: &Connection,
    step: &Step,
) -> Result<Map<String, Value>, RequestError> {
    let is_new = step.action == Action::Create;
    let config = &step.config;
    match &step.consumer {
        None => connection.put_stream(&step.stream, config, is_new).await,
        Some(name) => {
            let stream = &step.stream;
            connection.put_consumer(stream, name, config, is_new).await
        }
    }
}

fn is_refused_change(step: &Step, error: &RequestError) -> bool {
    step.consumer.is_some()
        && matches!(step.action, Action::Update { .. })
        && matches!(error, RequestError::Refused { .. })
}

fn stopped(plan: &Plan, at: usize, done: &[String], source: RequestError) -> ConfigurationError {
    let step = &plan.steps[at];
    let doing = match step.action {
        Action::Create => "creating",
        Action::Update { .. } | Action::Leave => "updating",
    };
    let later = plan.steps[at + 1..].iter();
    let left: Vec<String> = later
        .filter(|step| step.action != Action::Leave)
        .map(Step::subject)
        .collect();
    let list = |names: &[String]| match names {
        [] => String::from("nothing"),
        names => names.join(", "),
    };
    let is_unknown = matches!(
        source,
        RequestError::TimedOut { .. } | RequestError::Disconnected { .. }
    );
    let unknown = if is_unknown {
        " (it may have been done)"
    } else {
        ""
    };
    ConfigurationError::Stopped {
        doing: format!("{doing} {}", step.subject()),
        source,
        rest: format!(
            "{unknown}; done before: {}; not done: {}",
            list(done),
            list(&left)
        ),
    }
}
