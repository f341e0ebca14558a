//! Receiving a snapshot: every chunk goes to a thread that writes it down and to one that decodes
//! and checks it, so that a backup is verified when its last chunk has come.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;

use super::Progress;
use super::error::{BackupError, Result};
use crate::archive::{Archive, Level, OnRead, Survey};
use crate::jetstream::Snapshot;
use crate::offline::Digesting;

/// So much may wait for the disk or for a core: more than a server sends unasked. Beyond that
/// chunks are not acknowledged, which holds the server back.
const BYTES_AHEAD: usize = 64 << 20;

/// After so many bytes the disk is given what there is.
const SYNC_EVERY: usize = 32 << 20;

/// An archive that was received, and what is in it.
pub(super) struct Received {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) survey: Survey,
}

/// Receives a snapshot into a file of that directory, and surveys it on the way.
pub(super) async fn receive(
    snapshot: &mut Snapshot,
    stream: &str,
    directory: &Path,
    chunk_bytes: usize,
    progress: &Arc<dyn Progress>,
) -> Result<Received> {
    let path = directory.join("received.s2");
    let file = File::create_new(&path).map_err(BackupError::io("creating", &path))?;
    let ahead = (BYTES_AHEAD / chunk_bytes.max(1)).clamp(4, 4096);
    let (to_disk, chunks) = mpsc::channel(ahead);
    let writing = tokio::task::spawn_blocking(move || write_down(file, chunks));
    let (to_survey, chunks) = mpsc::channel(ahead);
    let on_decoded = count_into(Arc::clone(progress));
    let surveying = tokio::task::spawn_blocking(move || {
        let input = Arriving::new(chunks);
        Archive::survey_arriving(input, Level::Content, Some(on_decoded), &mut |_| {})
    });
    let received = async {
        while let Some(chunk) = snapshot.next_chunk().await? {
            // One that has ended tells its reason below.
            let _ended = to_survey.send(chunk.clone()).await;
            if to_disk.send(chunk).await.is_err() {
                break;
            }
        }
        Ok(())
    }
    .await;
    drop((to_disk, to_survey));
    let written = ended(writing).await;
    let survey = ended(surveying).await;
    received.map_err(BackupError::request(format!("receiving {stream}")))?;
    let (sha256, bytes) = written?.map_err(BackupError::io("writing", &path))?;
    let mut survey = survey?.map_err(|defect| BackupError::Torn {
        stream: stream.to_owned(),
        defect,
    })?;
    if !survey.is_exact {
        let archive = Archive::open(&path)?;
        survey = ended(tokio::task::spawn_blocking(move || {
            archive.settle(&mut survey).map(|()| survey)
        }))
        .await??;
    }
    Ok(Received {
        path,
        bytes,
        sha256,
        survey,
    })
}

/// Waits for a thread, which must not panic unseen.
pub(super) async fn ended<T>(thread: JoinHandle<T>) -> Result<T> {
    thread.await.map_err(|error| BackupError::Io {
        what: String::from("working on the archive"),
        source: io::Error::other(error),
    })
}

/// Writes chunks to a file, and the file to disk: that is begun while more comes, so that little is
/// left to wait for at the end.
fn write_down(file: File, mut chunks: Receiver<Bytes>) -> io::Result<(String, u64)> {
    let to_sync = file.try_clone()?;
    thread::scope(|scope| {
        let (enough, more) = std::sync::mpsc::sync_channel(1);
        let syncing = scope.spawn(move || {
            while more.recv().is_ok() {
                to_sync.sync_data()?;
            }
            Ok(())
        });
        let mut output = Digesting::new(file);
        let mut unsynced = 0;
        while let Some(chunk) = chunks.blocking_recv() {
            output.write_all(&chunk)?;
            unsynced += chunk.len();
            // When the disk is still busy with the last part, the next will be larger.
            if unsynced >= SYNC_EVERY && enough.try_send(()).is_ok() {
                unsynced = 0;
            }
        }
        drop(enough);
        let synced = syncing.join();
        synced.unwrap_or_else(|_| Err(io::Error::other("the thread that syncs panicked")))?;
        let (file, sha256, bytes) = output.finish();
        file.sync_all()?;
        Ok((sha256, bytes))
    })
}

/// Adds up how much was decoded.
fn count_into(progress: Arc<dyn Progress>) -> OnRead {
    let decoded = AtomicU64::new(0);
    Arc::new(move |bytes| {
        progress.done(decoded.fetch_add(bytes, Ordering::Relaxed) + bytes);
        Ok(())
    })
}

/// The chunks as one input.
pub(super) struct Arriving {
    chunks: Receiver<Bytes>,
    chunk: Bytes,
}

impl Arriving {
    pub(super) fn new(chunks: Receiver<Bytes>) -> Self {
        let chunk = Bytes::new();
        Self { chunks, chunk }
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let count = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
