//! A stream's data beside its configuration: the tar that old servers snapshot, gzipped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{ConfigurationError, Result};
use super::file;
use crate::archive::{Archive, BackupLayout, Form, Level, OnRead, write_gzipped};
use crate::backup::{BackupOptions, BackupSummary, Progress, back_up_stream};
use crate::jetstream::Connection;
use crate::offline::{ConvertOptions, Look, OfflineError, Staging, Verdict, convert, verify};

/// A stream's data in a file.
pub(super) struct Packed {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) lacks: Vec<String>,
    pub(super) remarks: Vec<String>,
}

/// Saves a stream's data into a file that must not be there. `target` is where all of it will be:
/// what is needed only meanwhile is beside it, hidden.
pub(super) async fn save_data(
    connection: &Connection,
    stream: &str,
    path: &Path,
    target: &Path,
    progress: &Arc<dyn Progress>,
) -> Result<Packed> {
    let work = Staging::begin(target)?;
    let backup = work.path().join("backup");
    let options = BackupOptions::default();
    let taken = back_up_stream(connection, stream, &backup, options, Arc::clone(progress)).await?;
    progress.phase("packing", None);
    let ends_reading = EndsReading::default();
    let on_read = ends_reading.on_read();
    let path = path.to_owned();
    // What it works in goes along: it is removed when the work has ended, and not before.
    let packing = move || pack(&work, &taken, &path, &on_read);
    match tokio::task::spawn_blocking(packing).await {
        Ok(packed) => packed,
        Err(error) => Err(ConfigurationError::Io {
            what: format!("packing the data of stream {stream}"),
            source: std::io::Error::other(error),
        }),
    }
}

/// Packs a backup, reads what was packed back, and compares the two.
fn pack(work: &Staging, taken: &BackupSummary, path: &Path, on_read: &OnRead) -> Result<Packed> {
    let manifest = &taken.manifest;
    // Written anew: a file has no place beside it for what an archive of a stream in use does not hold
    // as it was, consumers and an index that was saved later.
    let tar = work.path().join("tar");
    let options = ConvertOptions {
        form: Form::Tar,
        rename: None,
        config: None,
        to_file: false,
        take_in_consumers: true,
    };
    let tar = convert(&Look::at(&taken.directory)?, &tar, &options, Some(on_read))?.directory;
    let archive = BackupLayout::at(tar).archive(Form::Tar);
    let archive = Archive::open(&archive).map_err(OfflineError::from)?;
    let file = file::create(path)?;
    let file = write_gzipped(&archive.telling(Some(on_read)), file).map_err(OfflineError::from)?;
    let failed = || ConfigurationError::io("writing", path);
    file.sync_all().map_err(failed())?;
    let bytes = file.metadata().map_err(failed())?.len();
    let report = verify(&Look::at(path)?, Level::Content, Some(on_read))?;
    let found = report.read.map_or(0, |read| read.messages);
    if report.verdict != Verdict::Sound || found != manifest.messages {
        let stream = &manifest.stream;
        let had = manifest.messages;
        return Err(ConfigurationError::Offline(OfflineError::Differs {
            difference: match report
                .defects
                .kept()
                .iter()
                .max_by_key(|defect| defect.severity)
            {
                Some(defect) => format!("the .tgz of stream {stream}: {defect}"),
                None => format!("{found} of the {had} messages of stream {stream} are in its .tgz"),
            },
        }));
    }
    Ok(Packed {
        messages: found,
        bytes,
        lacks: taken.lacks(),
        remarks: taken.remarks(),
    })
}

/// Ends the reading on another thread when whoever waits for it waits no more.
#[derive(Default)]
struct EndsReading(Arc<AtomicBool>);

impl EndsReading {
    fn on_read(&self) -> OnRead {
        let ended = Arc::clone(&self.0);
        Arc::new(move |_| {
            if ended.load(Ordering::Relaxed) {
                return Err(std::io::Error::other("interrupted"));
            }
            Ok(())
        })
    }
}

impl Drop for EndsReading {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
