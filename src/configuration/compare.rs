//! Whether two configurations mean the same, whatever servers add to them and leave out.
//!
//! Servers leave out most of what is empty, fill in defaults, and note their own version in the
//! metadata. So an absent field, an empty one and a default are one and the same here. What a
//! newer server adds that the file knows nothing of is no difference, and is left as it is.

use serde::Serialize;
use serde_json::{Map, Value};

/// What a configuration is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Stream,
    Consumer,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Its name.
    pub field: String,
    /// What it is; null when it is not there.
    pub old: Value,
    /// What it is in the file; null when it is not there.
    pub new: Value,
}

/// What only servers' own notes in the metadata begin with.
const SERVERS_OWN: &str = "_nats.";

/// Limits of which zero and less mean that there is none.
const UNLIMITED: [&str; 8] = [
    "max_age",
    "max_bytes",
    "max_consumers",
    "max_deliver",
    "max_msg_size",
    "max_msgs",
    "max_msgs_per_subject",
    "rate_limit_bps",
];

/// Fields that servers leave out when they are empty, so that a file without them says: empty.
const OMITTED: [&str; 33] = [
    "allow_atomic",
    "allow_batched",
    "allow_msg_counter",
    "allow_msg_schedules",
    "allow_msg_ttl",
    "backoff",
    "consumer_limits",
    "deliver_group",
    "deliver_subject",
    "description",
    "direct",
    "filter_subject",
    "filter_subjects",
    "flow_control",
    "headers_only",
    "idle_heartbeat",
    "inactive_threshold",
    "max_batch",
    "max_bytes",
    "max_expires",
    "mem_storage",
    "metadata",
    "mirror",
    "no_ack",
    "pause_until",
    "placement",
    "rate_limit_bps",
    "republish",
    "sample_freq",
    "sources",
    "subject_delete_marker_ttl",
    "subject_transform",
    "subjects",
];

/// What servers fill in where nothing is said (`stream.go`, `consumer.go`).
fn default_of(of: Of, field: &str) -> Option<Value> {
    Some(match (of, field) {
        (Of::Stream, "retention") => Value::from("limits"),
        (Of::Stream, "discard") => Value::from("old"),
        (Of::Stream, "storage") => Value::from("file"),
        (Of::Stream, "compression") => Value::from("none"),
        (Of::Stream, "persist_mode") => Value::from("default"),
        (Of::Stream, "num_replicas") => Value::from(1),
        (Of::Stream, "duplicate_window") => Value::from(120_000_000_000_u64),
        (Of::Consumer, "deliver_policy") => Value::from("all"),
        (Of::Consumer, "replay_policy") => Value::from("instant"),
        (Of::Consumer, "ack_policy" | "priority_policy") => Value::from("none"),
        (Of::Consumer, "ack_wait") => Value::from(30_000_000_000_u64),
        (Of::Consumer, "max_ack_pending") => Value::from(1000),
        (Of::Consumer, "max_waiting") => Value::from(512),
        _ => return None,
    })
}

/// Every field in which what is there differs from what was saved.
pub(super) fn differences(
    of: Of,
    saved: &Map<String, Value>,
    live: &Map<String, Value>,
) -> Vec<Change> {
    let left_out = live
        .keys()
        .filter(|field| OMITTED.contains(&field.as_str()) && !saved.contains_key(*field));
    let fields = saved.keys().chain(left_out);
    let changes = fields.filter_map(|field| {
        let (old, new) = (plain(of, field, live), plain(of, field, saved));
        (old != new).then(|| Change {
            field: field.clone(),
            old,
            new,
        })
    });
    changes.collect()
}

/// What a field means; null where that is nothing, or what servers take when nothing is said.
fn plain(of: Of, field: &str, config: &Map<String, Value>) -> Value {
    // A consumer's name is that of its file, and older servers do not repeat it.
    if of == Of::Consumer && field == "name" {
        return Value::Null;
    }
    let Some(mut value) = config.get(field).cloned() else {
        return Value::Null;
    };
    if field == "metadata" {
        without_servers_own(&mut value);
    }
    let value = without_empty(value);
    let is_unlimited = UNLIMITED.contains(&field) && value.as_i64().is_some_and(|limit| limit <= 0);
    let is_default = default_of(of, field).is_some_and(|default| default == value);
    // A stream for which no subject is named takes its own name for one.
    let is_own_name = field == "subjects"
        && matches!(value.as_array().map(Vec::as_slice), Some([one])
            if Some(one) == config.get("name"));
    if is_unlimited || is_default || is_own_name {
        return Value::Null;
    }
    value
}

