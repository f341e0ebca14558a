//! What a restore changes of a stream's configuration, and what of that would lose messages.

use serde_json::{Map, Value};

use super::error::{BackupError, Result};
use super::mark;
use crate::model::meant;

/// What a field of a stream's configuration holds.
#[derive(Debug, Clone, Copy)]
enum Holds {
    Flag,
    Number,
    /// A number of bytes.
    Size,
    /// Nanoseconds.
    Duration,
    /// One of these words, or any when there is none.
    Word(&'static [&'static str]),
    /// Words in a list.
    Words,
    /// JSON.
    Object,
}

/// The fields of a stream's configuration (`StreamConfig` in the server's `stream.go`).
const FIELDS: [(&str, Holds); 37] = [
    ("allow_atomic", Holds::Flag),
    ("allow_batched", Holds::Flag),
    ("allow_direct", Holds::Flag),
    ("allow_msg_counter", Holds::Flag),
    ("allow_msg_schedules", Holds::Flag),
    ("allow_msg_ttl", Holds::Flag),
    ("allow_rollup_hdrs", Holds::Flag),
    ("compression", Holds::Word(&["none", "s2"])),
    ("consumer_limits", Holds::Object),
    ("deny_delete", Holds::Flag),
    ("deny_purge", Holds::Flag),
    ("description", Holds::Word(&[])),
    ("discard", Holds::Word(&["old", "new"])),
    ("discard_new_per_subject", Holds::Flag),
    ("duplicate_window", Holds::Duration),
    ("first_seq", Holds::Number),
    ("max_age", Holds::Duration),
    ("max_bytes", Holds::Size),
    ("max_consumers", Holds::Number),
    ("max_msg_size", Holds::Size),
    ("max_msgs", Holds::Number),
    ("max_msgs_per_subject", Holds::Number),
    ("metadata", Holds::Object),
    ("mirror", Holds::Object),
    ("mirror_direct", Holds::Flag),
    ("no_ack", Holds::Flag),
    ("num_replicas", Holds::Number),
    ("persist_mode", Holds::Word(&[])),
    ("placement", Holds::Object),
    ("republish", Holds::Object),
    (
        "retention",
        Holds::Word(&["limits", "interest", "workqueue"]),
    ),
    ("sealed", Holds::Flag),
    ("sources", Holds::Object),
    ("storage", Holds::Word(&["file", "memory"])),
    ("subject_delete_marker_ttl", Holds::Duration),
    ("subject_transform", Holds::Object),
    ("subjects", Holds::Words),
];

impl Holds {
    /// Reads a value as it is typed.
    fn read(self, text: &str) -> Result<Value, String> {
        let json = serde_json::from_str::<Value>(text).ok();
        let json_that = |is_so: fn(&Value) -> bool, what: &str| {
            json.clone()
                .filter(is_so)
                .ok_or_else(|| format!("{text} is not {what}"))
        };
        match self {
            Self::Flag => json_that(Value::is_boolean, "true or false"),
            Self::Number => json_that(Value::is_i64, "a number"),
            Self::Size => match json.filter(Value::is_i64) {
                Some(number) => Ok(number),
                None => size(text).ok_or_else(|| format!("{text} is no size, such as 10MiB")),
            },
            Self::Duration => match json.filter(Value::is_i64) {
                Some(number) => Ok(number),
                None => humantime::parse_duration(text)
                    .map(|duration| {
                        Value::from(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
                    })
                    .map_err(|error| format!("{text} is no duration, such as 24h: {error}")),
            },
            Self::Word(words) if words.is_empty() || words.contains(&text) => Ok(Value::from(text)),
            Self::Word(words) => Err(format!("{text} is none of {}", words.join(", "))),
            Self::Words => match json.filter(Value::is_array) {
                Some(list) => Ok(list),
                None => Ok(text.split(',').map(str::trim).collect()),
            },
            Self::Object => json_that(|json| json.is_object() || json.is_array(), "JSON"),
        }
    }
}

/// A number of bytes with a unit.
fn size(text: &str) -> Option<Value> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(factor)
        .map(Value::from)
}

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
    pub fn apply(&self, own: &Map<String, Value>) -> Result<Map<String, Value>> {
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

/// Reads `field=value`.
///
/// # Errors
/// When there is no such field in a stream's configuration, or it can't hold that.
pub fn read_setting(text: &str) -> Result<(String, Value), String> {
    let (field, value) = text
        .split_once('=')
        .ok_or("it is written as field=value, such as max_age=24h")?;
    if field == "name" {
        return Err(String::from("a stream gets another name by --rename"));
    }
    if let Some((_, holds)) = FIELDS.iter().find(|(name, _)| *name == field) {
        return Ok((field.to_owned(), holds.read(value)?));
    }
    let names = FIELDS.map(|(name, _)| name);
    Err(format!(
        "a stream's configuration has no field {field}{}",
        meant(field, &names)
    ))
}

/// A limit of a configuration; zero and less mean that there is none.
pub(super) fn limit_of(config: &Map<String, Value>, field: &str) -> Option<u64> {
    let limit = config.get(field).and_then(Value::as_u64);
    limit.filter(|limit| *limit > 0)
}

/// What a stream holds, as far as limits look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// How old its first message is, in nanoseconds.
    pub(super) age_ns: u64,
}

/// What a changed configuration would make the server evict: it says nothing, and does.
pub(super) fn losses(
    own: &Map<String, Value>,
    config: &Map<String, Value>,
    held: Held,
) -> Vec<String> {
    let mut losses = Vec::new();
    let evicts = config.get("discard").is_none_or(|discard| discard != "new");
    if let Some(age) = limit_of(config, "max_age")
        && age < held.age_ns
        && config.get("max_age") != own.get("max_age")
    {
        losses.push(String::from(
            "max_age is less than the age of the backup's messages, which would expire at once; \
             change it when the stream is restored",
        ));
    }
    for (field, held, what) in [
        ("max_msgs", held.messages, "messages"),
        ("max_bytes", held.bytes, "bytes"),
    ] {
        if let Some(limit) = limit_of(config, field)
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
    if let Some(now) = limit_of(config, per_subject)
        && limit_of(own, per_subject).is_none_or(|then| now < then)
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
        assert_eq!(read("subjects=a.>, b"), json!(["a.>", "b"]));
        assert_eq!(read("max_bytes=2MiB"), json!(2 << 20));
        for wrong in [
            "max_age",
            "max_age=banana",
            "retention=foo",
            "max_msgs=many",
            "sealed=1",
            "nope=1",
        ] {
            assert!(read_setting(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_would_evict_messages_is_told() {
        let own = json!({ "name": "A", "max_msgs": 100 });
        let own = own.as_object().unwrap();
        let changed = |field: &str, value: u64| {
            let mut config = own.clone();
            config.insert(field.to_owned(), json!(value));
            let held = Held {
                messages: 54,
                bytes: 1000,
                age_ns: 77,
            };
            losses(own, &config, held)
        };
        assert_eq!(changed("max_msgs", 54), [""; 0]);
        assert_eq!(changed("max_msgs", 53).len(), 1);
        assert_eq!(changed("max_bytes", 999).len(), 1);
        assert_eq!(changed("max_msgs_per_subject", 5).len(), 1);
        assert_eq!(changed("max_age", 76).len(), 1);
        assert_eq!(changed("max_age", 78).len(), 0);
    }
}
