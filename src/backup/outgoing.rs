//! What a restore sends, as chunks: the archive as it is, or one that is written anew on the way, on
//! a thread of its own.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::error::{BackupError, Result};
use super::plan::RestorePlan;
use super::receive::ended;
use super::source::StreamBackup;
use crate::archive::Form;
use crate::offline::{ConvertOptions, Original};

/// So many chunks are made before they are sent.
const CHUNKS_AHEAD: usize = 8;

/// Chunks to be sent, and what the server is told before.
pub(super) struct Outgoing {
    /// The stream's state.
    pub(super) state: Value,
    /// How many bytes there will be, when that is known.
    pub(super) total: Option<u64>,
    source: Source,
}

enum Source {
    File(File),
    Rewritten(Box<Original>, Form),
}

impl Outgoing {
    /// Gets ready. A stream that is written anew may have to be read once before.
    pub(super) async fn prepare(backup: &StreamBackup, plan: &RestorePlan) -> Result<Self> {
        let path = backup.archive_path.clone();
        if plan.rewritten.is_none() {
            let file = File::open(&path).map_err(BackupError::io("reading", &path))?;
            let metadata = backup.look.metadata.as_ref();
            return Ok(Self {
                state: metadata.map_or(Value::Null, |metadata| metadata.state.clone()),
                total: file.metadata().ok().map(|meta| meta.len()),
                source: Source::File(file),
            });
        }
        let options = ConvertOptions {
            form: plan.form,
            rename: (plan.stream != backup.stream()).then(|| plan.stream.clone()),
            config: Some(plan.config.clone()),
            to_file: false,
            take_in_consumers: false,
        };
        let (look, mut survey) = (backup.look.clone(), backup.survey.clone());
        survey.consumers.clone_from(&plan.consumers);
        let reading =
            tokio::task::spawn_blocking(move || Original::of(&look, survey, &options, None));
        let original = ended(reading).await??;
        let state = serde_json::to_value(&original.state).map_err(|error| BackupError::Io {
            what: String::from("telling the stream's state"),
            source: error.into(),
        })?;
        Ok(Self {
            state,
            total: None,
            source: Source::Rewritten(Box::new(original), plan.form),
        })
    }

    /// Begins to make chunks, each of the size that is asked for at that moment.
    pub(super) fn begin(self, chunk_bytes: Arc<AtomicUsize>) -> Receiver<io::Result<Bytes>> {
        let (send, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let mut output = Chunks {
            send: send.clone(),
            chunk: Vec::new(),
            chunk_bytes,
        };
        tokio::task::spawn_blocking(move || {
            let made = match self.source {
                Source::File(mut file) => output.copy(&mut file).and_then(|()| output.end()),
                Source::Rewritten(original, form) => original
                    .write(form, output, &mut |_| {})
                    .map_err(io::Error::other)
                    .and_then(|mut output| output.end()),
            };
            if let Err(error) = made {
                // Nobody may be listening any more, which is an error here too.
                let _unheard = send.blocking_send(Err(error));
            }
        });
        chunks
    }
}

/// Makes chunks of what is written.
struct Chunks {
    send: Sender<io::Result<Bytes>>,
    chunk: Vec<u8>,
    chunk_bytes: Arc<AtomicUsize>,
}

impl Chunks {
    fn size(&self) -> usize {
        self.chunk_bytes.load(Ordering::Relaxed).max(1)
    }

    fn copy(&mut self, file: &mut File) -> io::Result<()> {
        loop {
            let size = self.size() as u64;
            let read = io::Read::by_ref(file)
                .take(size)
                .read_to_end(&mut self.chunk)?;
            if read == 0 {
                return Ok(());
            }
            self.end()?;
        }
    }

    /// Sends what is left.
    fn end(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.chunk));
        self.send
            .blocking_send(Ok(chunk))
            .map_err(|_| io::Error::other("nobody sends it any more"))
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.size().saturating_sub(self.chunk.len());
        let part = bytes.len().min(room.max(1));
        self.chunk.extend_from_slice(&bytes[..part]);
        if self.chunk.len() >= self.size() {
            self.end()?;
        }
        Ok(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
