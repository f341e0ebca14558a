//! Saving a stream message by message, where its server makes no snapshot of it: servers to 2.14
//! make none of streams that are kept in memory. The result is a message archive, as 2.15 writes it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use serde::Deserialize as _;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::Progress;
use super::before::{Before, saved};
use super::error::{BackupError, Result};
use super::receive::{Received, ended};
use crate::archive::{
    Archive, ArchiveError, Consumer, Level, MessageArchiveWriter, Sequences, StreamState,
};
use crate::jetstream::{Connection, read_messages};
use crate::model::StoredMessage;
use crate::offline::{Digesting, Why};

/// So many messages are read before they are written.
const MESSAGES_AHEAD: usize = 256;

/// Reads every message of a stream, and writes an archive of them.
pub(super) async fn read_out(
    connection: &Connection,
    stream: &str,
    before: &Before,
    with_consumers: bool,
    directory: &Path,
    progress: &Arc<dyn Progress>,
) -> Result<Received> {
    let unreadable = |error: serde_json::Error| BackupError::Io {
        what: format!("reading the state of stream {stream}"),
        source: error.into(),
    };
    let state = StreamState::deserialize(&before.state).map_err(unreadable)?;
    let asking = BackupError::request(format!("looking for what is deleted in {stream}"));
    let gone: Sequences = connection
        .deleted_sequences(stream)
        .await
        .map_err(asking)?
        .into_iter()
        .collect();
    let sequences = if state.messages == 0 {
        Sequences::default()
    } else {
        Sequences::between_without(state.first_seq, state.last_seq, &[&gone])
    };
    let consumers: Vec<Consumer> = if with_consumers {
        let infos = before.consumers.infos.iter();
        infos
            .map(|info| saved(info, Why::LeftOut).to_consumer(state.last_seq))
            .collect()
    } else {
        Vec::new()
    };
    let path = directory.join("received.s2");
    let file = File::create_new(&path).map_err(BackupError::io("creating", &path))?;
    let (send, messages) = mpsc::channel(MESSAGES_AHEAD);
    let writing = tokio::task::spawn_blocking(move || write(file, &state, &consumers, messages));
    let read = read_each(connection, stream, &sequences, &send, progress).await;
    drop(send);
    let written = ended(writing).await?;
    read?;
    let (sha256, bytes) = written?;
    let archive = Archive::open(&path)?;
    let survey = ended(tokio::task::spawn_blocking(move || {
        archive.survey(Level::Content)
    }))
    .await??;
    Ok(Received {
        path,
        bytes,
        sha256,
        survey,
    })
}

/// Reads messages and sends them to the writer.
async fn read_each(
    connection: &Connection,
    stream: &str,
    sequences: &Sequences,
    send: &mpsc::Sender<StoredMessage>,
    progress: &Arc<dyn Progress>,
) -> Result<()> {
    let mut stored = std::pin::pin!(read_messages(connection, stream, sequences.iter()));
    let mut bytes = 0;
    while let Some(message) = stored.next().await {
        let message = match message {
            Ok(message) => message,
            // It was removed meanwhile.
            Err(error) if error.is_message_not_found() => continue,
            Err(error) => {
                return Err(BackupError::request(format!("reading {stream}"))(error));
            }
        };
        // Go puts this where JSON can't hold what is there.
        if message.subject.contains(char::REPLACEMENT_CHARACTER) {
            return Err(BackupError::Unreadable {
                stream: stream.to_owned(),
                sequence: message.sequence,
                reason: String::from("its subject is not UTF-8, which JSON can't tell"),
            });
        }
        bytes += message.payload.len() as u64;
        if send.send(message).await.is_err() {
            // The writer tells why it ended.
            break;
        }
        progress.done(bytes);
    }
    Ok(())
}

fn write(
    file: File,
    state: &StreamState,
    consumers: &[Consumer],
    mut messages: mpsc::Receiver<StoredMessage>,
) -> Result<(String, u64), ArchiveError> {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos();
    let now = i64::try_from(now).unwrap_or(0);
    let output = Digesting::new(file);
    let mut writer = MessageArchiveWriter::begin(output, state, consumers, now)?;
    while let Some(message) = messages.blocking_recv() {
        writer.message(&(&message).into())?;
    }
    let (file, sha256, bytes) = writer.finish()?.finish();
    file.sync_all()
        .map_err(ArchiveError::io("syncing the archive"))?;
    Ok((sha256, bytes))
}
