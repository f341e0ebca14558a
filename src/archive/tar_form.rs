//! The tar of block files that servers to 2.14 write as a backup.
//!
//! In order: `meta.inf`, `meta.sum`, `msgs/<N>.blk`, perhaps `msgs/index.db`, then for every
//! consumer `obs/<name>/meta.inf`, `meta.sum` and `o.dat`. Block hashes are keyed by the
//! stream's name, which `meta.inf` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Deserialize;

use super::consumer_state;
use super::contents::{Contents, Form};
use super::error::{ArchiveError, Result};
use super::index::Index;
use super::record::{Record, Records};
use crate::model::ConsumerPosition;

/// Left by a server that could not read all of its stream (`errFile` in `filestore.go`).
const ERRORS_FILE: &str = "errors.txt";
/// No server writes a larger file into the tar: blocks end at 8 MiB plus one message.
const LARGEST_FILE: u64 = 128 << 20;
/// A tar ends with two of its blocks, all zero.
const TERMINATOR: usize = 1024;
const WHAT: &str = "the block archive";

#[derive(Deserialize)]
struct MetaFile {
    name: String,
    #[serde(default)]
    max_msgs_per_subject: i64,
}

/// Reads a whole tar.
pub(super) fn read(decoded: &mut impl Read) -> Result<Contents> {
    let mut contents = Contents {
        form: Form::Tar,
        messages: BTreeMap::new(),
        consumers: Vec::new(),
        last_sequence: 0,
        indexed_sequence: 0,
    };
    let mut tail = Tail::new(decoded);
    let mut meta: Option<MetaFile> = None;
    let mut index = None;
    let mut blocks = BTreeSet::new();
    let mut archive = tar::Archive::new(&mut tail);
    for entry in archive.entries().map_err(ArchiveError::io(WHAT))? {
        let mut entry = entry.map_err(ArchiveError::io(WHAT))?;
        let path = entry
            .path()
            .map_err(ArchiveError::io(WHAT))?
            .to_string_lossy()
            .into_owned();
        if entry.size() > LARGEST_FILE {
            let detail = format!("`{path}` has {} bytes", entry.size());
            return Err(ArchiveError::damaged(WHAT, detail));
        }
        let mut bytes = Vec::new();
        entry
            .read_to_end(&mut bytes)
            .map_err(ArchiveError::io(WHAT))?;
        if path == "meta.inf" {
            let read = serde_json::from_slice(&bytes)
                .map_err(|error| ArchiveError::damaged("meta.inf", error.to_string()))?;
            meta = Some(read);
        } else if path == ERRORS_FILE {
            let said = String::from_utf8_lossy(&bytes).into_owned();
            return Err(ArchiveError::damaged(
                WHAT,
                format!("the server wrote: {said}"),
            ));
        } else if path == "msgs/index.db" {
            index = Some(Index::decode(&bytes)?);
        } else if let Some(number) = block_index(&path) {
            let Some(meta) = &meta else {
                return Err(ArchiveError::damaged(WHAT, "blocks come before meta.inf"));
            };
            if !blocks.insert(number) {
                return Err(ArchiveError::damaged(
                    WHAT,
                    format!("block {number} comes twice"),
                ));
            }
            read_block(&mut contents, Records::new(&meta.name, number, &bytes))?;
        } else if let Some(consumer) = consumer_name(&path) {
            read_consumer(&mut contents, consumer, &path, &bytes)?;
        }
    }
    if !tail.ends_a_tar() {
        return Err(ArchiveError::truncated(
            WHAT,
            "its closing zeros are missing",
        ));
    }
    let Some(meta) = meta else {
        return Err(ArchiveError::damaged(WHAT, "it has no meta.inf"));
    };
    drop_evicted(&mut contents, index, meta.max_msgs_per_subject)?;
    Ok(contents)
}

