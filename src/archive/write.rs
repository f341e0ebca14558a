//! Makes archives, of either form, from any stream whose messages can be read in order.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::block::{BlockSink, BlockWriter, DirectorySink, TarSink};
use super::consumer::Consumer;
use super::defect::{Defect, Level};
use super::entries::EntryWriter;
use super::error::{ArchiveError, Result};
use super::message::Message;
use super::open::{Archive, Reading};
use super::packing::FrameWriter;
use super::sequences::Sequences;
use super::stream_state::StreamState;
use super::visitor::StreamMeta;

/// A stream to be written: what it is, and where its messages are.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    /// Its metadata, with the name it is to have.
    pub meta: &'a StreamMeta,
    /// Its state; the first and last sequence and the last time matter.
    pub state: &'a StreamState,
    /// Its consumers.
    pub consumers: &'a [Consumer],
    /// Where its messages are read.
    pub source: &'a Archive,
    /// Which of them there are.
    pub live: &'a Sequences,
    /// The time of the last message, in nanoseconds since 1970.
    pub last_time_ns: i64,
    /// When the archive is made, in nanoseconds since 1970.
    pub made_at_ns: i64,
}

/// Writes a message archive in S2 frames. `see` is shown every message on the way.
///
/// # Errors
/// When the source is damaged, or the output can't be written.
pub fn write_message_archive<W>(
    stream: Stream<'_>,
    output: W,
    see: &mut dyn FnMut(&Message<'_>),
) -> Result<W>
where
    W: Write + Send + 'static,
{
    let mut writer = EntryWriter::begin(output, stream.state, stream.consumers, stream.made_at_ns)?;
    stream.source.messages(Some(stream.live), &mut |message| {
        see(message);
        writer.message(message)?;
        Ok(ControlFlow::Continue(()))
    })?;
    writer.finish()
}

/// Writes a tar of block files in S2 frames, which servers of every version restore. `see` is shown
/// every message on the way.
///
/// # Errors
/// When the source is damaged, a message is longer than a block can hold (32 MiB), or the output
/// can't be written.
pub fn write_tar<W>(stream: Stream<'_>, output: W, see: &mut dyn FnMut(&Message<'_>)) -> Result<W>
where
    W: Write + Send + 'static,
{
    let failed = || ArchiveError::io("writing the block archive");
    let frames = FrameWriter::begin(output).map_err(failed())?;
    let seconds = u64::try_from(stream.made_at_ns / 1_000_000_000).unwrap_or(0);
    let sink = write_blocks(stream, TarSink::new(frames, seconds), see)?;
    sink.finish()?.finish().map_err(failed())
}

/// Writes the files of a stream into an empty directory, as a standalone server keeps them. `see` is
/// shown every message on the way.
///
/// # Errors
/// As [`write_tar`].
pub fn write_directory(
    stream: Stream<'_>,
    directory: &Path,
    see: &mut dyn FnMut(&Message<'_>),
) -> Result<()> {
    let sink = DirectorySink::new(directory.to_owned());
    write_blocks(stream, sink, see).map(drop)
}

fn write_blocks<S: BlockSink>(
    stream: Stream<'_>,
    sink: S,
    see: &mut dyn FnMut(&Message<'_>),
) -> Result<S> {
    let mut writer = BlockWriter::begin(sink, stream.meta)?;
    stream.source.messages(Some(stream.live), &mut |message| {
        see(message);
        writer.message(message)?;
        Ok(ControlFlow::Continue(()))
    })?;
    writer.finish(stream.state.last_seq, stream.last_time_ns, stream.consumers)
}

/// Copies the blocks of a block archive into an empty directory, as they are, between metadata and
/// consumers that are written anew. Blocks are bound to the stream's name, which must be the same.
///
/// # Errors
/// At the first damage of the tar itself, and when it is no block archive.
pub fn copy_blocks(stream: Stream<'_>, directory: &Path) -> Result<()> {
    let (mut reading, form, _) = stream.source.begin(Level::Checksums)?;
    let Some(mut files) = reading.block_files() else {
        let detail = format!("a {form} has no blocks");
        return Err(ArchiveError::unsupported("copying blocks", detail));
    };
    let sink = DirectorySink::new(directory.to_owned());
    let mut writer = BlockWriter::begin(sink, stream.meta)?;
    let mut content = Vec::new();
    loop {
        let next = files.next(&mut content)?;
        if let Some(defect) = files.take_defects().into_iter().find(Defect::is_damage) {
            return Err(ArchiveError::Damaged(defect));
        }
        match next {
            Some((name, _)) => writer.copy(&name, &content)?,
            None => return writer.finish_copied(stream.consumers),
        }
    }
}

/// Writes the tar of a block archive again, in gzip instead of what it is wrapped in.
///
/// # Errors
/// When its frames are damaged, it is no tar, or the output can't be written.
pub fn write_gzipped<W: Write>(source: &Archive, output: W) -> Result<W> {
    let failed = || ArchiveError::io("writing the gzipped archive");
    let (reading, form, _) = source.begin(Level::Checksums)?;
    let Reading::Tar(mut tar) = reading else {
        let detail = format!("this {form} is no tar");
        return Err(ArchiveError::unsupported("gzip", detail));
    };
    let mut output = GzEncoder::new(output, Compression::default());
    loop {
        let content = tar.fill()?;
        let count = content.len();
        output.write_all(content).map_err(failed())?;
        tar.consume(count);
        if let Some(defect) = tar.take_defects().into_iter().find(Defect::is_damage) {
            return Err(ArchiveError::Damaged(defect));
        }
        if count == 0 {
            return output.finish().map_err(failed());
        }
    }
}

/// Writes a message archive in S2 frames whose messages come one by one, in rising order.
pub struct MessageArchiveWriter<W>(EntryWriter<W>);

impl<W: Write + Send + 'static> MessageArchiveWriter<W> {
    /// Begins the archive of a stream of that state with these consumers. `made_at_ns` is when.
    ///
    /// # Errors
    /// When the output can't be written; so with everything below.
    pub fn begin(
        output: W,
        state: &StreamState,
        consumers: &[Consumer],
        made_at_ns: i64,
    ) -> Result<Self> {
        EntryWriter::begin(output, state, consumers, made_at_ns).map(Self)
    }

    /// Adds a message.
    ///
    /// # Errors
    /// See [`MessageArchiveWriter::begin`].
    pub fn message(&mut self, message: &Message<'_>) -> Result<()> {
        self.0.message(message)
    }

    /// Closes the archive.
    ///
    /// # Errors
    /// See [`MessageArchiveWriter::begin`].
    pub fn finish(self) -> Result<W> {
        self.0.finish()
    }
}
