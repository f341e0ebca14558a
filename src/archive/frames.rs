//! The S2 frames around an archive, looked at before they are decoded.
//!
//! The decoder passes over frames of types that it may skip (0x80 and above), and takes a frame
//! whose header is cut off for the end. So one changed bit in a frame's type would silently drop
//! what is in it. Servers write data frames alone, after the stream's identifier.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _};
use std::path::Path;

use super::error::{ArchiveError, Result};

/// The frame that begins a stream.
const IDENTIFIER: u8 = 0xff;
/// It holds `S2sTwO`.
const IDENTIFIER_LENGTH: i64 = 6;
/// The types of frames that carry data, compressed or not.
const DATA: std::ops::RangeInclusive<u8> = 0..=1;

/// Walks over the frames of a file.
///
/// # Errors
/// At a frame that is no data frame, and when the file ends inside a frame.
pub(super) fn check(path: &Path) -> Result<()> {
    let what = path.display().to_string();
    let file = File::open(path).map_err(ArchiveError::io(&what))?;
    let left = file.metadata().map_err(ArchiveError::io(&what))?.len();
    walk(BufReader::new(file), left, &what)
}

fn walk(mut file: BufReader<File>, mut left: u64, what: &str) -> Result<()> {
    while left > 0 {
        let mut header = [0; 4];
        file.read_exact(&mut header).map_err(|error| {
            if error.kind() == ErrorKind::UnexpectedEof {
                ArchiveError::truncated(what, "it ends inside the header of an S2 frame")
            } else {
                ArchiveError::io(what)(error)
            }
        })?;
        let [kind, length @ ..] = header;
        let length = i64::from(u32::from_le_bytes([length[0], length[1], length[2], 0]));
        let is_identifier = (kind, length) == (IDENTIFIER, IDENTIFIER_LENGTH);
        if !is_identifier && !DATA.contains(&kind) {
            let detail = format!("an S2 frame of type {kind:#04x} and {length} bytes");
            return Err(ArchiveError::damaged(what, detail));
        }
        left = left
            .checked_sub(4 + length.unsigned_abs())
            .ok_or_else(|| ArchiveError::truncated(what, "it ends inside an S2 frame"))?;
        file.seek_relative(length).map_err(ArchiveError::io(what))?;
    }
    Ok(())
}