fn without_servers_own(metadata: &mut Value) {
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.retain(|key, _| !key.starts_with(SERVERS_OWN));
    }
}

/// The value without anything that is empty; null when nothing is left of it.
fn without_empty(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        let kept = std::mem::take(object)
            .into_iter()
            .map(|(key, value)| (key, without_empty(value)));
        *object = kept.filter(|(_, value)| !value.is_null()).collect();
    }
    // A place in a list means something, even when nothing is in it.
    for element in value.as_array_mut().into_iter().flatten() {
        if element.is_object() {
            *element = without_empty(element.take());
        }
    }
    let is_empty = value == Value::Bool(false)
        || value.as_f64() == Some(0.0)
        || value.as_str().is_some_and(str::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(Map::is_empty);
    if is_empty { Value::Null } else { value }
}

/// A saved configuration as it is sent: without what a server noted of itself, which another one
/// would take for the user's.
pub(super) fn to_send(saved: &Map<String, Value>) -> Map<String, Value> {
    let mut config = saved.clone();
    if let Some(metadata) = config.get_mut("metadata") {
        without_servers_own(metadata);
        if metadata.as_object().is_some_and(Map::is_empty) {
            config.remove("metadata");
        }
    }
    config
}

/// The same for what exists: with every field that the file does not know as it is, so that nothing
/// changes but what was told.
pub(super) fn to_update(
    saved: &Map<String, Value>,
    live: &Map<String, Value>,
) -> Map<String, Value> {
    let mut config = to_send(saved);
    for (field, value) in live {
        if !saved.contains_key(field) && !OMITTED.contains(&field.as_str()) {
            config.insert(field.clone(), value.clone());
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(of: Of, saved: Value, live: Value) -> Vec<String> {
        let map = |value: Value| value.as_object().unwrap().clone();
        let changes = differences(of, &map(saved), &map(live));
        changes.into_iter().map(|change| change.field).collect()
    }

    #[test]
    fn what_servers_add_is_no_difference() {
        let saved = json!({
            "name": "A", "subjects": ["a"], "max_msgs": 0, "description": "", "metadata": {},
            "mirror": null, "placement": { "tags": [] },
        });
        let live = json!({
            "name": "A", "subjects": ["a"], "max_msgs": -1, "num_replicas": 1, "storage": "file",
            "duplicate_window": 120_000_000_000_u64, "compression": "none", "a_new_thing": "default",
            "metadata": { "_nats.level": "1" }, "consumer_limits": {},
        });
        assert_eq!(fields(Of::Stream, saved, live), [""; 0]);
        let saved = json!({ "durable_name": "C", "ack_policy": "explicit" });
        let live = json!({
            "durable_name": "C", "name": "C", "ack_policy": "explicit", "ack_wait": 30_000_000_000_u64,
            "max_deliver": -1, "num_replicas": 0,
        });
        assert_eq!(fields(Of::Consumer, saved, live), [""; 0]);
    }

    #[test]
    fn what_a_user_changed_is_one() {
        let saved = json!({
            "subjects": ["a", "b"], "max_msgs": 5, "metadata": { "owner": "x", "_nats.ver": "1" },
            "max_age": 1, "storage": "memory",
        });
        let live = json!({
            "subjects": ["b", "a"], "max_msgs": -1, "metadata": { "owner": "y", "_nats.ver": "2" },
            "max_age": 1, "description": "new", "republish": { "dest": "x" },
        });
        assert_eq!(
            fields(Of::Stream, saved, live),
            [
                "subjects",
                "max_msgs",
                "metadata",
                "storage",
                "description",
                "republish"
            ]
        );
    }

    #[test]
    fn an_update_changes_nothing_else() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let saved = map(json!({ "name": "A", "metadata": { "_nats.ver": "1" } }));
        let live = map(json!({ "name": "A", "description": "gone", "a_new_thing": 7 }));
        assert_eq!(
            Value::Object(to_update(&saved, &live)),
            json!({ "name": "A", "a_new_thing": 7 })
        );
    }
}
