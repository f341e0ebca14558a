//! What the commands without a server have in common: work on a thread of its own, progress, and
//! Ctrl-C, after which whatever was begun is removed before the program ends.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Map, Value};

use super::{Failure, interruption};
use crate::archive::{OnRead, is_name};
use crate::backup::{BackupError, Progress as _};
use crate::exit::Exit;
use crate::offline::OfflineError;
use crate::ui::{self, TransferProgress};

/// Carries work out on a thread of its own, and tells how far it is.
pub(super) async fn carry_out<T: Send + 'static>(
    doing: &'static str,
    no_progress: bool,
    work: impl FnOnce(OnRead) -> Result<T, OfflineError> + Send + 'static,
) -> Result<T, Failure> {
    let progress = Arc::new(TransferProgress::new(ui::can_draw(no_progress)));
    progress.phase(doing, None);
    let stopped = Arc::new(AtomicBool::new(false));
    let on_read = on_read(Arc::clone(&progress), Arc::clone(&stopped));
    let mut working = tokio::task::spawn_blocking(move || work(on_read));
    let done = tokio::select! {
        done = &mut working => done,
        () = interruption() => {
            // The next piece that is read ends it, and it cleans up after itself.
            stopped.store(true, Ordering::Relaxed);
            working.await
        }
    };
    progress.clear();
    let done = done.map_err(|panic| Failure::new(Exit::Unexpected, panic))?;
    if stopped.load(Ordering::Relaxed) && done.is_err() {
        return Err(BackupError::Interrupted.into());
    }
    Ok(done?)
}

/// Counts what was read, and ends the reading when it is to stop.
fn on_read(progress: Arc<TransferProgress>, stopped: Arc<AtomicBool>) -> OnRead {
    let total = AtomicU64::new(0);
    Arc::new(move |bytes| {
        let total = total.fetch_add(bytes, Ordering::Relaxed) + bytes;
        progress.done(total);
        if stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        Ok(())
    })
}

/// Reads a stream's configuration: as it is, or with `config` around it as in `backup.json`.
pub(super) fn read_config(path: Option<&Path>) -> Result<Option<Map<String, Value>>, Failure> {
    let Some(path) = path else {
        return Ok(None);
    };
    let wrong = |reason: String| {
        let what = path.display().to_string();
        Failure::from(OfflineError::Argument { what, reason })
    };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut config: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    if let Some(Value::Object(inner)) = config.remove("config") {
        config = inner;
    }
    if !config
        .get("name")
        .and_then(Value::as_str)
        .is_some_and(is_name)
    {
        return Err(wrong(String::from(
            "it is no stream's configuration: it has no name that a stream can have",
        )));
    }
    Ok(Some(config))
}

/// Tells what a backup lacks, and the exit code for that.
pub(super) fn tell_lacks(lacks: &[String]) -> Exit {
    for lack in lacks {
        ui::say(&format!("incomplete: {lack}"));
    }
    if lacks.is_empty() {
        Exit::Done
    } else {
        Exit::Incomplete
    }
}
