//! The block form of a stream: the files of its directory, in a tar or as they lie on disk.

mod compressed;
mod directory;
mod files;
mod hash;
mod index;
mod places;
mod record;
mod tar_read;
mod walk;
mod write;

pub(super) use directory::DirectoryFiles;
pub(super) use files::BlockFiles;
pub(super) use index::Index;
pub use places::{HeaderLength, header_lengths, payloads};
pub(super) use tar_read::TarFiles;
pub(super) use walk::walk;
pub(super) use write::{BlockSink, BlockWriter, DirectorySink, TarSink};

/// No server writes a larger file: blocks end at 8 MiB plus one message of at most 32 MiB. An index
/// grows with the subjects, and beyond this it is done without.
const LARGEST_FILE: u64 = 256 << 20;

/// Reads the records of a block, without their hashes.
#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    if let Ok(records) = compressed::plain(bytes, "fuzzed") {
        let _messages = record::Records::new(&records, "fuzzed", None).count();
    }
}
