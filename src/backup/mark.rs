//! The mark of a stream that is being restored: a line of its metadata that goes when the stream was
//! compared. A restore that is killed can't delete what it began, and some servers keep that as a
//! stream that looks like any other; by the mark it is told apart from one that somebody wants.

use std::time::Duration;

use lifeboat_harness::wait::{Probe, pause_for, until};
use serde_json::{Map, Value, json};

use super::error::{BackupError, Result};
use crate::jetstream::{Connection, Presence};

/// The key in the stream's metadata. Its value is a subject that whoever restores listens to.
const KEY: &str = "lifeboat-restoring";
/// How long the mark may take to be removed.
const REMOVED_WITHIN: Duration = Duration::from_secs(30);
/// Somebody whose connection is lost for a moment is not gone.
const LOOKS: u32 = 3;
/// The pause between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A mark that is set, and whoever set it is here as long as this lives.
pub(super) struct Mark(Option<Presence>);

/// Takes a mark out of a configuration: one that a backup brought along is not ours.
pub(super) fn strip(config: &mut Map<String, Value>) {
    if let Some(Value::Object(metadata)) = config.get_mut("metadata") {
        metadata.remove(KEY);
        if metadata.is_empty() {
            config.remove("metadata");
        }
    }
}

impl Mark {
    /// Gets a mark ready. A sealed stream can't lose one again, and gets none.
    pub(super) async fn prepare(
        connection: &Connection,
        config: &Map<String, Value>,
    ) -> Result<Self> {
        if config.get("sealed") == Some(&Value::Bool(true)) {
            return Ok(Self(None));
        }
        let presence = connection
            .presence()
            .await
            .map_err(BackupError::request("getting ready to restore"))?;
        Ok(Self(Some(presence)))
    }

    /// The configuration with the mark in it.
    pub(super) fn put_on(&self, config: &Map<String, Value>) -> Map<String, Value> {
        let mut marked = config.clone();
        if let Some(presence) = &self.0 {
            let metadata = marked.entry("metadata").or_insert_with(|| json!({}));
            if !metadata.is_object() {
                *metadata = json!({});
            }
            metadata[KEY] = Value::from(presence.subject());
        }
        marked
    }

    /// Whether there is one.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a stream has this very mark, so that it is what this restore began. Of a sealed one
    /// that can't be told; it was made under a name that was free.
    pub(super) fn is_on(&self, config: &Value) -> bool {
        self.0.as_ref().is_none_or(|presence| {
            let value = config["metadata"].get(KEY).and_then(Value::as_str);
            value == Some(presence.subject())
        })
    }
}

/// Removes the mark: from now on it is a stream like any other.
pub(super) async fn remove(connection: &Connection, stream: &str) -> Result<()> {
    until(REMOVED_WITHIN, || async {
        // What it is configured as now: somebody may have changed it.
        let mut config = match connection.stream_info(stream).await {
            Ok(info) if !is_on(&info.config) => return Probe::Ready(()),
            Ok(info) => info.config,
            Err(error) => return Probe::Pending(error.to_string()),
        };
        if let Some(config) = config.as_object_mut() {
            strip(config);
        }
        match connection.update_stream(stream, &config).await {
            Ok(info) if !is_on(&info.config) => Probe::Ready(()),
            Ok(_) => Probe::Pending(String::from("the mark is still there")),
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await
    .map_err(|timed_out| BackupError::StillMarked {
        stream: stream.to_owned(),
        key: KEY,
        reason: timed_out.last_seen,
    })
}

/// Whether a stream's configuration has a mark.
pub(super) fn is_on(config: &Value) -> bool {
    config["metadata"].get(KEY).is_some()
}

/// Whether a stream has the mark of a restore of which nobody is there any more.
pub(super) async fn is_abandoned(connection: &Connection, config: &Value) -> bool {
    let Some(subject) = config["metadata"].get(KEY).and_then(Value::as_str) else {
        return false;
    };
    for look in 0..LOOKS {
        if look > 0 {
            pause_for(BETWEEN_LOOKS).await;
        }
        if connection.is_anybody_at(subject).await {
            return false;
        }
    }
    true
}
