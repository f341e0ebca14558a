//! Archives without S2 frames: gzipped, as the `nats` CLI wrote them until 2021, or bare.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::super::defect::{Defect, Kind};
use super::Piece;
use super::frames::read_fully;

/// How much a piece holds.
const PIECE: usize = 256 << 10;

/// The decoded content of a gzip file, piece by piece.
pub(super) struct Unzipped<R> {
    input: MultiGzDecoder<R>,
    ended: bool,
}

impl<R: Read> Unzipped<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: MultiGzDecoder::new(input),
            ended: false,
        }
    }
}

impl<R: Read> Iterator for Unzipped<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut piece = Piece::default();
        let read = self
            .input
            .by_ref()
            .take(PIECE as u64)
            .read_to_end(&mut piece.bytes);
        let (kind, detail) = match read {
            Ok(0) => {
                self.ended = true;
                return None;
            }
            Ok(_) => return Some(Ok(piece)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                (Kind::CutOff, String::from("the file ends inside it"))
            }
            // Its own complaints have no number of the operating system.
            Err(error) if error.raw_os_error().is_none() => {
                (Kind::FrameChecksum, error.to_string())
            }
            Err(error) => {
                self.ended = true;
                return Some(Err(error));
            }
        };
        self.ended = true;
        piece
            .defects
            .push(Defect::new(kind, "the gzip data", detail));
        Some(Ok(piece))
    }
}

/// Bare content, piece by piece.
pub(super) struct Plain<R>(R);

impl<R: Read> Plain<R> {
    pub(super) fn new(input: R) -> Self {
        Self(input)
    }
}

impl<R: Read> Iterator for Plain<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = vec![0; PIECE];
        match read_fully(&mut self.0, &mut bytes) {
            Ok(0) => None,
            Ok(count) => {
                bytes.truncate(count);
                let defects = Vec::new();
                Some(Ok(Piece { bytes, defects }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
