//! What a restore changes of a stream's configuration, and what of that would lose messages.

use serde_json::{Map, Value};

use super::error::{BackupError, Result};
use super::mark;

/// The fields of a stream's configuration (`StreamConfig` in the server's `stream.go`).
const FIELDS: [&str; 36] = [
    "allow_atomic",
    "allow_batched",
    "allow_direct",
    "allow_msg_counter",
    "allow_msg_schedules",
    "allow_msg_ttl",
    "allow_rollup_hdrs",
    "compression",
    "consumer_limits",
    "deny_delete",
    "deny_purge",
    "description",
    "discard",
    "discard_new_per_subject",
    "duplicate_window",
    "first_seq",
    "max_age",
    "max_bytes",
    "max_consumers",
    "max_msg_size",
    "max_msgs",
    "max_msgs_per_subject",
    "metadata",
    "mirror",
    "mirror_direct",
    "no_ack",
    "num_replicas",
    "persist_mode",
    "placement",
    "republish",
    "retention",
    "sealed",
    "sources",
    "storage",
    "subject_transform",
    "subjects",
];
/// Another that is a duration in nanoseconds, like `max_age` and `duplicate_window`.
const MARKER_TTL: &str = "subject_delete_marker_ttl";

/// What is to be changed.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Another number of replicas.
    pub replicas: Option<usize>,
    /// The cluster to be placed in.
    pub cluster: Option<String>,
    /// Tags that servers must have.
    pub tags: Vec<String>,
    /// A configuration instead of the backup's own.
    pub config: Option<Map<String, Value>>,
    /// Single fields, by name.
    pub set: Vec<(String, Value)>,
    /// Another name.
    pub rename: Option<String>,
}

impl Overrides {
    /// The configuration to restore with.
    pub(super) fn apply(&self, own: &Map<String, Value>) -> Result<Map<String, Value>> {
        let name = own.get("name").cloned().unwrap_or_default();
        let mut config = match &self.config {
            None => own.clone(),
            Some(other) if other.get("name") != Some(&name) => {
                return Err(wrong(
                    "--config",
                    "it is for another stream; a stream gets another name by --rename",
                ));
            }
            Some(other) => other.clone(),
        };
        if let Some(replicas) = self.replicas {
            config.insert(String::from("num_replicas"), Value::from(replicas));
        }
        if self.cluster.is_some() || !self.tags.is_empty() {
            let mut placement = Map::new();
            if let Some(cluster) = &self.cluster {
                placement.insert(String::from("cluster"), Value::from(cluster.as_str()));
            }
            if !self.tags.is_empty() {
                placement.insert(String::from("tags"), Value::from(self.tags.clone()));
            }
            config.insert(String::from("placement"), Value::Object(placement));
        }
        for (field, value) in &self.set {
            config.insert(field.clone(), value.clone());
        }
        mark::strip(&mut config);
        Ok(config)
    }
}

/// Reads `key=value`: JSON where it is some, a duration where one belongs, else text.
///
/// # Errors
/// When there is no such field in a stream's configuration.
pub fn read_setting(text: &str) -> Result<(String, Value), String> {
    let (field, value) = text
        .split_once('=')
        .ok_or("it is written as field=value, such as max_age=24h")?;
    if field == "name" {
        return Err(String::from("a stream gets another name by --rename"));
    }
    if !FIELDS.contains(&field) && field != MARKER_TTL {
        let near = FIELDS
            .iter()
            .max_by(|a, b| {
                let nearness = |one: &str| strsim::jaro_winkler(one, field);
                nearness(a).total_cmp(&nearness(b))
            })
            .unwrap_or(&"max_age");
        return Err(format!(
            "a stream's configuration has no field {field}; is {near} meant?"
        ));
    }
    let is_duration = ["max_age", "duplicate_window", MARKER_TTL].contains(&field);
    if is_duration && let Ok(duration) = humantime::parse_duration(value) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        return Ok((field.to_owned(), Value::from(nanoseconds)));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((field.to_owned(), value))
}

/// What a changed configuration would make the server evict: it says nothing, and does.
pub(super) fn losses(
    own: &Map<String, Value>,
    config: &Map<String, Value>,
    messages: u64,
    bytes: u64,
) -> Vec<String> {
    let limit = |config: &Map<String, Value>, field: &str| {
        let limit = config.get(field).and_then(Value::as_u64);
        limit.filter(|limit| *limit > 0)
    };
    let mut losses = Vec::new();
    let evicts = config.get("discard").is_none_or(|discard| discard != "new");
    for (field, held, what) in [
        ("max_msgs", messages, "messages"),
        ("max_bytes", bytes, "bytes"),
    ] {
        if let Some(limit) = limit(config, field)
            && limit < held
            && evicts
            && config.get(field) != own.get(field)
        {
            losses.push(format!(
                "{field} {limit} is less than the {held} {what} of the backup: the server would \
                 evict messages; change it when the stream is restored"
            ));
        }
    }
    for field in ["retention", "first_seq"] {
        let (before, after) = (own.get(field), config.get(field));
        if before != after && after.is_some() {
            losses.push(format!(
                "another {field} would make the server drop messages; change it when the stream is \
                 restored, or make a new one"
            ));
        }
    }
    let per_subject = "max_msgs_per_subject";
    if let Some(now) = limit(config, per_subject)
        && limit(own, per_subject).is_none_or(|then| now < then)
    {
        losses.push(format!(
            "{per_subject} {now} is less than it was: the server could evict messages; change it \
             when the stream is restored"
        ));
    }
    losses
}

fn wrong(what: &str, reason: &str) -> BackupError {
    BackupError::NothingToDo {
        reason: format!("{what}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_json_durations_or_text() {
        let read = |text| read_setting(text).unwrap().1;
        assert_eq!(read("max_age=24h"), json!(86_400_000_000_000_u64));
        assert_eq!(read("max_msgs=-1"), json!(-1));
        assert_eq!(read("allow_direct=true"), json!(true));
        assert_eq!(read("storage=file"), json!("file"));
        assert_eq!(read(r#"subjects=["a","b"]"#), json!(["a", "b"]));
        assert!(read_setting("max_mgs=1").unwrap_err().contains("max_msgs"));
        assert!(read_setting("name=x").unwrap_err().contains("--rename"));
        assert!(read_setting("max_age").is_err());
    }

    #[test]
    fn what_would_evict_messages_is_told() {
        let own = json!({ "name": "A", "max_msgs": 100 });
        let own = own.as_object().unwrap();
        let changed = |field: &str, value: u64| {
            let mut config = own.clone();
            config.insert(field.to_owned(), json!(value));
            losses(own, &config, 54, 1000)
        };
        assert_eq!(changed("max_msgs", 54), [""; 0]);
        assert_eq!(changed("max_msgs", 53).len(), 1);
        assert_eq!(changed("max_bytes", 999).len(), 1);
        assert_eq!(changed("max_msgs_per_subject", 5).len(), 1);
    }
}
