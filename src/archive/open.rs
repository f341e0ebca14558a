//! An archive, wherever it is and whatever form it has: opened once, read as often as needed.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use super::block::{self, BlockFiles, DirectoryFiles, TarFiles};
use super::defect::{Defect, Level};
use super::entries;
use super::error::{ArchiveError, Result};
use super::form::Form;
use super::limits;
use super::message::Message;
use super::packing::{Packing, Unpacked};
use super::seeing::Seeing;
use super::sequences::Sequences;
use super::survey::{Survey, Surveyor};
use super::visitor::{Halt, Visitor, Walked, ended};

/// Told how many more bytes of an archive's files were read. An error ends the reading.
pub type OnRead = Arc<dyn Fn(u64) -> io::Result<()> + Send + Sync>;

/// An archive of one stream.
#[derive(Clone)]
pub struct Archive {
    source: Source,
    on_read: Option<OnRead>,
}

#[derive(Clone)]
enum Source {
    /// A file: S2 frames, gzip or nothing around a tar or a message archive.
    File(PathBuf),
    /// A stream's directory, as in a store or extracted from a tar.
    Directory(PathBuf),
    /// The bytes of a file.
    Memory(Bytes),
}

/// An archive that is being read.
pub(super) enum Reading {
    Directory(DirectoryFiles),
    Tar(Unpacked),
    Entries(Unpacked),
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::File(path) | Source::Directory(path) => {
                write!(f, "Archive({})", path.display())
            }
            Source::Memory(bytes) => write!(f, "Archive({} bytes)", bytes.len()),
        }
    }
}

