//! Both generations of a stream's archive: read, checked and written, offline. No network, no async.
//!
//! Servers to 2.14 write a stream as block files, and a backup as a tar of them. Servers from
//! 2.15 on write a backup as a message archive (`NATSARC1`, ADR-63). Either is wrapped in S2
//! frames, or in gzip. [`Archive`] tells them apart by content, and shows both as the same:
//! [`Archive::survey`] reads one to its end and tells what is in it and what is wrong with it,
//! [`Archive::messages`] reads its messages, [`write_tar`] and [`write_message_archive`] make one.
//!
//! From the outside in: `packing` (frames), `block` and `entries` (the two forms), `visitor` (what
//! both tell of), `survey` and `open` (who listens).

mod block;
mod consumer;
mod consumer_state;
mod cursor;
mod defect;
mod entries;
mod error;
mod figures;
mod form;
#[cfg(fuzzing)]
pub mod fuzzing;
mod layout;
mod limits;
mod message;
mod open;
mod packing;
mod seeing;
mod sequences;
mod stream_directory;
mod stream_state;
mod survey;
mod varint;
mod visitor;
mod write;

pub use block::{HeaderLength, header_lengths, payloads};
pub use consumer::{Consumer, ConsumerState, Pending};
pub use defect::{Defect, Defects, Kind, Level, Severity};
pub use error::{ArchiveError, Result};
pub use figures::{Figures, Sums};
pub use form::Form;
pub use layout::{ACCOUNT_FILE, BackupLayout, CONSUMERS_FILE, MANIFEST_FILE, METADATA_FILE};
pub use message::Message;
pub use open::{Archive, OnRead};
pub use packing::Packing;
pub use sequences::Sequences;
pub use stream_directory::{StreamDirectory, read_stream_directory};
pub use stream_state::{StreamState, time_text};
pub use survey::Survey;
pub use visitor::StreamMeta;

pub use write::{
    MessageArchiveWriter, Stream, copy_blocks, write_directory, write_gzipped,
    write_message_archive, write_tar,
};

pub(crate) use consumer::is_name;
