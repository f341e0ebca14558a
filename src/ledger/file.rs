//! The ledger's file: a line of JSON per event, appended as it happens.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::event::{Event, Stamped};

/// The ledger can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file itself.
    #[error("can't {verb} the ledger {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A line that is no event.
    #[error("{}:{line}: not an event: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// A ledger being written. Events are stamped and ordered as they come in.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    began: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: BufWriter<File>,
    /// The first failure; the ledger is incomplete from then on.
    failed: Option<io::Error>,
}

impl Ledger {
    /// Begins a new ledger. The clock of its stamps starts now.
    ///
    /// # Errors
    /// When the file exists, or can't be made.
    pub fn create(path: &Path) -> Result<Self, LedgerError> {
        let file = File::create_new(path).map_err(|source| LedgerError::Io {
            verb: "create",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            began: Instant::now(),
            inner: Mutex::new(Inner {
                file: BufWriter::new(file),
                failed: None,
            }),
        })
    }

    /// Writes an event down. A failure to do so shows when the ledger is closed: a drill whose
    /// ledger is incomplete must not be judged.
    pub fn record(&self, event: Event) {
        let mut inner = self.lock();
        // Stamped under the lock, so that the order of lines is the order of stamps.
        let at_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let is_frequent = event.is_frequent();
        let written = serde_json::to_writer(&mut inner.file, &Stamped { at_us, event })
            .map_err(io::Error::from)
            .and_then(|()| inner.file.write_all(b"\n"))
            // Whatever ends the program, its ledger shows which step it was in.
            .and_then(|()| if is_frequent { Ok(()) } else { inner.file.flush() });
        if let Err(error) = written {
            inner.failed.get_or_insert(error);
        }
    }

    /// Hands everything written so far to the operating system.
    ///
    /// # Errors
    /// When any event could not be written.
    pub fn flush(&self) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        let flushed = inner.file.flush();
        inner
            .failed
            .take()
            .map_or(flushed, Err)
            .map_err(|source| LedgerError::Io {
                verb: "write",
                path: self.path.clone(),
                source,
            })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A line may be cut short by a panic, but then the drill is aborted anyway.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a ledger back.
///
/// # Errors
/// [`LedgerError::Line`] with the number of the first line that is no event.
pub fn read_ledger(path: &Path) -> Result<Vec<Stamped>, LedgerError> {
    match read_unfinished_ledger(path)? {
        (events, None) => Ok(events),
        (_, Some(cut)) => Err(cut),
    }
}

/// Reads what is whole of a ledger, whose run may have been killed while it wrote: what is wrong with
/// a last line that does not end is told beside the events.
///
/// # Errors
/// [`LedgerError::Line`] with the number of the first line that ends and is no event.
pub fn read_unfinished_ledger(
    path: &Path,
) -> Result<(Vec<Stamped>, Option<LedgerError>), LedgerError> {
    let failed = |source| LedgerError::Io {
        verb: "read",
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let (mut events, mut line) = (Vec::new(), Vec::new());
    for number in 1.. {
        line.clear();
        if file.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(event) => events.push(event),
            Err(source) => {
                let error = LedgerError::Line {
                    path: path.to_owned(),
                    line: number,
                    source,
                };
                if line.ends_with(b"\n") {
                    return Err(error);
                }
                return Ok((events, Some(error)));
            }
        }
    }
    Ok((events, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let ledger = Ledger::create(&path).unwrap();
        for number in 1..=3 {
            let text = format!("step {number}");
            ledger.record(Event::StepBegan { number, text });
        }
        ledger.flush().unwrap();
        let events = read_ledger(&path).unwrap();
        assert_eq!(events.len(), 3);
        assert!(events.is_sorted_by_key(|event| event.at_us));
        assert!(
            Ledger::create(&path).is_err(),
            "a ledger is never overwritten"
        );
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        std::fs::write(&path, "{\"at_us\":1,\"event\":\"ready\"}\n{\"at_us\":\n").unwrap();
        let message = read_ledger(&path).unwrap_err().to_string();
        assert!(message.contains("ledger.jsonl:2:"), "{message}");
        assert!(read_unfinished_ledger(&path).is_err(), "the line ends");
    }

    #[test]
    fn of_a_run_that_was_killed_what_is_whole_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        std::fs::write(
            &path,
            b"{\"at_us\":1,\"event\":\"ready\"}\n{\"at_us\":2,\xff",
        )
        .unwrap();
        let (events, cut) = read_unfinished_ledger(&path).unwrap();
        assert_eq!(events.len(), 1);
        let cut = cut.unwrap().to_string();
        assert!(cut.contains("ledger.jsonl:2:"), "{cut}");
        assert!(read_ledger(&path).is_err());
    }
}
