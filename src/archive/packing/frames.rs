//! S2 frames: type, length in three bytes, then a masked CRC-32C and the data, compressed or not.
//!
//! Readers of S2 pass over frames of types that they need not know (0x80 and above), and take a
//! frame whose header is cut off for the end. So one changed bit in a frame's type would silently
//! drop what is in it. Servers write data frames alone, after the stream's identifier, and
//! anything else is a defect here.

use std::io::{self, Read};

use super::super::defect::{Defect, Kind};
use super::Piece;

/// The frame that begins a stream of frames.
const IDENTIFIER: u8 = 0xff;
/// What it holds: S2's own, or that of Snappy, which is a part of S2.
const NAMES: [&[u8]; 2] = [b"S2sTwO", b"sNaPpY"];
const COMPRESSED: u8 = 0;
const PLAIN: u8 = 1;
/// What S2 allows a frame to hold when it is decoded.
const LARGEST: usize = 4 << 20;
const CRC_BYTES: usize = 4;

/// The checksum of a frame's decoded data, masked as Snappy's framing format says.
pub(super) fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// The frames of a stream, decoded one by one.
pub(super) struct Frames<R> {
    input: R,
    check: bool,
    number: u64,
    offset: u64,
    ended: bool,
    data: Vec<u8>,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(input: R, check: bool) -> Self {
        Self {
            input,
            check,
            number: 0,
            offset: 0,
            ended: false,
            data: Vec::new(),
        }
    }

    /// A defect of the frame at hand.
    fn defect(&self, kind: Kind, detail: impl Into<String>) -> Defect {
        let place = format!("frame {} at byte {}", self.number, self.offset);
        Defect::new(kind, place, detail)
    }

    fn ends(&mut self, detail: &str) -> Piece {
        self.ended = true;
        Piece {
            bytes: Vec::new(),
            defects: vec![self.defect(Kind::CutOff, detail)],
        }
    }

    fn next_frame(&mut self) -> io::Result<Option<Piece>> {
        let mut header = [0; 4];
        match read_fully(&mut self.input, &mut header)? {
            0 => {
                self.ended = true;
                return Ok(None);
            }
            4 => {}
            _ => return Ok(Some(self.ends("the file ends inside the frame's header"))),
        }
        let [kind, length @ ..] = header;
        let length = u32::from_le_bytes([length[0], length[1], length[2], 0]) as usize;
        self.data.clear();
        let mut data = std::mem::take(&mut self.data);
        let read = self
            .input
            .by_ref()
            .take(length as u64)
            .read_to_end(&mut data)?;
        let piece = if read < length {
            self.ends("the file ends inside the frame")
        } else {
            self.decode(kind, &data)
        };
        self.data = data;
        self.offset += 4 + length as u64;
        self.number += 1;
        Ok(Some(piece))
    }

    fn decode(&self, kind: u8, data: &[u8]) -> Piece {
        let mut piece = Piece::default();
        if self.number == 0 && kind != IDENTIFIER {
            let detail = "the first frame does not say that this is S2";
            piece.defects.push(self.defect(Kind::Frame, detail));
        }
        match (kind, data) {
            (IDENTIFIER, name) if NAMES.contains(&name) => {}
            (COMPRESSED | PLAIN, data) if data.len() >= CRC_BYTES => {
                let (crc, data) = data.split_at(CRC_BYTES);
                match unpack(kind, data) {
                    Ok(bytes) => {
                        if self.check && checksum(&bytes).to_le_bytes() != crc {
                            let detail = "its checksum (CRC-32C) is wrong";
                            piece.defects.push(self.defect(Kind::FrameChecksum, detail));
                        }
                        piece.bytes = bytes;
                    }
                    Err(bytes) => {
                        let detail = "its data can't be decoded";
                        piece.defects.push(self.defect(Kind::Frame, detail));
                        piece.bytes = bytes;
                    }
                }
            }
            (kind, data) => {
                let detail = format!("its type is {kind:#04x}, of {} bytes", data.len());
                piece.defects.push(self.defect(Kind::Frame, detail));
            }
        }
        piece
    }
}

/// Decodes the data of a frame. What can't be decoded is replaced by as many zeros, when it says
/// how many there should be, so that what follows stays in its place.
fn unpack(kind: u8, data: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    if kind == PLAIN {
        return if data.len() <= LARGEST {
            Ok(data.to_vec())
        } else {
            Err(Vec::new())
        };
    }
    let length = match minlz::s2::decode_len(data) {
        Ok((length, _)) if length <= LARGEST => length,
        Ok(_) | Err(_) => return Err(Vec::new()),
    };
    minlz::s2::decode(data).map_err(|_| vec![0; length])
}

impl<R: Read> Iterator for Frames<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_frame();
        if next.is_err() {
            self.ended = true;
        }
        next.transpose()
    }
}

/// Reads as much as there is, up to the buffer's length.
pub(super) fn read_fully(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Decodes frames that are in memory as a whole, up to so many bytes; none when anything is wrong.
pub(in super::super) fn decode_all(data: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    for piece in Frames::new(data, true) {
        let piece = piece.ok()?;
        if !piece.defects.is_empty() || all.len() + piece.bytes.len() > most {
            return None;
        }
        all.extend(piece.bytes);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        minlz::s2::Writer::new(&mut packed)
            .write_all(content)
            .unwrap();
        packed
    }

    #[test]
    fn every_cut_inside_a_frame_is_noticed() {
        let whole = packed(&b"some content".repeat(20));
        assert_eq!(
            decode_all(&whole, 1 << 20).unwrap(),
            b"some content".repeat(20)
        );
        for length in 1..whole.len() {
            // Between identifier and data there is nothing wrong with it, but nothing in it.
            let read = decode_all(&whole[..length], 1 << 20);
            assert!(read.is_none_or(|read| read.is_empty()), "cut at {length}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_keeps_its_place() {
        let content = b"0123456789".repeat(100);
        let mut bytes = packed(&content);
        let last = bytes.len() - 1;
        bytes[last] = 0xff;
        let pieces: Vec<_> = Frames::new(&bytes[..], true).map(Result::unwrap).collect();
        let length: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
        assert_eq!(length, content.len());
        assert_eq!(pieces.iter().flat_map(|piece| &piece.defects).count(), 1);
    }

    #[test]
    fn a_length_beyond_what_s2_allows_is_not_believed() {
        // A frame of eight bytes that claims to hold 4 GiB.
        let mut bytes = packed(b"");
        bytes.clear();
        bytes.extend([0xff, 6, 0, 0]);
        bytes.extend(NAMES[0]);
        bytes.extend([0, 9, 0, 0, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(decode_all(&bytes, usize::MAX).is_none());
    }
}
