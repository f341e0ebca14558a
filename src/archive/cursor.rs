//! Reads the integers of the server's formats from a byte slice, never past its end.

use std::convert::Infallible;

use super::varint::{Uvarint, read_uvarint, unzigzag};

/// A position in a slice. Every read says `None` when the slice ends too early.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// An unsigned integer of seven bits a byte, as Go's `binary.Uvarint` reads it.
    pub(super) fn uvarint(&mut self) -> Option<u64> {
        let next = || Ok::<_, Infallible>(self.array().map(|[byte]| byte));
        match read_uvarint(next) {
            Ok(Uvarint::Value(value)) => Some(value),
            Ok(Uvarint::Nothing | Uvarint::CutOff | Uvarint::TooLong) => None,
        }
    }

    /// A signed integer in zigzag form, as Go's `binary.Varint` reads it.
    pub(super) fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    /// Whether everything was read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_gos() {
        let all = |bytes: &[u8]| Cursor::new(bytes).uvarint();
        assert_eq!(all(&[0]), Some(0));
        assert_eq!(all(&[0xac, 0x02]), Some(300));
        assert_eq!(all(&[0xff; 9]), None);
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(all(&largest), Some(u64::MAX));
        assert_eq!(all(&[0xff; 10]), None);
        assert_eq!(Cursor::new(&[1]).varint(), Some(-1));
        assert_eq!(Cursor::new(&[2]).varint(), Some(1));
        assert_eq!(Cursor::new(&largest).varint(), Some(i64::MIN));
    }
}
