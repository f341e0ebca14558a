//! Writes a stream in block form: into a tar that every server restores, or into a directory that
//! a standalone server starts with.
//!
//! No `index.db` is written: servers rebuild it from the blocks. A sequence that holds no message
//! is simply not there, as after a server's own compaction; only at the end of the stream a record
//! says that it was used.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use serde_json::{Map, Value};
use tar::{Builder, EntryType, Header};

use super::super::consumer::Consumer;
use super::super::consumer_state;
use super::super::error::{ArchiveError, Result};
use super::super::message::Message;
use super::super::visitor::StreamMeta;
use super::files::FileName;
use super::hash::HashKey;
use super::record::{LONGEST, put_erased, put_message};

/// Where a block ends; what servers use for streams without limits is 8 MiB, for others less.
const BLOCK_BYTES: usize = 4 << 20;
/// Servers remember each missing sequence inside a block when they start, and none between blocks
/// (`maxDeletes` of `SkipMsgs`).
const LARGEST_GAP: u64 = 64 << 10;

/// Where the files of a stream go.
pub(in super::super) trait BlockSink {
    /// Writes one file.
    fn file(&mut self, name: &FileName, content: &[u8]) -> Result<()>;
}

/// Writes the files of a stream, block by block.
pub(in super::super) struct BlockWriter<S> {
    sink: S,
    stream: String,
    block: Vec<u8>,
    number: u64,
    key: HashKey,
    last_sequence: u64,
    last_time: i64,
}

impl<S: BlockSink> BlockWriter<S> {
    /// Begins a stream with its metadata.
    pub(in super::super) fn begin(mut sink: S, meta: &StreamMeta) -> Result<Self> {
        let content = metadata(&meta.config, meta.created.as_deref(), None)?;
        let sum = HashKey::of_stream(&meta.name).sum(&content);
        sink.file(&FileName::Meta, &content)?;
        sink.file(&FileName::MetaSum, sum.as_bytes())?;
        Ok(Self {
            sink,
            stream: meta.name.clone(),
            block: Vec::new(),
            number: 1,
            key: HashKey::of_block(&meta.name, 1),
            last_sequence: 0,
            last_time: 0,
        })
    }

    /// Adds a message; its sequence must be higher than those before.
    pub(in super::super) fn message(&mut self, message: &Message<'_>) -> Result<()> {
        let length = message.stored_bytes();
        let sequence = message.sequence;
        if length > LONGEST as u64 || u16::try_from(message.subject.len()).is_err() {
            let what = format!("message {sequence}");
            let detail =
                format!("{length} bytes are more than a block archive can hold as one record");
            return Err(ArchiveError::unsupported(what, detail));
        }
        self.make_room(sequence, usize::try_from(length).unwrap_or(LONGEST))?;
        put_message(&mut self.block, message, self.key);
        self.last_sequence = sequence;
        self.last_time = message.time_ns;
        Ok(())
    }

    /// Adds a block or the index of another archive of the same stream, as it is.
    pub(in super::super) fn copy(&mut self, name: &FileName, content: &[u8]) -> Result<()> {
        match name {
            FileName::Block(_) | FileName::Index => self.sink.file(name, content),
            FileName::Meta
            | FileName::MetaSum
            | FileName::ConsumerMeta(_)
            | FileName::ConsumerSum(_)
            | FileName::ConsumerState(_)
            | FileName::Errors
            | FileName::Key
            | FileName::Derived
            | FileName::Other => Ok(()),
        }
    }

    /// Ends a stream whose blocks were copied.
    pub(in super::super) fn finish_copied(mut self, consumers: &[Consumer]) -> Result<()> {
        consumers
            .iter()
            .try_for_each(|consumer| self.consumer(consumer))
    }

    /// Begins another block when this one is full, or the gap is too large to be in one.
    fn make_room(&mut self, sequence: u64, length: usize) -> Result<()> {
        let is_full = self.block.len() + length > BLOCK_BYTES;
        let gap = sequence.saturating_sub(self.last_sequence);
        if !self.block.is_empty() && (is_full || gap > LARGEST_GAP) {
            self.write_block()?;
        }
        Ok(())
    }

