//! What a restore would do, found out before anything is changed: and everything that stands against
//! it, not the first thing alone.

use semver::Version;
use serde_json::{Map, Value};

use super::error::{BackupError, Result};
use super::mark;
use super::overrides::{Held, Overrides, limit_of, losses};
use super::restore::{ANSWERED_WITHIN, IfExists, RestoreOptions};
use super::source::StreamBackup;
use super::take::check_name;
use crate::archive::{Consumer, Form, Packing};
use crate::jetstream::{Connection, RequestError, StreamInfo};
use crate::offline::is_mirror;

/// The first version that writes and restores message archives, and restores streams that are kept in
/// memory.
pub const MESSAGE_ARCHIVES_SINCE: Version = Version::new(2, 15, 0);
/// So long it is listened for publishers.
const LISTEN_FOR: std::time::Duration = std::time::Duration::from_millis(250);

/// What a restore would do.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// The stream as it will be called.
    pub stream: String,
    /// What is done with the name.
    pub action: Action,
    /// The configuration it will have.
    pub config: Map<String, Value>,
    /// The form of the archive that is sent.
    pub form: Form,
    /// Whether it is written anew while it is sent, and why.
    pub rewritten: Option<&'static str>,
    /// The consumers it will have.
    pub consumers: Vec<Consumer>,
    /// Its messages.
    pub messages: u64,
    /// What they take in the stream.
    pub bytes: u64,
    /// What the backup lacks, and so will the stream.
    pub lacks: Vec<String>,
    /// What stands against it.
    pub obstacles: Vec<String>,
    /// What is worth knowing.
    pub remarks: Vec<String>,
    /// Whether somebody published to its subjects.
    pub is_published_to: bool,
}

/// What is done with the name of a stream that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is free.
    Create,
    /// It is taken, and nothing was said about that: nothing is done.
    Taken,
    /// It is taken, and stays as it is.
    Skip,
    /// It is taken: that stream is saved, deleted, and the backup put in its place.
    Replace,
    /// A restore that was killed left a stream without a message, which is deleted first.
    Clear,
    /// A restore that was killed had sent everything: what is there is compared with the backup.
    Finish,
}

/// Finds out what a restore would do. What stands against it is in the plan: [`RestorePlan::check`].
///
/// # Errors
/// When a server does not answer, or the options contradict themselves.
pub async fn plan_restore(
    connection: &Connection,
    backup: &StreamBackup,
    options: &RestoreOptions,
) -> Result<RestorePlan> {
    let own = backup.config()?;
    let overrides = &options.overrides;
    let config = overrides.apply(own)?;
    let stream = overrides
        .rename
        .clone()
        .unwrap_or_else(|| backup.stream().to_owned());
    check_name(&stream)?;
    let (messages, bytes) = (backup.survey.live.len(), backup.bytes());
    let mut plan = RestorePlan {
        action: Action::Create,
        obstacles: losses(
            own,
            &config,
            Held {
                messages,
                bytes,
                age_ns: if messages > 0 { backup.age_ns() } else { 0 },
            },
        ),
        remarks: Vec::new(),
        is_published_to: false,
        form: Form::Tar,
        rewritten: None,
        consumers: Vec::new(),
        lacks: backup.lacks.clone(),
        stream,
        config,
        messages,
        bytes,
    };
    if backup.manifest.as_ref().is_some_and(|one| one.replaced) {
        plan.remarks.push(String::from(
            "it is no backup that anybody took: a restore saved what it replaced",
        ));
    }
    plan.choose_consumers(backup, options.reset_consumers);
    plan.choose_form(connection, backup, overrides);
    plan.look_at_the_name(connection, options.if_exists).await?;
    if plan.action == Action::Skip {
        plan.obstacles.clear();
    }
    if matches!(plan.action, Action::Skip | Action::Finish) {
        return Ok(plan);
    }
    plan.look_at_subjects(connection).await?;
    plan.look_at_limits(connection).await?;
    if plan.action != Action::Taken {
        plan.listen(connection).await;
    }
    Ok(plan)
}

