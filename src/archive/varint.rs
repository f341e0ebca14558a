//! Integers of seven bits a byte, as Go's `binary` package writes and reads them.

/// What reading an unsigned integer gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uvarint {
    /// The integer.
    Value(u64),
    /// There was nothing to read.
    Nothing,
    /// The bytes ended inside it.
    CutOff,
    /// It has more than 64 bits.
    TooLong,
}

/// Reads an unsigned integer byte by byte (`binary.Uvarint`).
pub(super) fn read_uvarint<E>(
    mut next: impl FnMut() -> Result<Option<u8>, E>,
) -> Result<Uvarint, E> {
    let mut value = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let Some(byte) = next()? else {
            return Ok(match shift {
                0 => Uvarint::Nothing,
                _ => Uvarint::CutOff,
            });
        };
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(Uvarint::Value(value));
        }
    }
    Ok(Uvarint::TooLong)
}

/// Appends an unsigned integer (`binary.PutUvarint`).
pub(super) fn put_uvarint(into: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        into.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    into.push(u8::try_from(value).unwrap_or_default());
}

/// Appends a signed integer in zigzag form (`binary.PutVarint`).
pub(super) fn put_varint(into: &mut Vec<u8>, value: i64) {
    put_uvarint(into, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// A zigzag integer back from its unsigned form.
pub(super) fn unzigzag(raw: u64) -> i64 {
    let magnitude = (raw >> 1).cast_signed();
    if raw & 1 == 0 { magnitude } else { !magnitude }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Cursor;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN, 1_700_000_000_000] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            put_uvarint(&mut bytes, value.cast_unsigned());
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.varint(), Some(value));
            assert_eq!(cursor.uvarint(), Some(value.cast_unsigned()));
            assert!(cursor.is_empty());
        }
    }
}
