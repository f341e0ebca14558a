//! The message form of a stream, `NATSARC1`: entries of messages and consumers instead of files.

mod entry;
mod walk;
mod write;

pub(super) use entry::MAGIC;
pub(super) use walk::walk;
pub(super) use write::EntryWriter;
