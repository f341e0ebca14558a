//! Where labs are found: a directory of this user's for each, with its socket, its log, and a context for
//! the `nats` CLI.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::drill::LabAccess;

/// Sockets have short paths: 108 bytes, with everything.
const LONGEST_NAME: usize = 32;

/// The file that a lab holds locked.
const LOCK: &str = "lock";

/// Where a lab is.
#[derive(Debug, Clone)]
pub struct LabPlace {
    name: String,
    directory: PathBuf,
}

/// Why there is no place for a lab.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// A name that can't be one.
    #[error(
        "`{name}` can't be a lab's name; use up to {LONGEST_NAME} letters, digits, `-` and `_`"
    )]
    Name {
        /// What was typed.
        name: String,
    },
    /// Somebody else's directory, in which anybody could listen.
    #[error("{} belongs to somebody else, or others may use it", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// A lab of that name is there.
    #[error(
        "lab `{name}` runs already: end it with `lifeboat lab down --name {name}`, or give this one another --name"
    )]
    Taken {
        /// The name.
        name: String,
    },
    /// The file system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PlaceError {
    let path = path.to_owned();
    move |source| PlaceError::Io { path, source }
}

/// A place that nobody else can have as long as this lives; it is removed at its end.
#[derive(Debug)]
pub struct Taken {
    place: LabPlace,
    _lock: File,
}

impl Drop for Taken {
    fn drop(&mut self) {
        // Nobody is left who could be told.
        let _removed = fs::remove_dir_all(&self.place.directory);
    }
}

impl LabPlace {
    /// The place of the lab of that name, which need not be there.
    ///
    /// # Errors
    /// [`PlaceError::Name`]; [`PlaceError::NotOurs`] when somebody else made the directory of our labs.
    pub fn of(name: &str) -> Result<Self, PlaceError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
            let name = name.to_owned();
            return Err(PlaceError::Name { name });
        }
        Ok(Self {
            directory: all_labs()?.join(name),
            name: name.to_owned(),
        })
    }

    /// The names of the labs that run, in order.
    ///
    /// # Errors
    /// When that can't be told.
    pub fn names() -> Result<Vec<String>, PlaceError> {
        let path = all_labs()?;
        let entries = fs::read_dir(&path).map_err(io_error(&path))?;
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.ok())
            .filter(|entry| is_held(&entry.path().join(LOCK)))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Takes the place. What a lab that was killed has left there is removed.
    ///
    /// # Errors
    /// [`PlaceError::Taken`] when a lab is there.
    pub fn take(&self) -> Result<Taken, PlaceError> {
        make_own(&self.directory)?;
        let path = self.directory.join(LOCK);
        let lock = File::create(&path).map_err(io_error(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let name = self.name.clone();
                return Err(PlaceError::Taken { name });
            }
            Err(TryLockError::Error(source)) => return Err(PlaceError::Io { path, source }),
        }
        match fs::remove_file(self.socket()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&self.socket())(error));
            }
            Ok(()) | Err(_) => {}
        }
        Ok(Taken {
            place: self.clone(),
            _lock: lock,
        })
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is talked to.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// What the background process says that nobody hears: panics, for instance.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make_log(&self) -> Result<File, PlaceError> {
        make_own(&self.directory)?;
        let path = self.log();
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        opened.map_err(io_error(&path))
    }

    /// Where that is.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// What `XDG_CONFIG_HOME` has to be for the `nats` CLI to find the lab's context, selected.
    pub fn config_home(&self) -> &Path {
        &self.directory
    }

    /// The name of the lab's context.
    pub fn context(&self) -> String {
        format!("lifeboat-{}", self.name)
    }

    /// Writes a context for the `nats` CLI, for the lab's own directory: the user's are the user's.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_context(&self, access: &LabAccess) -> Result<(), PlaceError> {
        let home = self.directory.join("nats");
        let contexts = home.join("context");
        fs::create_dir_all(&contexts).map_err(io_error(&contexts))?;
        let (user, password) = &access.user;
        let context = json!({
            "description": format!("Lifeboat's lab {}", self.name),
            "url": access.urls.join(","),
            "user": user,
            "password": password,
        });
        let path = contexts.join(format!("{}.json", self.context()));
        fs::write(&path, format!("{context:#}\n")).map_err(io_error(&path))?;
        let selected = home.join("context.txt");
        fs::write(&selected, self.context()).map_err(io_error(&selected))
    }
}

/// Whether a process holds a lock.
fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// The directory of all labs of this user, which nobody else may enter.
fn all_labs() -> Result<PathBuf, PlaceError> {
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    let path = match own {
        Some(path) => PathBuf::from(path).join("lifeboat-labs"),
        None => {
            let user = rustix::process::getuid().as_raw();
            std::env::temp_dir().join(format!("lifeboat-labs-{user}"))
        }
    };
    make_own(&path)?;
    Ok(path)
}

/// Makes a directory that only this user may enter, or sees that it is one.
fn make_own(path: &Path) -> Result<(), PlaceError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(io_error(path))?;
    let found = fs::symlink_metadata(path).map_err(io_error(path))?;
    let is_ours = found.is_dir()
        && found.uid() == rustix::process::getuid().as_raw()
        && found.mode() & 0o077 == 0;
    if is_ours {
        Ok(())
    } else {
        let path = path.to_owned();
        Err(PlaceError::NotOurs { path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", "..", "a/b", "a b", &"x".repeat(33)] {
            assert!(
                matches!(LabPlace::of(name), Err(PlaceError::Name { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn a_directory_of_others_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("labs");
        make_own(&path).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, open).unwrap();
        assert!(matches!(make_own(&path), Err(PlaceError::NotOurs { .. })));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        assert!(matches!(make_own(&link), Err(PlaceError::NotOurs { .. })));
    }
}
