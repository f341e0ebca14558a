//! Both on-disk generations of a stream, read offline: no network, no async.
//!
//! Servers to 2.14 write a stream as block files, and a backup as a tar of them. Servers from
//! 2.15 on write a backup as a message archive (`NATSARC1`, ADR-63). Either is wrapped in S2
//! frames. [`read_archive`] tells them apart by content; [`read_stream_directory`] reads the
//! block files of a node's own store.

mod contents;
mod cursor;
mod error;
mod frames;
mod index;
mod layout;
mod message_archive;
mod record;
mod stream_directory;
mod tar_form;

pub mod consumer_state;

pub use contents::{Contents, Form, read_archive};
pub use error::{ArchiveError, Result};
pub use layout::{BackupLayout, MANIFEST_FILE, METADATA_FILE};
pub use record::{Record, Records};
pub use stream_directory::{StreamDirectory, read_stream_directory};