/// Forgets messages that limits have removed. Unlike a deleted message, which leaves a
/// tombstone, an evicted one stays in its block as it was; only the index knows better.
fn drop_evicted(
    contents: &mut Contents,
    index: Option<Index>,
    most_per_subject: i64,
) -> Result<()> {
    contents.indexed_sequence = contents.last_sequence;
    let Some(index) = index else {
        return Ok(());
    };
    contents.indexed_sequence = index.last_sequence.max(contents.last_sequence);
    contents.messages = contents.messages.split_off(&index.first_sequence);
    if let Ok(most @ 1..) = usize::try_from(most_per_subject) {
        let mut newer = BTreeMap::<String, usize>::new();
        let mut evicted = Vec::new();
        for (sequence, message) in contents.messages.iter().rev() {
            let count = newer.entry(message.subject.clone()).or_default();
            *count += 1;
            if *count > most {
                evicted.push(*sequence);
            }
        }
        for sequence in evicted {
            contents.messages.remove(&sequence);
        }
    }
    // An index that is newer than the blocks counts messages that are not in them.
    let found = contents.messages.len() as u64;
    if index.last_sequence != contents.last_sequence || index.messages == found {
        return Ok(());
    }
    let detail = format!(
        "its index counts {} messages, its blocks hold {found}",
        index.messages
    );
    Err(if found < index.messages {
        ArchiveError::damaged(WHAT, detail)
    } else {
        ArchiveError::Unsupported {
            what: String::from(WHAT),
            detail: format!("{detail}: which of them are deleted can't be told yet"),
        }
    })
}

fn read_block(contents: &mut Contents, records: Records<'_>) -> Result<()> {
    for record in records {
        match record? {
            Record::Message(message) => {
                let sequence = message.sequence;
                contents.last_sequence = contents.last_sequence.max(sequence);
                contents.messages.insert(sequence, message.fingerprint());
            }
            Record::Erased(sequence) => {
                contents.last_sequence = contents.last_sequence.max(sequence);
            }
            Record::Tombstone(sequence) => {
                contents.messages.remove(&sequence);
            }
        }
    }
    Ok(())
}

/// A consumer without a state file yet stands at the beginning.
fn read_consumer(contents: &mut Contents, name: &str, path: &str, bytes: &[u8]) -> Result<()> {
    if contents
        .consumers
        .last()
        .is_none_or(|last| last.name != name)
    {
        contents.consumers.push(ConsumerPosition {
            name: name.to_owned(),
            ..ConsumerPosition::default()
        });
    }
    if path.ends_with("/o.dat")
        && let Some(last) = contents.consumers.last_mut()
    {
        *last = consumer_state::decode(name, bytes)?;
    }
    Ok(())
}

fn block_index(path: &str) -> Option<u64> {
    path.strip_prefix("msgs/")?
        .strip_suffix(".blk")?
        .parse()
        .ok()
}

fn consumer_name(path: &str) -> Option<&str> {
    path.strip_prefix("obs/")?.split('/').next()
}

/// Passes bytes on and remembers how many zeros the last ones were: the tar reader itself takes
/// an archive that was cut off between two files for a whole one.
struct Tail<R> {
    inner: R,
    zeros: usize,
}

impl<R: Read> Tail<R> {
    fn new(inner: R) -> Self {
        Self { inner, zeros: 0 }
    }

    /// Reads what is left and tells whether it all ended as a tar does.
    fn ends_a_tar(mut self) -> bool {
        let drained = std::io::copy(&mut self, &mut std::io::sink());
        drained.is_ok() && self.zeros >= TERMINATOR
    }
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = &buffer[..count];
        match read.iter().rposition(|byte| *byte != 0) {
            Some(last) => self.zeros = count - last - 1,
            None => self.zeros += count,
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    const META: (&str, &[u8]) = ("meta.inf", br#"{"name":"S"}"#);

    #[test]
    fn a_tar_cut_between_files_is_rejected() {
        let whole = tar(&[META, ("meta.sum", b"x"), ("obs/c/meta.inf", b"{}")]);
        let contents = read(&mut &whole[..]).unwrap();
        assert_eq!(contents.consumers[0].name, "c");
        for length in (0..whole.len()).step_by(512) {
            assert!(read(&mut &whole[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn an_error_left_by_the_server_is_an_error() {
        let said = read(&mut &tar(&[META, (ERRORS_FILE, b"could not read block")])[..]);
        assert!(
            said.unwrap_err()
                .to_string()
                .contains("could not read block")
        );
        let twice = tar(&[META, ("msgs/1.blk", b""), ("msgs/1.blk", b"")]);
        assert!(read(&mut &twice[..]).is_err());
    }
}
