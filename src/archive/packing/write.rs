//! Writes S2 frames, full ones of 1 MiB: servers restore those faster than the small ones they write.

use std::io::{self, Write};

use super::frames::checksum;

/// How much a frame holds; servers read up to 4 MiB.
const FRAME: usize = 1 << 20;
const IDENTIFIER: &[u8] = b"\xff\x06\0\0S2sTwO";

/// Compresses what is written to it into frames.
pub(in super::super) struct FrameWriter<W: Write> {
    output: W,
    content: Vec<u8>,
    bytes: u64,
}

impl<W: Write> FrameWriter<W> {
    pub(in super::super) fn begin(mut output: W) -> io::Result<Self> {
        output.write_all(IDENTIFIER)?;
        Ok(Self {
            output,
            content: Vec::with_capacity(FRAME),
            bytes: 0,
        })
    }

    fn write_frame(&mut self) -> io::Result<()> {
        let content = std::mem::take(&mut self.content);
        let packed = minlz::s2::encode(&content);
        let (kind, data) = if packed.len() < content.len() {
            (0, &packed)
        } else {
            (1, &content)
        };
        let length = u32::try_from(data.len() + 4).unwrap_or(u32::MAX);
        let [a, b, c, _] = length.to_le_bytes();
        self.output.write_all(&[kind, a, b, c])?;
        self.output.write_all(&checksum(&content).to_le_bytes())?;
        self.output.write_all(data)?;
        self.bytes += content.len() as u64;
        self.content = content;
        self.content.clear();
        Ok(())
    }

    /// Writes what is left, and gives the output back.
    pub(in super::super) fn finish(mut self) -> io::Result<W> {
        if !self.content.is_empty() {
            self.write_frame()?;
        }
        self.output.flush()?;
        Ok(self.output)
    }
}

impl<W: Write> Write for FrameWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = bytes.len().min(FRAME - self.content.len());
        self.content.extend_from_slice(&bytes[..part]);
        if self.content.len() == FRAME {
            self.write_frame()?;
        }
        Ok(part)
    }

    /// Frames are written when they are full; a flush would make small ones.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
