//! Blocks that a server compressed as a whole on its disk (`compression: s2`).
//!
//! `cmp`, a byte for the algorithm, the original size as an integer of seven bits a byte; then the
//! block without its last eight bytes as S2 frames, and those eight bytes, which are the hash of
//! the last record, as they are (`CompressionInfo`, `StoreCompression.Compress` in `filestore.go`).

use std::borrow::Cow;

use super::super::cursor::Cursor;
use super::super::defect::{Defect, Kind};
use super::super::packing::decode_all;

const MAGIC: &[u8] = b"cmp";
const S2: u8 = 1;
const HASH_BYTES: usize = 8;
/// No block is larger when it is plain: 8 MiB and one record of 32 MiB.
const LARGEST: u64 = 64 << 20;

/// The records of a block, whether it was compressed or not.
pub(super) fn plain<'a>(content: &'a [u8], place: &str) -> Result<Cow<'a, [u8]>, Defect> {
    let Some([algorithm, rest @ ..]) = content.strip_prefix(MAGIC) else {
        return Ok(Cow::Borrowed(content));
    };
    let mut cursor = Cursor::new(rest);
    let size = cursor.uvarint();
    let Some((body, hash)) = cursor.rest().split_last_chunk::<HASH_BYTES>() else {
        return Err(Defect::new(
            Kind::CutOff,
            place,
            "it is compressed, and cut off",
        ));
    };
    if *algorithm != S2 {
        let detail = format!("it is compressed by algorithm {algorithm}, which is unknown");
        return Err(Defect::new(Kind::Record, place, detail));
    }
    let Some(size) = size.filter(|size| *size <= LARGEST) else {
        return Err(Defect::new(
            Kind::TooLarge,
            place,
            "it claims to be larger than any block",
        ));
    };
    let most = usize::try_from(size).unwrap_or(usize::MAX);
    match decode_all(body, most) {
        Some(mut plain) => {
            plain.extend(hash);
            Ok(Cow::Owned(plain))
        }
        None => {
            let detail = "it is compressed, and can't be decompressed";
            Err(Defect::new(Kind::FrameChecksum, place, detail))
        }
    }
}
