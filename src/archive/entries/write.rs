//! Writes a message archive: state, consumers, messages, the closing entry.

use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::consumer::{Consumer, ConsumerState};
use super::super::error::{ArchiveError, Result};
use super::super::message::Message;
use super::super::packing::FrameWriter;
use super::super::stream_state::StreamState;
use super::entry::{CONSUMERS, Entry, MAGIC, STATE};

/// Writes entries into S2 frames.
pub(in super::super) struct EntryWriter<W> {
    output: FrameWriter<W>,
    head: Vec<u8>,
    time_ns: i64,
}

#[derive(Serialize)]
struct WrittenConsumer<'a> {
    config: &'a Map<String, Value>,
    state: &'a ConsumerState,
}

fn failed() -> impl FnOnce(std::io::Error) -> ArchiveError {
    ArchiveError::io("writing the message archive")
}

impl<W: Write + Send + 'static> EntryWriter<W> {
    /// Begins an archive, of that state and these consumers. `time_ns` is when it is made.
    pub(in super::super) fn begin(
        output: W,
        state: &StreamState,
        consumers: &[Consumer],
        time_ns: i64,
    ) -> Result<Self> {
        let mut writer = Self {
            output: FrameWriter::begin(output).map_err(failed())?,
            head: Vec::new(),
            time_ns,
        };
        writer.output.write_all(MAGIC).map_err(failed())?;
        let state = StreamState {
            consumer_count: consumers.len() as u64,
            ..state.clone()
        };
        writer.json(STATE, &state)?;
        for consumer in consumers {
            let mut config = consumer.config.clone();
            // Servers take an ephemeral consumer's name from its configuration.
            config
                .entry("name")
                .or_insert_with(|| Value::from(&*consumer.name));
            let written = WrittenConsumer {
                config: &config,
                state: &consumer.state,
            };
            writer.json(&format!("{CONSUMERS}{}", consumer.name), &written)?;
        }
        Ok(writer)
    }

    fn json(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let payload = serde_json::to_vec(value).map_err(|error| failed()(error.into()))?;
        self.entry(&Entry {
            time_ns: self.time_ns,
            sequence: 0,
            name: name.as_bytes(),
            headers: b"",
            payload: &payload,
        })
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.head.clear();
        entry.put_head(&mut self.head);
        for part in [&self.head, entry.headers, entry.payload] {
            self.output.write_all(part).map_err(failed())?;
        }
        Ok(())
    }

    /// Adds a message; its sequence must be higher than those before.
    pub(in super::super) fn message(&mut self, message: &Message<'_>) -> Result<()> {
        self.entry(&Entry {
            time_ns: message.time_ns,
            sequence: message.sequence,
            name: message.subject,
            headers: message.headers,
            payload: message.payload,
        })
    }

    /// Closes the archive and gives the output back.
    pub(in super::super) fn finish(mut self) -> Result<W> {
        self.entry(&Entry {
            time_ns: 0,
            sequence: 0,
            name: b"",
            headers: b"",
            payload: b"",
        })?;
        self.output.finish().map_err(failed())
    }
}
