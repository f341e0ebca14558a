//! A stream's own directory in a stopped node's store: what this replica really holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{ArchiveError, Result};
use super::index::Index;
use super::record::{Record, Records};
use crate::model::Fingerprint;

/// What a stream's directory holds.
#[derive(Debug, Default)]
pub struct StreamDirectory {
    /// The messages, in the order of their sequences.
    pub messages: Vec<Fingerprint>,
    /// What is wrong with it. A sound directory has nothing here.
    pub defects: Vec<ArchiveError>,
}

/// Reads a stream's directory. Every defect is reported, and whatever could be read all the same.
///
/// # Errors
/// Only when there is no directory to read.
pub fn read_stream_directory(directory: &Path, stream: &str) -> Result<StreamDirectory> {
    let blocks = list_blocks(&directory.join("msgs"))?;
    let mut found = BTreeMap::new();
    let mut defects = Vec::new();
    for (number, path) in blocks {
        match fs::read(&path) {
            Ok(bytes) => read_block(
                &mut found,
                &mut defects,
                Records::new(stream, number, &bytes),
            ),
            Err(error) => defects.push(ArchiveError::io(path.display().to_string())(error)),
        }
    }
    match read_index(&directory.join("msgs").join("index.db")) {
        Ok(None) => {}
        Ok(Some(index)) => {
            // Messages evicted from the head stay in their block until it is full of them.
            found = found.split_off(&index.first_sequence);
            let count = found.len() as u64;
            if count != index.messages {
                let detail = format!(
                    "it counts {} messages, the blocks hold {count}",
                    index.messages
                );
                defects.push(ArchiveError::damaged("index.db", detail));
            }
        }
        Err(error) => defects.push(error),
    }
    Ok(StreamDirectory {
        messages: found.into_values().collect(),
        defects,
    })
}

fn read_block(
    found: &mut BTreeMap<u64, Fingerprint>,
    defects: &mut Vec<ArchiveError>,
    records: Records<'_>,
) {
    for record in records {
        match record {
            Ok(Record::Message(message)) => {
                let sequence = message.sequence;
                if found.insert(sequence, message.fingerprint()).is_some() {
                    let detail = format!("sequence {sequence} is there twice");
                    defects.push(ArchiveError::damaged("the stream", detail));
                }
            }
            Ok(Record::Erased(_)) => {}
            Ok(Record::Tombstone(sequence)) => {
                found.remove(&sequence);
            }
            Err(error) => defects.push(error),
        }
    }
}

/// The block files of a directory by index, in order.
fn list_blocks(directory: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let failed = || ArchiveError::io(directory.display().to_string());
    let mut blocks = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".blk")?.parse().ok());
        if let Some(number) = number {
            blocks.push((number, path));
        }
    }
    blocks.sort();
    Ok(blocks)
}

/// The index of a directory; nothing when the server wrote none, as after a crash.
fn read_index(path: &Path) -> Result<Option<Index>> {
    match fs::read(path) {
        Ok(bytes) => Index::decode(&bytes).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ArchiveError::io(path.display().to_string())(error)),
    }
}
