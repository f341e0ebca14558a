//! Fields of streams' configurations, as scenario files set them: which may be set, and where.

use serde_json::{Map, Value};
use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::resolve::Resolver;
use super::written::{self, Config};
use crate::model::{Keeping, Retention, meant};

type Result<T> = std::result::Result<T, Diagnostic>;

/// The fields there are (`StreamConfig` in the server's `stream.go`). Others are passed on as well,
/// for a newer server may know them, unless they look like a slip of one of these.
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
    "name",
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
/// Fields by which messages get other names, or come from elsewhere than the load.
const RENAMING: [&str; 5] = ["name", "subjects", "mirror", "sources", "subject_transform"];
/// Fields that a stream keeps for life, as far as drills go.
const FOR_LIFE: [&str; 2] = ["retention", "storage"];
/// Fields that the judges read, and what they may be. Numbers of zero and less are no limit.
const WORDS: [(&str, &[&str]); 4] = [
    ("compression", &["none", "s2"]),
    ("discard", &["old", "new"]),
    ("retention", &["limits", "interest", "workqueue"]),
    ("storage", &["file", "memory"]),
];
const NUMBERS: [&str; 3] = ["max_bytes", "max_msgs", "max_msgs_per_subject"];
/// The same, in nanoseconds.
const TIMES: [&str; 2] = ["duplicate_window", "max_age"];

/// Where fields are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a `[[stream]]` table, which says name, subjects and replicas by itself.
    Stream,
    /// In an `update`.
    Update,
    /// In a `restore`, which says replicas by itself.
    Restore,
}

impl Resolver<'_> {
    /// The fields as the server takes them.
    pub(super) fn fields(&self, config: &Config, place: Place) -> Result<Map<String, Value>> {
        let mut fields = Map::new();
        for (key, value) in config {
            self.field(key, place)?;
            let value = serde_json::to_value(value).unwrap_or(Value::Null);
            self.field_value(key, &value)?;
            fields.insert(key.get_ref().clone(), value);
        }
        Ok(fields)
    }

    fn field(&self, key: &Spanned<String>, place: Place) -> Result<()> {
        let name = key.get_ref().as_str();
        let has_own_place = match place {
            Place::Stream => ["name", "subjects", "num_replicas"].contains(&name),
            Place::Restore => name == "num_replicas",
            Place::Update => false,
        };
        let reason = if has_own_place {
            Some("it has a place of its own")
        } else if RENAMING.contains(&name) {
            Some("the judges know messages by the stream and the subject they were sent to")
        } else if place != Place::Stream && FOR_LIFE.contains(&name) {
            Some("a stream is judged by one for all of its life; say it in [[stream]]")
        } else {
            None
        };
        if let Some(reason) = reason {
            let message = format!("`{name}` can't be set here: {reason}");
            return Err(self.pointer.value(key, message));
        }
        let hint = meant(name, &FIELDS);
        if FIELDS.contains(&name) || hint.is_empty() {
            return Ok(());
        }
        let message = format!("a stream's configuration has no `{name}`{hint}");
        Err(self.pointer.value(key, message))
    }

    /// What the judges read has to be what they read it as.
    fn field_value(&self, key: &Spanned<String>, value: &Value) -> Result<()> {
        let name = key.get_ref().as_str();
        let message = if let Some((_, words)) = WORDS.iter().find(|(field, _)| *field == name) {
            let word = value.as_str().unwrap_or_default();
            if words.contains(&word) {
                return Ok(());
            }
            let known = words.join(", ");
            format!("`{name}` is one of {known}{}", meant(word, words))
        } else if NUMBERS.contains(&name) && !value.is_i64() {
            format!("`{name}` is a number")
        } else if TIMES.contains(&name) && !value.is_i64() {
            format!(
                "`{name}` is a number of nanoseconds, as servers take it: 10s are 10_000_000_000"
            )
        } else {
            return Ok(());
        };
        Err(self.pointer.value(key, message))
    }

    /// How many replicas a stream's consumers have, where that is said.
    pub(super) fn consumer_replicas(
        &self,
        fields: &Map<String, Value>,
        stream: &written::Stream,
        replicas: usize,
    ) -> Result<Option<usize>> {
        let Some(written) = &stream.consumer_replicas else {
            return Ok(None);
        };
        let retention = fields.get("retention").and_then(Value::as_str);
        let wrong = if stream.consumers.is_empty() && stream.idle_consumers.is_empty() {
            "the stream has no consumers"
        } else if retention.is_some_and(|one| one != "limits") {
            "consumers that say what is kept have as many replicas as the stream"
        } else {
            let most = i64::try_from(replicas).unwrap_or(i64::MAX);
            let count = self
                .pointer
                .count(written, 1..=most, "replicas of a consumer");
            return count.map(Some);
        };
        Err(self.pointer.value(written, wrong))
    }

    /// What a stream of these fields drops by itself, where its consumers allow to tell.
    pub(super) fn keeping(
        &self,
        fields: &Map<String, Value>,
        stream: &written::Stream,
    ) -> Result<Keeping> {
        let mut keeping = keeping_of(fields);
        if let Some(idle) = stream.idle_consumers.first() {
            if keeping.retention == Retention::WorkQueue {
                let message = "a work queue gives all its messages to one consumer";
                return Err(self.pointer.value(idle, message));
            }
            // What one of them wants for ever stays for ever.
            keeping.retention = Retention::Limits;
        }
        let wrong = match (keeping.retention, stream.consumers.len()) {
            (Retention::Limits, _) | (Retention::Interest, 1..) | (Retention::WorkQueue, 1) => {
                return Ok(keeping);
            }
            (Retention::Interest | Retention::WorkQueue, 0) => {
                "without a consumer nobody knows whether a message was consumed or lost: add one"
            }
            (Retention::WorkQueue, _) => "a work queue gives all its messages to one consumer",
        };
        Err(self.pointer.value(&stream.name, wrong))
    }
}

