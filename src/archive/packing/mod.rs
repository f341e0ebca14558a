//! What is wrapped around an archive: S2 frames, gzip, or nothing; told apart by content.
//!
//! Decoding runs on a thread of its own, a few pieces ahead of whoever reads: so one core decodes
//! while the other hashes, and memory stays at a few pieces, whatever the archive's size.

mod frames;
mod gzip;
mod write;

use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use serde::Serialize;

use super::defect::Defect;
use super::error::{ArchiveError, Result};
use super::open::OnRead;

pub(super) use frames::decode_all;
pub(super) use write::FrameWriter;

/// So many pieces are decoded ahead, of up to 4 MiB each and mostly 1 MiB.
const PIECES_AHEAD: usize = 4;
/// How much is read from a file at once.
const READ_AT_ONCE: usize = 256 << 10;

/// What is wrapped around an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// S2 frames, or Snappy's, which are a part of S2.
    S2,
    /// gzip, as the `nats` CLI wrote `.tgz` files.
    Gzip,
    /// Nothing.
    None,
}

impl Packing {
    /// Tells by the first bytes.
    pub(super) fn of(head: &[u8]) -> Self {
        if head.starts_with(&[0xff, 6, 0, 0]) {
            Self::S2
        } else if head.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else {
            Self::None
        }
    }
}

/// A piece of decoded content, and what was found wrong on the way to it.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) defects: Vec<Defect>,
}

/// The decoded content of an archive, in order.
///
/// Damage does not end it where anything can be told of what follows: defects are collected and
/// must be asked for, best before anything that was read is believed.
pub(super) struct Unpacked {
    /// None when everything was received.
    pieces: Option<Receiver<io::Result<Piece>>>,
    decoder: Option<JoinHandle<()>>,
    piece: Vec<u8>,
    at: usize,
    defects: Vec<Defect>,
    bytes: u64,
    on_decoded: Option<OnRead>,
}

impl Unpacked {
    /// Begins to decode. `check` says whether checksums of frames are compared.
    pub(super) fn begin(
        packed: impl Read + Send + 'static,
        check: bool,
    ) -> Result<(Self, Packing)> {
        let mut packed = BufReader::with_capacity(READ_AT_ONCE, packed);
        let mut head = Vec::new();
        packed
            .by_ref()
            .take(4)
            .read_to_end(&mut head)
            .map_err(ArchiveError::io("reading the archive"))?;
        let packing = Packing::of(&head);
        let whole = io::Cursor::new(head).chain(packed);
        let (send, pieces) = sync_channel(PIECES_AHEAD);
        let decode = move || {
            let mut all: Box<dyn Iterator<Item = io::Result<Piece>>> = match packing {
                Packing::S2 => Box::new(frames::Frames::new(whole, check)),
                Packing::Gzip => Box::new(gzip::Unzipped::new(whole)),
                Packing::None => Box::new(gzip::Plain::new(whole)),
            };
            // Nobody reads any further: then there is nothing left to decode for.
            let _unread = all.try_for_each(|piece| send.send(piece));
        };
        let decoder = thread::Builder::new()
            .name(String::from("decode"))
            .spawn(decode)
            .map_err(ArchiveError::io("starting a thread"))?;
        let unpacked = Self {
            pieces: Some(pieces),
            decoder: Some(decoder),
            piece: Vec::new(),
            at: 0,
            defects: Vec::new(),
            bytes: 0,
            on_decoded: None,
        };
        Ok((unpacked, packing))
    }

    /// What was found wrong since the last time this was asked.
    pub(super) fn take_defects(&mut self) -> Vec<Defect> {
        std::mem::take(&mut self.defects)
    }

    /// Tells somebody how much is decoded, as it is read.
    pub(super) fn telling(mut self, on_decoded: Option<OnRead>) -> Self {
        self.on_decoded = on_decoded;
        self
    }

    /// How many bytes were decoded.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits for the decoder, which has nobody to decode for any more.
    fn end(&mut self) -> io::Result<()> {
        self.pieces = None;
        match self.decoder.take().map(JoinHandle::join) {
            // An end that is none must not be taken for one.
            Some(Err(_)) => Err(io::Error::other("the decoder panicked")),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// What is at hand, at least one byte of it unless everything was read.
    pub(super) fn fill(&mut self) -> Result<&[u8]> {
        while self.at == self.piece.len() {
            let next = match &self.pieces {
                Some(pieces) => pieces.recv(),
                None => return Ok(&[]),
            };
            let Ok(next) = next else {
                self.end()
                    .map_err(ArchiveError::io("reading the archive"))?;
                return Ok(&[]);
            };
            let next = next.map_err(ArchiveError::io("reading the archive"))?;
            self.bytes += next.bytes.len() as u64;
            if let Some(tell) = &self.on_decoded {
                let failed = ArchiveError::io("reading the archive");
                tell(next.bytes.len() as u64).map_err(failed)?;
            }
            self.defects.extend(next.defects);
            self.piece = next.bytes;
            self.at = 0;
        }
        Ok(&self.piece[self.at..])
    }

    /// Looks at so many bytes without passing over them, fewer at the end.
    pub(super) fn peek(&mut self, into: &mut Vec<u8>, count: usize) -> Result<()> {
        self.read_into(into, count as u64)?;
        // What was passed over is put back in front of what is left of its piece.
        let rest = self.piece.split_off(self.at.min(self.piece.len()));
        self.piece = [&into[..], &rest].concat();
        self.at = 0;
        Ok(())
    }

    /// Whether it begins with something long enough for a tar's header, and that is none.
    pub(super) fn is_no_tar(&mut self) -> Result<bool> {
        const HEADER: usize = 512;
        let at_hand = self.fill()?;
        let Some(header) = at_hand.get(..HEADER) else {
            return Ok(false);
        };
        let is_zero = header.iter().all(|byte| *byte == 0);
        Ok(!is_zero && !header[257..].starts_with(b"ustar"))
    }

    /// Passes over what is at hand.
    pub(super) fn consume(&mut self, count: usize) {
        self.at = self.piece.len().min(self.at + count);
    }

    /// Reads so many bytes, fewer at the end, and appends them. Memory grows with what really
    /// comes, not with what a length claims.
    pub(super) fn read_into(&mut self, into: &mut Vec<u8>, mut count: u64) -> Result<u64> {
        let mut read = 0;
        while count > 0 {
            let at_hand = self.fill()?;
            if at_hand.is_empty() {
                break;
            }
            let part = usize::try_from(count)
                .unwrap_or(usize::MAX)
                .min(at_hand.len());
            into.extend_from_slice(&at_hand[..part]);
            self.consume(part);
            read += part as u64;
            count -= part as u64;
        }
        Ok(read)
    }

    /// Passes over so many bytes, fewer at the end.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<u64> {
        let mut skipped = 0;
        while count > 0 {
            let at_hand = self.fill()?.len();
            if at_hand == 0 {
                break;
            }
            let part = usize::try_from(count).unwrap_or(usize::MAX).min(at_hand);
            self.consume(part);
            skipped += part as u64;
            count -= part as u64;
        }
        Ok(skipped)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // The file is closed when this returns. Who panicked has said so.
        let _ended = self.end();
    }
}
