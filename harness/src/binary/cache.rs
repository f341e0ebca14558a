//! The cache of server binaries: one directory per version, filled once, checked at every use.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use semver::Version;
use serde::{Deserialize, Serialize};

use super::locate::{ServerBinary, ServerSource, identify, sha256_of};
use crate::error::BinaryError;

/// The binary's name inside its directory.
const BINARY: &str = "nats-server";
/// What is known of the binary, beside it.
const RECORD: &str = "origin.json";

/// A directory of server binaries by version.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// A version that is in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CachedServer {
    /// Its version.
    pub version: Version,
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256 as recorded when it was fetched; none for a file somebody put there by hand.
    pub sha256: Option<String>,
}

/// What is recorded beside a fetched binary.
#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    version: Version,
    sha256: String,
    fetched_from: String,
}

impl Cache {
    /// Opens the cache at `root`, or the user's own (`lifeboat` in the cache directory of the
    /// platform, such as `~/.cache/lifeboat`).
    ///
    /// # Errors
    /// When the platform's cache directory can't be told, as without a home directory.
    pub fn open(root: Option<&Path>) -> Result<Self, BinaryError> {
        use etcetera::BaseStrategy as _;
        let root = match root {
            Some(root) => root.to_owned(),
            None => etcetera::choose_base_strategy()
                .map_err(|error| BinaryError::Cache {
                    what: String::from("finding the cache directory (set LIFEBOAT_CACHE)"),
                    source: io::Error::other(error),
                })?
                .cache_dir()
                .join("lifeboat"),
        };
        Ok(Self {
            root: root.join("servers"),
        })
    }

    /// Where the binary of a version is, or would be.
    pub fn binary_path(&self, version: &Version) -> PathBuf {
        self.root.join(version.to_string()).join(BINARY)
    }

    /// The binary of a version, when it is there and still what was recorded. A file put
    /// there by hand has no record; it only has to say that it is this version.
    ///
    /// # Errors
    /// [`BinaryError::WrongVersion`] when the file is another version than its directory says.
    pub fn get(&self, version: &Version) -> Result<Option<ServerBinary>, BinaryError> {
        let path = self.binary_path(version);
        if !path.is_file() {
            return Ok(None);
        }
        if let Some(origin) = self.origin(version) {
            let intact = sha256_of(&path).is_ok_and(|found| found == origin.sha256);
            if !intact {
                // A changed binary is not run; a fresh download replaces it.
                return Ok(None);
            }
        }
        let found = identify(&path, ServerSource::Cache)?;
        if found.version == *version {
            Ok(Some(found))
        } else {
            Err(BinaryError::WrongVersion {
                path,
                found: found.version,
                wanted: version.clone(),
            })
        }
    }

    /// Everything in the cache, oldest version first.
    pub fn list(&self) -> Vec<CachedServer> {
        let mut found: Vec<_> = fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Version::parse(entry.file_name().to_str()?).ok())
            .filter(|version| self.binary_path(version).is_file())
            .map(|version| CachedServer {
                path: self.binary_path(&version),
                sha256: self.origin(&version).map(|origin| origin.sha256),
                version,
            })
            .collect();
        found.sort_by(|a, b| a.version.cmp(&b.version));
        found
    }

    /// Fills the cache with a version: `download` puts the binary into the directory it is
    /// given and returns its path and where it came from. Runs that fetch at once wait for
    /// each other, and a binary appears whole or not at all.
    pub(super) fn fill(
        &self,
        version: &Version,
        download: impl FnOnce(&Path) -> Result<(PathBuf, String), BinaryError>,
    ) -> Result<ServerBinary, BinaryError> {
        let failed = |what: &str, path: &Path| {
            let what = format!("{what} {}", path.display());
            move |source| BinaryError::Cache { what, source }
        };
        fs::create_dir_all(&self.root).map_err(failed("creating", &self.root))?;
        let lock_path = self.root.join(format!("{version}.lock"));
        let lock = File::create(&lock_path).map_err(failed("creating", &lock_path))?;
        lock.lock().map_err(failed("locking", &lock_path))?;
        if let Some(found) = self.get(version)? {
            return Ok(found);
        }
        let staging = tempfile::Builder::new()
            .prefix(".fetching-")
            .tempdir_in(&self.root)
            .map_err(failed("creating a directory in", &self.root))?;
        let (fetched, fetched_from) = download(staging.path())?;
        let mut binary = identify(&fetched, ServerSource::Download)?;
        if binary.version != *version {
            return Err(BinaryError::DamagedDownload {
                version: version.clone(),
                reason: format!("it says it is {}", binary.version),
            });
        }
        let origin = Origin {
            version: version.clone(),
            sha256: binary.sha256.clone(),
            fetched_from,
        };
        let home = self.root.join(version.to_string());
        fs::create_dir_all(&home).map_err(failed("creating", &home))?;
        let record = home.join(RECORD);
        let text = serde_json::to_string_pretty(&origin)
            .expect("a record of two strings and a version is always JSON");
        // The record first: a binary without its record would pass as put there by hand.
        fs::write(&record, text).map_err(failed("writing", &record))?;
        binary.path = self.binary_path(version);
        fs::rename(&fetched, &binary.path).map_err(failed("moving", &fetched))?;
        Ok(binary)
    }

    fn origin(&self, version: &Version) -> Option<Origin> {
        let record = self.root.join(version.to_string()).join(RECORD);
        serde_json::from_slice(&fs::read(record).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const VERSION: Version = Version::new(2, 12, 8);

    fn fake_download(directory: &Path) -> Result<(PathBuf, String), BinaryError> {
        let path = directory.join("fetched");
        fs::write(&path, "#!/bin/sh\necho nats-server: v2.12.8\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Ok((path, String::from("a test")))
    }

    #[test]
    fn fetching_at_once_downloads_once() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(root.path())).unwrap();
        let downloads = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let found = cache.fill(&VERSION, |directory| {
                        downloads.fetch_add(1, Ordering::SeqCst);
                        fake_download(directory)
                    });
                    assert_eq!(found.unwrap().path, cache.binary_path(&VERSION));
                });
            }
        });
        assert_eq!(downloads.load(Ordering::SeqCst), 1);
        assert_eq!(cache.list().len(), 1);
    }

    #[test]
    fn a_changed_binary_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(root.path())).unwrap();
        let found = cache.fill(&VERSION, fake_download).unwrap();
        fs::write(
            &found.path,
            "#!/bin/sh\necho nats-server: v2.12.8 # changed\n",
        )
        .unwrap();
        assert_eq!(cache.get(&VERSION).unwrap(), None);
        assert_eq!(
            cache.fill(&VERSION, fake_download).unwrap().sha256,
            found.sha256
        );
    }

    #[test]
    fn a_failed_download_leaves_nothing_to_find() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(root.path())).unwrap();
        let failed = cache.fill(&VERSION, |directory| {
            fs::write(directory.join("half"), "half").unwrap();
            Err(BinaryError::DamagedDownload {
                version: VERSION,
                reason: String::from("half"),
            })
        });
        assert!(failed.is_err());
        assert_eq!(cache.get(&VERSION).unwrap(), None);
        assert!(cache.list().is_empty());
    }
}