/// What a stream drops by itself, by fields of its configuration.
fn keeping_of(fields: &Map<String, Value>) -> Keeping {
    let number = |field: &str| {
        let number = fields.get(field).and_then(Value::as_u64);
        number.filter(|number| *number > 0)
    };
    let word = |field: &str| fields.get(field).and_then(Value::as_str);
    let refuses_new = fields.get("discard_new_per_subject") == Some(&Value::Bool(true));
    let per_subject = number("max_msgs_per_subject").filter(|_| !refuses_new);
    // A full stream that refuses what is new drops nothing.
    let in_all = |field| number(field).filter(|_| word("discard") != Some("new"));
    Keeping {
        retention: match word("retention") {
            Some("interest") => Retention::Interest,
            Some("workqueue") => Retention::WorkQueue,
            Some(_) | None => Retention::Limits,
        },
        messages: in_all("max_msgs"),
        per_subject,
        bytes: in_all("max_bytes"),
        age_ns: number("max_age"),
    }
}

/// Adds what a later change of the configuration makes a stream drop. The fields are all that it has
/// by then.
pub(super) fn add_keeping(
    keeping: &mut Keeping,
    fields: &mut Map<String, Value>,
    changes: &Map<String, Value>,
) {
    fields.extend(changes.clone());
    let later = keeping_of(fields);
    let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
    keeping.messages = least(keeping.messages, later.messages);
    keeping.per_subject = least(keeping.per_subject, later.per_subject);
    keeping.bytes = least(keeping.bytes, later.bytes);
    keeping.age_ns = least(keeping.age_ns, later.age_ns);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keeping(fields: &Value) -> Keeping {
        keeping_of(fields.as_object().unwrap())
    }

    #[test]
    fn limits_drop_messages_unless_new_ones_are_refused() {
        let limits = json!({ "max_msgs": 10, "max_bytes": -1, "max_age": 5 });
        let expected = Keeping {
            messages: Some(10),
            age_ns: Some(5),
            ..Keeping::default()
        };
        assert_eq!(keeping(&limits), expected);
        assert!(!keeping(&json!({ "max_msgs": 10, "discard": "new" })).drops());
        assert!(keeping(&json!({ "max_msgs_per_subject": 1, "discard": "new" })).drops());
        assert!(!keeping(&json!({ "compression": "s2", "storage": "memory" })).drops());
        assert!(keeping(&json!({ "retention": "interest" })).drops());
    }

    #[test]
    fn the_tightest_limit_that_ever_was_counts() {
        let fields = json!({ "max_msgs": 10 });
        let mut all = keeping(&fields);
        let mut fields = fields.as_object().unwrap().clone();
        for (later, messages) in [(20, 10), (5, 5)] {
            let changes = json!({ "max_msgs": later });
            add_keeping(&mut all, &mut fields, changes.as_object().unwrap());
            assert_eq!(all.messages, Some(messages));
        }
    }

    #[test]
    fn a_change_is_read_with_what_it_changes() {
        for (fields, changes, drops) in [
            (
                json!({ "max_msgs": 10, "discard": "new" }),
                json!({ "discard": "old" }),
                true,
            ),
            (
                json!({ "discard": "new" }),
                json!({ "max_msgs": 10 }),
                false,
            ),
        ] {
            let mut all = keeping(&fields);
            let mut fields = fields.as_object().unwrap().clone();
            add_keeping(&mut all, &mut fields, changes.as_object().unwrap());
            assert_eq!(all.drops(), drops, "{changes}");
        }
    }
}
