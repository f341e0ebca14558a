//! The directory a cluster lives in: gone when the cluster is, also after SIGKILL of its owner.
//!
//! Three things see to that. Dropping it removes it. A watchdog process, which waits for its
//! standard input to close, removes it when the owner died without dropping anything. And
//! every new directory first sweeps those whose owner is gone, should the watchdog have been
//! killed as well. A directory that is kept as evidence is marked, and none of the three touches it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result, io_error};

/// How scratch directories are called, so that a sweep recognises them.
const PREFIX: &str = "lifeboat-cluster-";
/// Held locked by the owner for as long as it lives.
const LOCK_FILE: &str = "owner.lock";
/// Marks a directory that must stay.
const KEPT_FILE: &str = "KEPT";
/// A directory without a lock file this young may be about to get one.
const SETTLING: Duration = Duration::from_secs(60);

/// Waits until the owner is gone, then removes the directory unless it is marked as kept.
/// Servers that are just being killed may still write, hence the tries.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM QUIT
while read -r _; do :; done
[ -e "$1/KEPT" ] && exit 0
tries=0
while [ -e "$1" ] && [ "$tries" -lt 50 ]; do
    rm -rf "$1" 2>/dev/null
    tries=$((tries + 1))
    [ -e "$1" ] && sleep 0.1
done
"#;

/// A directory of our own.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// Locked; the lock ends with the process, whatever ends it.
    _lock: File,
    watchdog: Child,
    keep: bool,
}

impl Scratch {
    /// Sweeps what dead owners left under `root`, then makes a new directory there.
    pub(crate) fn create(root: &Path) -> Result<Self> {
        let failed = |what: &str| io_error(format!("{what} {}", root.display()));
        fs::create_dir_all(root).map_err(failed("creating"))?;
        // Servers and watchdog run in directories of their own.
        let root = std::path::absolute(root).map_err(failed("locating"))?;
        sweep(&root);
        let (watchdog, path) = tempfile::Builder::new()
            .prefix(PREFIX)
            .make_in(&root, create_watched)
            .and_then(|made| made.keep().map_err(|error| error.error))
            .map_err(failed("creating, with sh as its watchdog, a directory in"))?;
        // Should this fail, the watchdog's input is closed, and it removes the directory.
        let lock_path = path.join(LOCK_FILE);
        // Locked before it has its name: a sweep must never find it unlocked.
        let unnamed = path.join("owner.lock.new");
        let lock = File::create(&unnamed)
            .and_then(|lock| lock.lock().map(|()| lock))
            .and_then(|lock| fs::rename(&unnamed, &lock_path).map(|()| lock))
            .map_err(io_error(format!("locking {}", lock_path.display())))?;
        Ok(Self {
            path,
            _lock: lock,
            watchdog,
            keep: false,
        })
    }

    /// Where the directory is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the directory as evidence: nobody removes it any more.
    pub(crate) fn keep(&mut self) -> Result<()> {
        let marker = self.path.join(KEPT_FILE);
        fs::write(&marker, "kept as evidence\n")
            .map_err(io_error(format!("writing {}", marker.display())))?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // What can't be removed now, the watchdog tries again.
            let _removed = fs::remove_dir_all(&self.path);
        }
        drop(self.watchdog.stdin.take());
        // The watchdog ends as soon as its input is closed; waiting keeps no zombie behind.
        let _ended = self.watchdog.wait();
    }
}

/// Makes a directory that has a watchdog from its first moment, so that no SIGKILL comes
/// between the two.
fn create_watched(path: &Path) -> io::Result<Child> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut watchdog = watch(path)?;
    // Configurations hold passwords: nobody else may read them.
    if let Err(error) = DirBuilder::new().mode(0o700).create(path) {
        // What is there already is not ours to remove.
        let _killed = watchdog.kill();
        let _reaped = watchdog.wait();
        return Err(error);
    }
    Ok(watchdog)
}

/// Starts the watchdog in a process group of its own, so that Ctrl-C does not reach it.
fn watch(path: &Path) -> io::Result<Child> {
    use std::os::unix::process::CommandExt as _;
    Command::new("sh")
        .arg("-c")
        .arg(WATCHDOG)
        .arg("lifeboat-watchdog")
        .arg(path)
        .current_dir("/")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Removes scratch directories whose owner no longer lives. Best effort: whatever can't be
/// judged or removed stays for the next sweep.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        let path = entry.path();
        if ours && !path.join(KEPT_FILE).exists() && is_abandoned(&path) {
            let _removed = fs::remove_dir_all(&path);
        }
    }
}

/// Whether nobody holds the directory's lock.
fn is_abandoned(path: &Path) -> bool {
    match File::open(path.join(LOCK_FILE)) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
        Err(_) => fs::metadata(path)
            .and_then(|meta| meta.modified())
            .is_ok_and(|at| {
                SystemTime::now()
                    .duration_since(at)
                    .is_ok_and(|age| age > SETTLING)
            }),
    }
}

/// Removes a directory with all that is in it, where there is one.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(io_error(format!("removing {}", path.display()))),
    }
}

/// Copies a directory tree; symbolic links are not followed, since a server makes none.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let failed = |what: &str, path: &Path| io_error(format!("{what} {}", path.display()));
    fs::create_dir_all(to).map_err(failed("creating", to))?;
    for entry in fs::read_dir(from).map_err(failed("reading", from))? {
        let entry = entry.map_err(failed("reading", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(failed("reading", &source))?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(failed("copying", &source))?;
        }
    }
    Ok::<(), Error>(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_directory_is_gone_and_a_kept_one_stays() {
        let root = tempfile::tempdir().unwrap();
        let dropped = Scratch::create(root.path()).unwrap();
        let mut kept = Scratch::create(root.path()).unwrap();
        kept.keep().unwrap();
        let paths = (dropped.path().to_owned(), kept.path().to_owned());
        drop((dropped, kept));
        assert!(!paths.0.exists());
        assert!(paths.1.join(KEPT_FILE).exists());
    }

    #[test]
    fn a_sweep_takes_only_what_nobody_owns() {
        let root = tempfile::tempdir().unwrap();
        let owned = Scratch::create(root.path()).unwrap();
        let orphan = root.path().join(format!("{PREFIX}orphan"));
        let foreign = root.path().join("somebody-elses");
        for path in [&orphan, &foreign] {
            fs::create_dir(path).unwrap();
            fs::write(path.join(LOCK_FILE), "").unwrap();
        }
        sweep(root.path());
        assert!(owned.path().exists());
        assert!(foreign.exists());
        assert!(!orphan.exists());
    }
}