impl Archive {
    /// The archive in a file, or in a stream's directory.
    ///
    /// # Errors
    /// When there is neither; what it holds is not looked at yet.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = ArchiveError::io(format!("opening {}", path.display()));
        let kind = fs::metadata(path).map_err(failed)?;
        let source = if kind.is_dir() {
            Source::Directory(path.to_owned())
        } else {
            Source::File(path.to_owned())
        };
        let on_read = None;
        Ok(Self { source, on_read })
    }

    /// An archive in memory.
    pub fn in_memory(bytes: impl Into<Bytes>) -> Self {
        Self {
            source: Source::Memory(bytes.into()),
            on_read: None,
        }
    }

    /// The same archive; how far a reading of it is, is told from the thread that reads.
    #[must_use]
    pub fn telling(&self, on_read: Option<&OnRead>) -> Self {
        Self {
            source: self.source.clone(),
            on_read: on_read.cloned(),
        }
    }

    /// Reads it to its end, and tells what is in it and everything that is wrong with it.
    ///
    /// Memory does not grow with the archive: a few pieces of it, at most one block, its
    /// consumers, and sets of sequences that grow with the gaps in the stream.
    ///
    /// # Errors
    /// Only when it can't be read: by us, or at all. Damage is in the survey.
    pub fn survey(&self, level: Level) -> Result<Survey> {
        let (mut reading, form, packing) = self.begin(level)?;
        let is_store = matches!(self.source, Source::Directory(_));
        let mut surveyor = Surveyor::new(form, packing, level, is_store);
        ended(reading.walk(&mut surveyor))?;
        let mut survey = surveyor.finish(reading.bytes());
        self.settle(&mut survey)?;
        Ok(survey)
    }

    /// Reads an archive to its end as it arrives, and shows every message on the way, those that
    /// turn out to be deleted too. What the survey leaves open, [`Archive::settle`] tells once the
    /// archive can be read again. `on_decoded` is told how much was decoded.
    ///
    /// # Errors
    /// As [`Archive::survey`].
    pub fn survey_arriving(
        input: impl Read + Send + 'static,
        level: Level,
        on_decoded: Option<OnRead>,
        see: &mut dyn FnMut(&Message<'_>),
    ) -> Result<Survey> {
        let (unpacked, packing) = Unpacked::begin(input, level >= Level::Checksums)?;
        let unpacked = unpacked.telling(on_decoded);
        let (mut reading, form, packing) = Reading::of(unpacked, packing)?;
        let surveyor = Surveyor::new(form, packing, level, false);
        let mut seeing = Seeing { surveyor, see };
        ended(reading.walk(&mut seeing))?;
        Ok(seeing.surveyor.finish(reading.bytes()))
    }

    /// Finds out what a survey that was made of this archive while it arrived could not know: what
    /// servers evict when they restore it.
    ///
    /// # Errors
    /// As [`Archive::survey`].
    pub fn settle(&self, survey: &mut Survey) -> Result<()> {
        if !survey.is_exact {
            limits::apply(self, survey)?;
        }
        Ok(())
    }

    /// The form it has, by its first bytes.
    ///
    /// # Errors
    /// When it can't be read at all.
    pub fn form(&self) -> Result<Form> {
        self.begin(Level::Structure).map(|(_, form, _)| form)
    }

    /// Reads the messages of a survey again, in the order of their sequences. Without one all that
    /// are written are read, which is what is alive in a message archive.
    ///
    /// # Errors
    /// At the first thing that is damaged, and those of `read`.
    pub fn messages(
        &self,
        live: Option<&Sequences>,
        read: &mut dyn FnMut(&Message<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (mut reading, ..) = self.begin(Level::Checksums)?;
        let stops = true;
        ended(reading.walk(&mut Reader { live, read, stops }))
    }

    /// Reads what can be read of the messages of a survey that found damage.
    ///
    /// # Errors
    /// When it can't be read at all, and those of `read`.
    pub fn readable_messages(
        &self,
        live: &Sequences,
        read: &mut dyn FnMut(&Message<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (mut reading, ..) = self.begin(Level::Checksums)?;
        let (live, stops) = (Some(live), false);
        ended(reading.walk(&mut Reader { live, read, stops }))
    }

    /// Opens it and tells its form.
    pub(super) fn begin(&self, level: Level) -> Result<(Reading, Form, Packing)> {
        let check = level >= Level::Checksums;
        let (unpacked, packing) = match &self.source {
            Source::Directory(path) => {
                let files = DirectoryFiles::open(path, self.on_read.clone())?;
                let files = Reading::Directory(files);
                return Ok((files, Form::Tar, Packing::None));
            }
            Source::File(path) => {
                let failed = ArchiveError::io(format!("opening {}", path.display()));
                let input = File::open(path).map_err(failed)?;
                Unpacked::begin(self.counted(input), check)?
            }
            Source::Memory(bytes) => Unpacked::begin(self.counted(bytes.clone().reader()), check)?,
        };
        Reading::of(unpacked, packing)
    }

    fn counted<R: Read>(&self, input: R) -> Counted<R> {
        Counted {
            input,
            on_read: self.on_read.clone(),
        }
    }
}

impl Reading {
    /// Tells the form of what was unpacked.
    fn of(mut unpacked: Unpacked, packing: Packing) -> Result<(Self, Form, Packing)> {
        // A first piece may be shorter than the magic, as a frame may be.
        let mut head = Vec::new();
        unpacked.peek(&mut head, entries::MAGIC.len())?;
        if head == entries::MAGIC {
            unpacked.consume(head.len());
            return Ok((Self::Entries(unpacked), Form::Message, packing));
        }
        if packing == Packing::None && unpacked.is_no_tar()? {
            let what = "this file";
            let detail = "it is neither S2, gzip, a message archive nor a tar";
            return Err(ArchiveError::unsupported(what, detail));
        }
        Ok((Self::Tar(unpacked), Form::Tar, packing))
    }

    /// The files of a block archive.
    pub(super) fn block_files(&mut self) -> Option<Box<dyn BlockFiles + '_>> {
        match self {
            Self::Directory(files) => Some(Box::new(files)),
            Self::Tar(unpacked) => Some(Box::new(TarFiles::new(unpacked))),
            Self::Entries(_) => None,
        }
    }

    fn walk(&mut self, visitor: &mut dyn Visitor) -> Walked {
        match self {
            Self::Directory(files) => block::walk(files, visitor),
            Self::Tar(unpacked) => block::walk(&mut TarFiles::new(unpacked), visitor),
            Self::Entries(unpacked) => entries::walk(unpacked, visitor),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Directory(files) => files.bytes(),
            Self::Tar(unpacked) | Self::Entries(unpacked) => unpacked.bytes(),
        }
    }
}

/// Passes live messages on.
struct Reader<'a> {
    live: Option<&'a Sequences>,
    /// Whether the first damage ends it.
    stops: bool,
    read: &'a mut dyn FnMut(&Message<'_>) -> Result<ControlFlow<()>>,
}

impl Visitor for Reader<'_> {
    fn level(&self) -> Level {
        Level::Checksums
    }

    fn defect(&mut self, defect: Defect) -> Walked {
        if self.stops && defect.is_damage() {
            return Err(Halt::Error(ArchiveError::Damaged(defect)));
        }
        Ok(())
    }

    fn message(&mut self, message: &Message<'_>) -> Walked {
        if self
            .live
            .is_some_and(|live| !live.contains(message.sequence))
        {
            return Ok(());
        }
        match (self.read)(message)? {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Enough),
        }
    }
}

/// Tells how much was read.
struct Counted<R> {
    input: R,
    on_read: Option<OnRead>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        if let Some(tell) = &self.on_read {
            tell(count as u64)?;
        }
        Ok(count)
    }
}