impl RestorePlan {
    /// Whether anything stands against it.
    ///
    /// # Errors
    /// [`BackupError::StreamExists`] when its name is taken, and nothing was said about that;
    /// otherwise with everything that does.
    pub fn check(&self) -> Result<()> {
        if self.action == Action::Taken {
            let stream = self.stream.clone();
            return Err(BackupError::StreamExists { stream });
        }
        if self.obstacles.is_empty() {
            return Ok(());
        }
        Err(BackupError::Refused {
            stream: self.stream.clone(),
            reasons: self.obstacles.join("; "),
        })
    }

    /// A configuration's field as text.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.config.get(field)?.as_str()
    }

    /// A limit of the configuration; zero and less mean that there is none.
    pub(super) fn limit(&self, field: &str) -> Option<u64> {
        limit_of(&self.config, field)
    }

    /// Whether newer messages may take the place of older ones.
    pub(super) fn has_limits(&self) -> bool {
        ["max_msgs", "max_bytes", "max_msgs_per_subject"]
            .iter()
            .any(|field| self.limit(field).is_some())
    }

    /// Whether messages may have a time to live of their own.
    pub(super) fn has_ttls(&self) -> bool {
        self.config.get("allow_msg_ttl") == Some(&Value::Bool(true))
    }

    /// Whether messages stay when consumers are done with them.
    pub(super) fn keeps_what_is_consumed(&self) -> bool {
        self.text("retention").is_none_or(|one| one == "limits")
    }

    /// Whether messages may be gone a moment after they were restored.
    pub(super) fn forgets(&self) -> bool {
        !self.keeps_what_is_consumed() || self.limit("max_age").is_some() || self.has_ttls()
    }

    /// The configuration under the stream's name.
    pub fn named_config(&self) -> Map<String, Value> {
        let mut config = self.config.clone();
        config.insert(String::from("name"), Value::from(self.stream.as_str()));
        config
    }

    /// How many replicas it will have.
    pub fn replicas(&self) -> u64 {
        let replicas = self.config.get("num_replicas").and_then(Value::as_u64);
        replicas.unwrap_or(1).max(1)
    }

    /// Tar wherever it can hold the stream: every server restores it, and those of 2.15 do so
    /// several times faster than their own form.
    fn choose_form(
        &mut self,
        connection: &Connection,
        backup: &StreamBackup,
        overrides: &Overrides,
    ) {
        let is_in_memory = self.text("storage") == Some("memory");
        let takes_messages = connection
            .server_version()
            .is_some_and(|version| version >= MESSAGE_ARCHIVES_SINCE);
        if is_in_memory && !takes_messages {
            self.obstacles.push(String::from(
                "a stream in memory is restored without its messages by servers to 2.14; keep it in \
                 files (--set storage=file)",
            ));
        }
        let is_same = self.consumers == backup.survey.consumers;
        let form = backup.survey.form;
        self.form = if is_in_memory {
            Form::Message
        } else {
            Form::Tar
        };
        self.rewritten = if is_in_memory && self.form != form {
            Some("only a message archive holds a stream in memory")
        } else if self.form != form {
            Some("as a tar every server restores it, and faster")
        } else if overrides.rename.is_some() {
            Some("its name is in every checksum")
        } else if !is_same {
            Some("its consumers are changed")
        } else if is_mirror(&self.config)
            && backup.survey.indexed_sequence > backup.survey.last_sequence
        {
            // Servers to 2.14 save the index after the blocks, and a stream goes on where it ends.
            Some("a mirror would never get what its origin had while the archive was made")
        } else if backup.survey.packing != Packing::S2 || !backup.archive_path.is_file() {
            Some("servers take S2 frames alone")
        } else {
            None
        };
    }

    /// Only a server's word will do: a stream whose nodes are down gives no answer, and must not be
    /// deleted for it later.
    async fn look_at_the_name(
        &mut self,
        connection: &Connection,
        if_exists: IfExists,
    ) -> Result<()> {
        let began = std::time::Instant::now();
        let info = loop {
            match connection.stream_info(&self.stream).await {
                Ok(info) => break info,
                Err(error) if error.is_stream_not_found() => {
                    return self.look_at_the_names(connection).await;
                }
                // A request may be lost. It took its time: this is no busy loop.
                Err(RequestError::TimedOut { .. }) if began.elapsed() < ANSWERED_WITHIN => {}
                Err(source @ RequestError::TimedOut { .. }) => {
                    // Where nobody answers at all it is not for this stream.
                    let asking = BackupError::request("asking what the account has");
                    let _totals = connection.account_totals().await.map_err(asking)?;
                    let stream = self.stream.clone();
                    return Err(BackupError::Unanswered { stream, source });
                }
                Err(error) => {
                    let doing = format!("looking whether {} exists", self.stream);
                    return Err(BackupError::request(doing)(error));
                }
            }
        };
        if mark::is_on(&info.config) {
            let is_abandoned = mark::is_abandoned(connection, &info.config).await;
            if !is_abandoned {
                let stream = self.stream.clone();
                let reasons = String::from("another restore is at it");
                return Err(BackupError::Refused { stream, reasons });
            }
            if if_exists != IfExists::Replace {
                self.look_at_the_mark(&info);
                return Ok(());
            }
        }
        self.action = match if_exists {
            IfExists::Refuse => Action::Taken,
            IfExists::Skip => Action::Skip,
            IfExists::Replace => Action::Replace,
        };
        Ok(())
    }

    /// A cluster may list a name without a stream: one that a restore has taken.
    async fn look_at_the_names(&mut self, connection: &Connection) -> Result<()> {
        let asking = BackupError::request("looking for the stream's name");
        let names = connection.stream_names().await.map_err(asking)?;
        if names.contains(&self.stream) {
            self.obstacles.push(String::from(
                "its name is taken by a stream that can't be told anything about: a restore is under \
                 way, or was given up; in that case delete the stream first",
            ));
        }
        Ok(())
    }

    /// What another restore left.
    fn look_at_the_mark(&mut self, info: &StreamInfo) {
        self.action = if info.state.last_seq == 0 {
            self.remarks.push(String::from(
                "a restore that was killed left an empty stream of that name, which is deleted",
            ));
            Action::Clear
        } else {
            self.remarks.push(String::from(
                "a restore that was killed had sent it already: it is compared with the backup",
            ));
            Action::Finish
        };
    }

    async fn look_at_subjects(&mut self, connection: &Connection) -> Result<()> {
        for subject in self.subjects() {
            let asking = BackupError::request("looking for streams with its subjects");
            let streams = connection
                .streams_with_subject(&subject)
                .await
                .map_err(asking)?;
            for other in streams.iter().filter(|other| **other != self.stream) {
                self.obstacles.push(format!(
                    "its subjects overlap with an existing stream: {subject} belongs to {other}"
                ));
            }
        }
        Ok(())
    }

    fn subjects(&self) -> Vec<String> {
        let subjects = self.config.get("subjects").and_then(Value::as_array);
        let subjects = subjects.into_iter().flatten().filter_map(Value::as_str);
        subjects.map(str::to_owned).collect()
    }

    async fn look_at_limits(&mut self, connection: &Connection) -> Result<()> {
        let asking = BackupError::request("asking what the account may have");
        let totals = connection.account_totals().await.map_err(asking)?;
        let replicas = self.replicas();
        if replicas > 1 && !connection.is_clustered() {
            self.obstacles.push(format!(
                "it has {replicas} replicas, and the server is alone (--replicas 1)"
            ));
        }
        self.obstacles.extend(self.beyond(&totals));
        Ok(())
    }

    /// Whoever publishes now is told that nobody listens, and what is published during the restore
    /// may come into the middle of it.
    async fn listen(&mut self, connection: &Connection) {
        if let Some(subject) = connection.overhear(&self.subjects(), LISTEN_FOR).await {
            self.is_published_to = true;
            self.remarks.push(format!(
                "somebody published to {subject} when the restore began: what is published until it is \
                 over is lost, or comes into the middle of it"
            ));
        }
    }
}
