//! Writes S2 frames, full ones of 1 MiB: servers restore those faster than the small ones they write.
//! Compressing runs on a thread of its own, so that one core reads while the other compresses.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::frames::checksum;

/// How much a frame holds; servers read up to 4 MiB.
const FRAME: usize = 1 << 20;
/// So many full frames wait to be compressed.
const FRAMES_AHEAD: usize = 4;
const IDENTIFIER: &[u8] = b"\xff\x06\0\0S2sTwO";

/// Compresses what is written to it into frames.
pub(in super::super) struct FrameWriter<W> {
    content: Vec<u8>,
    /// None once it was finished, or has failed.
    frames: Option<SyncSender<Vec<u8>>>,
    compressor: Option<JoinHandle<io::Result<W>>>,
}

impl<W: Write + Send + 'static> FrameWriter<W> {
    pub(in super::super) fn begin(mut output: W) -> io::Result<Self> {
        let (send, frames) = sync_channel::<Vec<u8>>(FRAMES_AHEAD);
        let compress = move || {
            output.write_all(IDENTIFIER)?;
            while let Ok(content) = frames.recv() {
                write_frame(&mut output, &content)?;
            }
            output.flush()?;
            Ok(output)
        };
        let builder = thread::Builder::new().name(String::from("compress"));
        Ok(Self {
            content: Vec::with_capacity(FRAME),
            frames: Some(send),
            compressor: Some(builder.spawn(compress)?),
        })
    }

    fn send_frame(&mut self) -> io::Result<()> {
        let content = std::mem::replace(&mut self.content, Vec::with_capacity(FRAME));
        let sent = self.frames.as_ref().map(|frames| frames.send(content));
        match sent {
            Some(Ok(())) => Ok(()),
            // It has ended, and says why.
            Some(Err(_)) | None => self
                .end()
                .and(Err(io::Error::other("nobody writes any more"))),
        }
    }

    /// Waits until everything is written, and gives the output back.
    fn end(&mut self) -> io::Result<W> {
        self.frames = None;
        match self.compressor.take().map(JoinHandle::join) {
            Some(Ok(written)) => written,
            Some(Err(_)) => Err(io::Error::other("the compressor panicked")),
            None => Err(io::Error::other("it has failed before")),
        }
    }

    /// Writes what is left, and gives the output back.
    pub(in super::super) fn finish(mut self) -> io::Result<W> {
        if !self.content.is_empty() {
            self.send_frame()?;
        }
        self.end()
    }
}

fn write_frame(output: &mut impl Write, content: &[u8]) -> io::Result<()> {
    let packed = minlz::s2::encode(content);
    let (kind, data) = if packed.len() < content.len() {
        (0, &packed[..])
    } else {
        (1, content)
    };
    let length = u32::try_from(data.len() + 4).unwrap_or(u32::MAX);
    let [a, b, c, _] = length.to_le_bytes();
    output.write_all(&[kind, a, b, c])?;
    output.write_all(&checksum(content).to_le_bytes())?;
    output.write_all(data)
}

impl<W: Write + Send + 'static> Write for FrameWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = bytes.len().min(FRAME - self.content.len());
        self.content.extend_from_slice(&bytes[..part]);
        if self.content.len() == FRAME {
            self.send_frame()?;
        }
        Ok(part)
    }

    /// Frames are written when they are full; a flush would make small ones.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> Drop for FrameWriter<W> {
    fn drop(&mut self) {
        self.frames = None;
        if let Some(compressor) = self.compressor.take() {
            // Whoever drops it unfinished has failed already; but its file is closed when this returns.
            let _written = compressor.join();
        }
    }
}
