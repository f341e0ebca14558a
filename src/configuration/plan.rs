//! What is to be done so that a server has what was saved: made without changing anything.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::compare::{Change, Of, differences, to_send, to_update};
use super::error::{ConfigurationError, Result};
use super::read::{Config, SavedConfiguration};
use crate::jetstream::Connection;

/// What is to be done, in this order.
#[derive(Debug)]
pub struct Plan {
    /// Streams first, origins before mirrors; then consumers.
    pub steps: Vec<Step>,
}

/// What is to be done with one stream or consumer.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The stream.
    pub stream: String,
    /// The consumer; none when it is about the stream itself.
    pub consumer: Option<String>,
    /// What.
    #[serde(flatten)]
    pub action: Action,
    /// What was saved.
    #[serde(skip)]
    pub(super) saved: Config,
    /// What is sent.
    #[serde(skip)]
    pub(super) config: Config,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "action")]
pub enum Action {
    /// It is not there.
    Create,
    /// It is there, and differs.
    Update {
        /// In these fields.
        changes: Vec<Change>,
    },
    /// It is there as it was saved.
    Leave,
}

impl Plan {
    /// Asks a server what is there and compares it. With `update`, what differs is to be changed.
    ///
    /// # Errors
    /// [`ConfigurationError::Refused`] with everything that differs and is not to be changed, and
    /// whatever can't be made at all.
    pub async fn make(
        connection: &Connection,
        saved: &SavedConfiguration,
        update: bool,
    ) -> Result<Self> {
        let mut planner = Planner {
            connection,
            update,
            steps: Vec::new(),
            reasons: Vec::new(),
        };
        for name in saved.in_order() {
            planner.stream(name, &saved.streams[name]).await?;
        }
        for ((stream, name), config) in &saved.consumers {
            planner.consumer(stream, name, config).await?;
        }
        if planner.reasons.is_empty() {
            return Ok(Self {
                steps: planner.steps,
            });
        }
        Err(ConfigurationError::Refused {
            reasons: planner.reasons,
        })
    }
}

struct Planner<'a> {
    connection: &'a Connection,
    update: bool,
    steps: Vec<Step>,
    reasons: Vec<String>,
}

impl Planner<'_> {
    async fn stream(&mut self, name: &str, saved: &Config) -> Result<()> {
        let live =
            self.connection
                .stream_config(name)
                .await
                .map_err(ConfigurationError::request(format!(
                    "looking for stream {name}"
                )))?;
        if live.is_none() && saved.get("sealed") == Some(&Value::Bool(true)) {
            // Servers seal streams that exist, and make none that is sealed (10109).
            self.reasons.push(format!(
                "stream {name} is sealed, and can't be made: restore it with its messages"
            ));
        }
        self.step(name, None, saved, live);
        Ok(())
    }

    async fn consumer(&mut self, stream: &str, name: &str, saved: &Config) -> Result<()> {
        let of_stream = self
            .steps
            .iter()
            .find(|step| step.consumer.is_none() && step.stream == stream);
        let live = if of_stream.is_some_and(|step| step.action == Action::Create) {
            None
        } else {
            let doing = format!("looking for consumer {name} of stream {stream}");
            match self.connection.consumer_config(stream, name).await {
                Err(error) if error.is_stream_not_found() => {
                    self.reasons.push(format!(
                        "consumer {name} is of stream {stream}, which is neither on the server nor \
                         among the files"
                    ));
                    return Ok(());
                }
                other => other.map_err(ConfigurationError::request(doing))?,
            }
        };
        self.step(stream, Some(name), saved, live);
        Ok(())
    }

    fn step(&mut self, stream: &str, consumer: Option<&str>, saved: &Config, live: Option<Config>) {
        let of = consumer.map_or(Of::Stream, |_| Of::Consumer);
        let mut step = Step {
            stream: stream.to_owned(),
            consumer: consumer.map(str::to_owned),
            action: Action::Create,
            saved: saved.clone(),
            config: to_send(saved),
        };
        if let Some(live) = live {
            let changes = differences(of, saved, &live);
            step.config = to_update(saved, &live);
            step.action = if changes.is_empty() {
                Action::Leave
            } else {
                Action::Update { changes }
            };
        }
        if let (Action::Update { changes }, false) = (&step.action, self.update) {
            let fields: Vec<&str> = changes.iter().map(|change| &*change.field).collect();
            self.reasons.push(format!(
                "{} exists and differs (--update-streams changes it): {}",
                step.subject(),
                fields.join(", ")
            ));
        }
        self.steps.push(step);
    }
}

impl Step {
    /// What it is about, in words.
    pub fn subject(&self) -> String {
        match &self.consumer {
            None => format!("stream {}", self.stream),
            Some(name) => format!("consumer {name} of stream {}", self.stream),
        }
    }

    pub(super) fn of(&self) -> Of {
        self.consumer.as_ref().map_or(Of::Stream, |_| Of::Consumer)
    }

    /// What a server that was asked for it does not have as it was saved, in sentences.
    pub(super) fn not_taken(&self, has: &Map<String, Value>) -> Vec<String> {
        let changes = differences(self.of(), &self.saved, has);
        let told = changes.into_iter().map(|change| {
            format!(
                "{}: the server took {} as {}, not {}",
                self.subject(),
                change.field,
                change.old,
                change.new
            )
        });
        told.collect()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject();
        match &self.action {
            Action::Create => write!(f, "create {subject}"),
            Action::Leave => write!(f, "leave  {subject}"),
            Action::Update { changes } => {
                write!(f, "update {subject}:")?;
                for (number, change) in changes.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    write!(
                        f,
                        "{comma} {} {} -> {}",
                        change.field, change.old, change.new
                    )?;
                }
                Ok(())
            }
        }
    }
}
