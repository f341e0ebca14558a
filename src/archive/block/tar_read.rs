//! Reads the files of a tar, trusting nothing: not its paths, not its lengths, not its end.
//!
//! Blocks of 512 bytes: a header, then the file's content, padded. Servers write PAX headers
//! before each file for its time; those and GNU's long names are read, links and devices are not.
//! Two blocks of zeros close the tar, and what follows must be zeros as well.

use tar::{EntryType, Header, PaxExtensions};

use super::super::defect::{Defect, Kind};
use super::super::error::Result;
use super::super::packing::Unpacked;
use super::LARGEST_FILE;
use super::files::{BlockFiles, FileName};

const BLOCK: usize = 512;
/// What may come before a file to describe it.
const LARGEST_EXTENSION: u64 = 1 << 20;
/// So many defects of headers are told; a file of garbage has one every 512 bytes.
const MOST_BAD_HEADERS: usize = 20;
const WHAT: &str = "the tar";

/// The files of a tar.
pub(in super::super) struct TarFiles<'a> {
    input: &'a mut Unpacked,
    defects: Vec<Defect>,
    bad_headers: usize,
    ended: bool,
}

/// What extension headers said of the file that follows.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl<'a> TarFiles<'a> {
    pub(in super::super) fn new(input: &'a mut Unpacked) -> Self {
        Self {
            input,
            defects: Vec::new(),
            bad_headers: 0,
            ended: false,
        }
    }

    fn found(&mut self, kind: Kind, place: &str, detail: impl Into<String>) {
        self.defects.push(Defect::new(kind, place, detail));
    }

    /// The next header that is one; none at the end, however that came about.
    fn next_header(&mut self) -> Result<Option<Header>> {
        let mut block = Vec::with_capacity(BLOCK);
        loop {
            block.clear();
            let read = self.input.read_into(&mut block, BLOCK as u64)?;
            if read < BLOCK as u64 {
                let detail = if read == 0 {
                    "its closing zeros are missing: it may have been cut off between two files"
                } else {
                    "it ends inside a header"
                };
                self.found(Kind::NotClosed, WHAT, detail);
                return Ok(None);
            }
            if block.iter().all(|byte| *byte == 0) {
                self.close()?;
                return Ok(None);
            }
            let header = Header::from_byte_slice(&block).clone();
            if is_sound(&header, &block) {
                return Ok(Some(header));
            }
            self.bad_headers += 1;
            if self.bad_headers <= MOST_BAD_HEADERS {
                self.found(Kind::Entry, WHAT, "a header whose checksum is wrong");
            }
        }
    }

    /// After one block of zeros there must be another, and nothing else.
    fn close(&mut self) -> Result<()> {
        let mut zeros = BLOCK;
        loop {
            let at_hand = self.input.fill()?;
            if at_hand.is_empty() {
                break;
            }
            let count = at_hand.len();
            if at_hand.iter().any(|byte| *byte != 0) {
                self.found(
                    Kind::AfterTheEnd,
                    WHAT,
                    "something follows its closing zeros",
                );
                break;
            }
            zeros += count;
            self.input.consume(count);
        }
        if zeros < 2 * BLOCK {
            self.found(Kind::NotClosed, WHAT, "its closing zeros are cut off");
        }
        Ok(())
    }

    /// Reads what comes before a file to describe it.
    fn read_extension(&mut self, header: &Header, size: u64, next: &mut Extension) -> Result<()> {
        let kind = header.entry_type();
        if size > LARGEST_EXTENSION {
            self.found(
                Kind::TooLarge,
                WHAT,
                format!("an extension header of {size} bytes"),
            );
            return self.skip(size);
        }
        let mut content = Vec::new();
        self.read_content(&mut content, size, "an extension header")?;
        if kind == EntryType::GNULongName {
            while content.last() == Some(&0) {
                content.pop();
            }
            next.path = Some(content);
            return Ok(());
        }
        for record in PaxExtensions::new(&content) {
            match record.map(|record| (record.key_bytes(), record.value_bytes())) {
                Ok((b"path", path)) => next.path = Some(path.to_vec()),
                Ok((b"size", size)) => {
                    next.size = std::str::from_utf8(size)
                        .ok()
                        .and_then(|text| text.parse().ok());
                }
                Ok(_) => {}
                Err(_) => self.defects.push(Defect::new(
                    Kind::Entry,
                    WHAT,
                    "an extension header that can't be read",
                )),
            }
        }
        Ok(())
    }

    /// Reads the content of a file and its padding.
    fn read_content(&mut self, content: &mut Vec<u8>, size: u64, what: &str) -> Result<()> {
        content.clear();
        let read = self.input.read_into(content, size)?;
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let mut rest = Vec::new();
        self.input.read_into(&mut rest, padding)?;
        if read < size || (rest.len() as u64) < padding {
            self.found(
                Kind::CutOff,
                what,
                format!("{read} of its {size} bytes are there"),
            );
        } else if rest.iter().any(|byte| *byte != 0) {
            self.found(Kind::Entry, what, "its padding is not zero");
        }
        Ok(())
    }

    fn skip(&mut self, size: u64) -> Result<()> {
        let skipped = self.input.skip(
            size.checked_next_multiple_of(BLOCK as u64)
                .unwrap_or(u64::MAX),
        )?;
        if skipped < size {
            self.found(Kind::CutOff, WHAT, "it ends inside a file");
        }
        Ok(())
    }
}

impl BlockFiles for TarFiles<'_> {
    fn next(&mut self, content: &mut Vec<u8>) -> Result<Option<(FileName, String)>> {
        let mut extension = Extension::default();
        while !self.ended {
            let Some(header) = self.next_header()? else {
                self.ended = true;
                break;
            };
            let kind = header.entry_type();
            let size = extension
                .size
                .or(header.entry_size().ok())
                .unwrap_or(u64::MAX);
            if matches!(kind, EntryType::XHeader | EntryType::GNULongName) {
                self.read_extension(&header, size, &mut extension)?;
                continue;
            }
            let path = extension
                .path
                .take()
                .unwrap_or_else(|| header.path_bytes().into_owned());
            let path = String::from_utf8_lossy(&path).into_owned();
            let place = format!("`{}`", path.escape_default());
            let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous);
            if size > LARGEST_FILE {
                let kind = match FileName::of(&path) {
                    Ok(FileName::Index) => Kind::NoIndex,
                    Ok(_) | Err(_) => Kind::TooLarge,
                };
                self.found(
                    kind,
                    &place,
                    format!("a file of {size} bytes is too large to be read"),
                );
                self.skip(size)?;
            } else if !is_file {
                let detail = format!("an entry of type {kind:?}, where servers write files alone");
                self.found(Kind::Entry, &place, detail);
                self.skip(size)?;
            } else {
                self.read_content(content, size, &place)?;
                match FileName::of(&path) {
                    Ok(name) => return Ok(Some((name, path))),
                    Err(detail) => self.found(Kind::Entry, &place, detail),
                }
            }
            extension = Extension::default();
        }
        Ok(None)
    }

    fn take_defects(&mut self) -> Vec<Defect> {
        let mut defects = self.input.take_defects();
        defects.append(&mut self.defects);
        defects
    }

    fn is_store(&self) -> bool {
        false
    }
}

/// Whether a header's own checksum is right: the sum of its bytes, with spaces for the checksum.
fn is_sound(header: &Header, block: &[u8]) -> bool {
    let sum = block.iter().enumerate().map(|(at, byte)| {
        u32::from(if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        })
    });
    header
        .cksum()
        .is_ok_and(|stated| stated == sum.sum::<u32>())
}
