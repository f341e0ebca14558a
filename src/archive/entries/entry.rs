//! The entries of a message archive (`NATSARC1`, ADR-63, `server/archive/archive.go`).
//!
//! After eight bytes of magic come entries:
//! ```text
//! uvarint name length | varint time ns | uvarint sequence | uvarint header size
//! | uvarint payload size | name | headers | payload
//! ```
//! The first is `state.json`, then one `consumers/<name>` for each consumer it counts, then the
//! messages in the order of their sequences, and last an entry whose every field is zero.
//! Nothing but the S2 frames carries a checksum.

use super::super::defect::{Defect, Kind};
use super::super::error::ArchiveError;
use super::super::packing::Unpacked;
use super::super::varint::{Uvarint, put_uvarint, put_varint, read_uvarint, unzigzag};

/// The first decoded bytes of a message archive.
pub(in super::super) const MAGIC: &[u8] = b"NATSARC1";
/// The first entry.
pub(super) const STATE: &str = "state.json";
/// What the names of consumers begin with.
pub(super) const CONSUMERS: &str = "consumers/";
/// Servers accept a mebibyte (`maxNameLen`), and subjects of a block have 64 KiB.
const LONGEST_NAME: u64 = u16::MAX as u64;
/// No server takes a message this large; a length beyond it is damage, not data.
const LONGEST_PART: u64 = 64 << 20;
pub(super) const WHAT: &str = "the message archive";

/// What comes before an entry's content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    name_length: u64,
    pub(super) time_ns: i64,
    pub(super) sequence: u64,
    header_length: u64,
    payload_length: u64,
}

/// An entry, borrowed from where it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) time_ns: i64,
    pub(super) sequence: u64,
    pub(super) name: &'a [u8],
    pub(super) headers: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// Why there is no entry.
pub(super) enum Stop {
    /// It can't be read, nor what follows: where it would begin is unknown.
    Unreadable(Defect),
    /// The archive can't be read at all.
    Failed(ArchiveError),
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}

fn unreadable(kind: Kind, detail: impl Into<String>) -> Stop {
    Stop::Unreadable(Defect::new(kind, WHAT, detail))
}

impl Head {
    /// Reads a head.
    fn read(input: &mut Unpacked) -> Result<Self, Stop> {
        let Some(name_length) = uvarint(input)? else {
            let detail =
                "its closing entry is missing: it may have been cut off between two entries";
            return Err(unreadable(Kind::NotClosed, detail));
        };
        let mut next = || uvarint(input)?.ok_or_else(cut_off);
        let head = Self {
            name_length,
            time_ns: unzigzag(next()?),
            sequence: next()?,
            header_length: next()?,
            payload_length: next()?,
        };
        let longest = head.header_length.max(head.payload_length);
        if name_length > LONGEST_NAME || longest > LONGEST_PART {
            let detail = format!(
                "an entry with a name of {name_length} bytes, {} of headers and {} of payload",
                head.header_length, head.payload_length
            );
            return Err(unreadable(Kind::TooLarge, detail));
        }
        Ok(head)
    }

    /// Whether it is the closing entry, whose every field is zero.
    pub(super) fn is_end(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads the next entry, its content into the buffer.
pub(super) fn read(input: &mut Unpacked, content: &mut Vec<u8>) -> Result<Head, Stop> {
    let head = Head::read(input)?;
    content.clear();
    let length = head.name_length + head.header_length + head.payload_length;
    if input.read_into(content, length)? < length {
        return Err(cut_off());
    }
    Ok(head)
}

impl<'a> Entry<'a> {
    /// An entry of what was read.
    pub(super) fn of(head: Head, content: &'a [u8]) -> Self {
        let end = |length: u64| {
            usize::try_from(length)
                .unwrap_or(usize::MAX)
                .min(content.len())
        };
        let name = end(head.name_length);
        let headers = end(head.name_length + head.header_length);
        Self {
            time_ns: head.time_ns,
            sequence: head.sequence,
            name: &content[..name],
            headers: &content[name..headers],
            payload: &content[headers..],
        }
    }

    /// Appends its head and name; headers and payload follow as they are.
    pub(super) fn put_head(&self, into: &mut Vec<u8>) {
        put_uvarint(into, self.name.len() as u64);
        put_varint(into, self.time_ns);
        put_uvarint(into, self.sequence);
        put_uvarint(into, self.headers.len() as u64);
        put_uvarint(into, self.payload.len() as u64);
        into.extend_from_slice(self.name);
    }
}

/// Reads an integer; none when the archive ends before it.
fn uvarint(input: &mut Unpacked) -> Result<Option<u64>, Stop> {
    let next = || {
        let byte = input.fill()?.first().copied();
        input.consume(usize::from(byte.is_some()));
        Ok::<_, ArchiveError>(byte)
    };
    match read_uvarint(next)? {
        Uvarint::Value(value) => Ok(Some(value)),
        Uvarint::Nothing => Ok(None),
        Uvarint::CutOff => Err(cut_off()),
        Uvarint::TooLong => Err(unreadable(
            Kind::TooLarge,
            "an integer of more than 64 bits",
        )),
    }
}

fn cut_off() -> Stop {
    unreadable(Kind::CutOff, "it ends inside an entry")
}