    fn write_block(&mut self) -> Result<()> {
        self.sink.file(&FileName::Block(self.number), &self.block)?;
        self.block.clear();
        self.number += 1;
        self.key = HashKey::of_block(&self.stream, self.number);
        Ok(())
    }

    /// Ends the stream at its last sequence, adds the consumers, and gives the sink back.
    pub(in super::super) fn finish(
        mut self,
        last_sequence: u64,
        last_time: i64,
        consumers: &[Consumer],
    ) -> Result<S> {
        if last_sequence > self.last_sequence {
            self.make_room(last_sequence, 0)?;
            let time = last_time.max(self.last_time);
            put_erased(&mut self.block, last_sequence, time, self.key);
        }
        // A stream without messages has a block as well, though an empty one.
        if !self.block.is_empty() || self.number == 1 {
            self.write_block()?;
        }
        for consumer in consumers {
            self.consumer(consumer)?;
        }
        Ok(self.sink)
    }

    fn consumer(&mut self, consumer: &Consumer) -> Result<()> {
        let Consumer {
            name,
            config,
            created,
            state,
        } = consumer;
        let content = metadata(config, created.as_deref(), Some(name))?;
        let sum = HashKey::of_consumer(&self.stream, name).sum(&content);
        let name = name.clone();
        self.sink
            .file(&FileName::ConsumerMeta(name.clone()), &content)?;
        self.sink
            .file(&FileName::ConsumerSum(name.clone()), sum.as_bytes())?;
        let state = consumer_state::encode(state);
        self.sink.file(&FileName::ConsumerState(name), &state)
    }
}

/// A `meta.inf` (`FileStreamInfo`, `FileConsumerInfo`): the configuration and what surrounds it.
fn metadata(
    config: &Map<String, Value>,
    created: Option<&str>,
    name: Option<&str>,
) -> Result<Vec<u8>> {
    let mut whole = config.clone();
    if let Some(created) = created {
        whole.insert(String::from("Created"), Value::from(created));
    }
    if let Some(name) = name {
        whole.insert(String::from("Name"), Value::from(name));
        whole.entry("name").or_insert_with(|| Value::from(name));
    }
    serde_json::to_vec(&whole).map_err(|error| ArchiveError::io("writing metadata")(error.into()))
}

/// Puts the files into a tar.
pub(in super::super) struct TarSink<W: Write> {
    tar: Builder<W>,
    time: u64,
}

fn failed() -> impl FnOnce(std::io::Error) -> ArchiveError {
    ArchiveError::io("writing the block archive")
}

impl<W: Write> TarSink<W> {
    /// Begins a tar whose files have that time, in seconds since 1970.
    pub(in super::super) fn new(output: W, time: u64) -> Self {
        Self {
            tar: Builder::new(output),
            time,
        }
    }

    /// Closes the tar and gives the output back.
    pub(in super::super) fn finish(self) -> Result<W> {
        self.tar.into_inner().map_err(failed())
    }
}

impl<W: Write> BlockSink for TarSink<W> {
    fn file(&mut self, name: &FileName, content: &[u8]) -> Result<()> {
        let Some(path) = name.path() else {
            return Ok(());
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.time);
        self.tar
            .append_data(&mut header, path, content)
            .map_err(failed())
    }
}

/// Puts the files into a directory, which must not have any of them.
pub(in super::super) struct DirectorySink {
    root: PathBuf,
}

impl DirectorySink {
    /// Writes into that directory.
    pub(in super::super) fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl BlockSink for DirectorySink {
    fn file(&mut self, name: &FileName, content: &[u8]) -> Result<()> {
        let Some(path) = name.path() else {
            return Ok(());
        };
        let path = self.root.join(path);
        let failed = || ArchiveError::io(format!("writing {}", path.display()));
        if let Some(parent) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(failed())?;
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed())?;
        file.write_all(content)
            .and_then(|()| file.sync_all())
            .map_err(failed())
    }
}
