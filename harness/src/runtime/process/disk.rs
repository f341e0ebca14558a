//! Disks of local processes that can fill up or be read-only: file systems that only the
//! servers see.
//!
//! They are mounted in a mount namespace of the keeper's thread, which forks the servers. So
//! nothing on the machine changes, and when thread and servers are gone the kernel takes the
//! mounts back, however they ended. It takes the right to mount, which root has on Linux.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::error::{Error, Result, io_error};

/// The file that fills a disk, beside the store.
const BALLAST: &str = "ballast";
/// How much of it is written at once.
const BALLAST_CHUNK: usize = 1 << 16;

/// The mounts of a cluster's nodes.
#[derive(Debug)]
pub(super) struct Disks {
    keeper: Handle,
    /// How large each disk is, if it has a size.
    bytes: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where other threads find what the keeper's sees; nothing while all see the same.
    root: Option<PathBuf>,
    disks: BTreeSet<PathBuf>,
    read_only: BTreeSet<PathBuf>,
}

/// Why this program may not mount anything, if it may not.
pub(super) fn check_may_mount() -> std::result::Result<(), String> {
    // A thread that ends at once, and whose namespace goes with it.
    let tried = std::thread::spawn(mounts::leave).join();
    match tried {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!(
            "local processes need the right to mount file systems, as root has on Linux ({error})"
        )),
        Err(_) => Err(String::from("the thread that tried to mount died")),
    }
}

impl Disks {
    pub(super) fn new(keeper: Handle, bytes: Option<u64>) -> Self {
        Self {
            keeper,
            bytes,
            state: Mutex::default(),
        }
    }

    /// Whether disks have a size.
    pub(super) fn are_bounded(&self) -> bool {
        self.bytes.is_some()
    }

    /// Where this program finds what the servers see at a path.
    pub(super) fn seen(&self, path: &Path) -> PathBuf {
        match &self.state().root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// Mounts a disk of its size at a directory, unless it is there.
    pub(super) async fn mount(&self, at: &Path) -> Result<()> {
        let Some(bytes) = self.bytes else {
            return Ok(());
        };
        if self.state().disks.contains(at) {
            return Ok(());
        }
        fs::create_dir_all(at).map_err(io_error(format!("creating {}", at.display())))?;
        let path = at.to_owned();
        self.on_keeper("mounting a disk at", at, move || mounts::disk(&path, bytes))
            .await?;
        self.state().disks.insert(at.to_owned());
        Ok(())
    }

    /// Takes a disk away with all that is on it.
    pub(super) async fn unmount(&self, at: &Path) -> Result<()> {
        if !self.state().disks.contains(at) {
            return Ok(());
        }
        let path = at.to_owned();
        self.on_keeper("unmounting the disk at", at, move || mounts::undo(&path))
            .await?;
        self.state().disks.remove(at);
        Ok(())
    }

    /// Makes a directory read-only for servers that start from now on, or writable again.
    pub(super) async fn set_read_only(&self, store: &Path, read_only: bool) -> Result<()> {
        if self.state().read_only.contains(store) == read_only {
            return Ok(());
        }
        let path = store.to_owned();
        let change = move || {
            if read_only {
                mounts::read_only(&path)
            } else {
                mounts::undo(&path)
            }
        };
        self.on_keeper("changing the mount of", store, change)
            .await?;
        let mut state = self.state();
        if read_only {
            state.read_only.insert(store.to_owned());
        } else {
            state.read_only.remove(store);
        }
        Ok(())
    }

    /// Writes a file onto a disk until there is no room left.
    pub(super) fn fill(&self, disk: &Path) -> Result<()> {
        if !self.state().disks.contains(disk) {
            // What is there instead is the machine's own disk.
            let gone = io::Error::new(io::ErrorKind::NotFound, "the disk was wiped");
            return Err(io_error(format!("filling {}", disk.display()))(gone));
        }
        let path = self.seen(disk).join(BALLAST);
        let filled = File::create(&path).and_then(|mut ballast| {
            let zeros = vec![0; BALLAST_CHUNK];
            loop {
                match ballast.write_all(&zeros) {
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                    other => other?,
                }
            }
        });
        filled.map_err(io_error(format!("filling {}", disk.display())))
    }

    /// Removes that file.
    pub(super) fn free(&self, disk: &Path) -> Result<()> {
        let path = self.seen(disk).join(BALLAST);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(io_error(format!("removing {}", path.display()))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a poisoned lock is still usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes mounts on the keeper's thread, which leaves the namespace of all others first.
    async fn on_keeper(
        &self,
        doing: &str,
        path: &Path,
        change: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Result<()> {
        let has_left = self.state().root.is_some();
        let done = self.keeper.spawn(async move {
            let root = if has_left {
                None
            } else {
                mounts::leave()?;
                Some(mounts::own_root())
            };
            change().map(|()| root)
        });
        let done = done
            .await
            .map_err(|error| io::Error::other(error.to_string()));
        let root = done
            .flatten()
            .map_err(io_error(format!("{doing} {}", path.display())))?;
        if let Some(root) = root {
            self.state().root = Some(root);
        }
        Ok::<(), Error>(())
    }
}

/// The system calls.
#[cfg(target_os = "linux")]
mod mounts {
    use std::io;
    use std::path::{Path, PathBuf};

    use rustix::mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
        mount_remount, unmount,
    };
    use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};

    /// Gives the calling thread mounts of its own, of which nobody else sees any change.
    #[expect(unsafe_code, reason = "leaving a namespace can't be proven safe")]
    pub(super) fn leave() -> io::Result<()> {
        // SAFETY: only the mounts, and with them the working directory, become the thread's
        // own; open files stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        Ok(mount_change("/", private)?)
    }

    /// The calling thread's root directory, as other threads reach it.
    pub(super) fn own_root() -> PathBuf {
        format!("/proc/self/task/{}/root", gettid().as_raw_nonzero()).into()
    }

    pub(super) fn disk(at: &Path, bytes: u64) -> io::Result<()> {
        let size = std::ffi::CString::new(format!("size={bytes}"))?;
        let options = Some(size.as_c_str());
        Ok(mount("tmpfs", at, "tmpfs", MountFlags::empty(), options)?)
    }

    pub(super) fn read_only(path: &Path) -> io::Result<()> {
        mount_bind(path, path)?;
        Ok(mount_remount(
            path,
            MountFlags::BIND | MountFlags::RDONLY,
            "",
        )?)
    }

    pub(super) fn undo(path: &Path) -> io::Result<()> {
        Ok(unmount(path, UnmountFlags::empty())?)
    }
}

/// Elsewhere there is nothing of the kind.
#[cfg(not(target_os = "linux"))]
mod mounts {
    use std::io;
    use std::path::{Path, PathBuf};

    pub(super) fn leave() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn own_root() -> PathBuf {
        PathBuf::from("/")
    }

    pub(super) fn disk(_at: &Path, _bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn read_only(_path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn undo(_path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
