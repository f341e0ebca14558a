//! What a stream is before it is saved: asked first, for what an archive lacks can be told only by
//! those who knew it before.

use serde::Deserialize as _;
use serde_json::Value;

use super::error::{BackupError, Result};
use crate::archive::Survey;
use crate::jetstream::{Connection, ConsumerInfo, ConsumerList, StreamInfo};
use crate::model::meant;
use crate::offline::{SavedConsumer, Why};

/// A stream, before it is saved.
pub(super) struct Before {
    /// Its configuration, as the server gave it.
    pub(super) config: Value,
    /// Its state, as the server gave it.
    pub(super) state: Value,
    /// Both, as far as they are understood.
    pub(super) info: StreamInfo,
    /// Its consumers.
    pub(super) consumers: ConsumerList,
}

impl Before {
    /// Asks.
    pub(super) async fn look(connection: &Connection, stream: &str) -> Result<Self> {
        let asking = || BackupError::request(format!("looking at stream {stream}"));
        let answer = match connection.stream_answer(stream).await {
            Err(error) if error.is_stream_not_found() => {
                // It is told in any case; what was meant, when the names can be had.
                let names = connection.stream_names().await.unwrap_or_default();
                return Err(BackupError::NoSuchStream {
                    stream: stream.to_owned(),
                    hint: meant(stream, &names),
                });
            }
            answer => answer.map_err(asking())?,
        };
        let info = StreamInfo::deserialize(&answer).map_err(|error| BackupError::Io {
            what: format!("reading what the server says of stream {stream}"),
            source: error.into(),
        })?;
        if info.cluster.is_some() && info.leader().is_none() {
            return Err(BackupError::NoLeader {
                stream: stream.to_owned(),
            });
        }
        let consumers = connection.list_consumers(stream).await.map_err(asking())?;
        Ok(Self {
            config: answer["config"].clone(),
            state: answer["state"].clone(),
            info,
            consumers,
        })
    }

    /// Whether it is kept in memory, of which servers to 2.14 make no snapshot.
    pub(super) fn is_in_memory(&self) -> bool {
        self.config["storage"] == "memory"
    }
}

/// The consumers that an archive does not hold as they were.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Those it does not have at all, saved or not.
    pub(super) missing: Vec<String>,
    /// Those of which we know where they stood.
    pub(super) saved: Vec<SavedConsumer>,
}

/// Compares the consumers that there were with those in the archive. `names` are those that are
/// still there: one that went meanwhile is missing nowhere.
pub(super) fn compare_consumers(
    before: &ConsumerList,
    names: &[String],
    survey: &Survey,
) -> Difference {
    let mut difference = Difference::default();
    for info in &before.infos {
        let archived = survey.consumers.iter().find(|one| one.name == info.name);
        let Some(archived) = archived else {
            if names.contains(&info.name) {
                difference.missing.push(info.name.clone());
                difference.saved.push(saved(info, Why::LeftOut));
            }
            continue;
        };
        let state = &archived.state;
        if state.delivered.stream.max(state.ack_floor.stream) > survey.last_sequence {
            difference.saved.push(saved(info, Why::Ahead));
        } else if state.delivered.stream < info.delivered.stream {
            difference.saved.push(SavedConsumer {
                // It may have gone on between being asked and being saved.
                ack_floor: state.ack_floor,
                ..saved(info, Why::RolledBack)
            });
        }
    }
    for name in &before.silent {
        let is_archived = survey.consumers.iter().any(|one| one.name == *name);
        if !is_archived && names.contains(name) {
            difference.missing.push(name.clone());
        }
    }
    difference
}

/// A consumer as it was told.
pub(super) fn saved(info: &ConsumerInfo, why: Why) -> SavedConsumer {
    SavedConsumer {
        name: info.name.clone(),
        why,
        created: info.created.clone(),
        config: info.config.clone(),
        delivered: info.delivered,
        ack_floor: info.ack_floor,
        num_ack_pending: info.num_ack_pending,
    }
}
