//! Whether a server uses a data directory. Servers leave no lock in it, so running processes are
//! looked at: what they have open, and what their command lines and configurations name.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{OfflineError, Result};

/// Where running processes are seen.
const PROCESSES: &str = "/proc";
/// Where a server stores when nobody tells it (`JetStreamStoreDir`, below the temporary directory).
const DEFAULT_STORE: &str = "nats";
/// A configuration larger than this is none.
const LARGEST_CONFIG: u64 = 4 << 20;

/// A file or directory, whatever path leads to it.
type Identity = (u64, u64);

/// Makes sure that no server uses the directory, as far as that can be seen: processes of this
/// machine, those in containers as well when we may look at them.
pub(super) fn check_unused(data: &Path, stopped: bool) -> Result<()> {
    if stopped {
        return Ok(());
    }
    let refused = |reason: String| OfflineError::Refused {
        path: data.to_owned(),
        reason,
    };
    let Ok(processes) = fs::read_dir(PROCESSES) else {
        return Err(refused(String::from(
            "whether a server uses it can't be seen on this system; stop the server, and say so \
             (--stopped)",
        )));
    };
    let mut ours = HashSet::new();
    identities(data, 0, &mut ours).map_err(OfflineError::io("reading", data))?;
    for process in processes.flatten() {
        let is_process = process
            .file_name()
            .as_bytes()
            .iter()
            .all(u8::is_ascii_digit);
        let path = process.path();
        if !is_process || process.file_name() == *std::process::id().to_string() {
            continue;
        }
        if let Some(how) = uses(&path, data, &ours) {
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let number = process.file_name().to_string_lossy().into_owned();
            return Err(refused(format!(
                "process {number} ({}) {how}; stop it first",
                name.trim()
            )));
        }
    }
    Ok(())
}

/// Everything below a directory, and itself.
fn identities(path: &Path, depth: usize, into: &mut HashSet<Identity>) -> std::io::Result<()> {
    /// Nothing of a store lies deeper: `jetstream/<account>/streams/<stream>/obs/<consumer>/`.
    const DEEPEST: usize = 8;
    let own = fs::symlink_metadata(path)?;
    into.insert((own.dev(), own.ino()));
    if own.is_dir() && depth < DEEPEST {
        for entry in fs::read_dir(path)? {
            identities(&entry?.path(), depth + 1, into)?;
        }
    }
    Ok(())
}

/// How a process uses the directory; none when it does not, or has ended meanwhile.
fn uses(process: &Path, data: &Path, ours: &HashSet<Identity>) -> Option<String> {
    for open in fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if let Ok(file) = fs::metadata(open.path())
            && ours.contains(&(file.dev(), file.ino()))
        {
            return Some(String::from("has files in it open"));
        }
    }
    let line = fs::read(process.join("cmdline")).ok()?;
    let arguments: Vec<&OsStr> = line
        .split(|byte| *byte == 0)
        .map(OsStr::from_bytes)
        .collect();
    let program = Path::new(arguments.first()?).file_name()?.to_string_lossy();
    if !program.contains("nats-server") {
        return None;
    }
    let own = fs::metadata(data).ok()?;
    let is_data = |named: &Path| {
        let found = fs::metadata(seen_by(process, named));
        found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
    };
    let arguments: Vec<_> = arguments
        .iter()
        .map(|text| text.to_string_lossy())
        .collect();
    let named = option(&arguments, &["sd", "store_dir"]);
    if let Some(store) = named {
        return is_data(Path::new(store))
            .then(|| String::from("is a server that is told to store in it"));
    }
    let config = option(&arguments, &["c", "config"]);
    if let Some(config) = config {
        let path = seen_by(process, Path::new(config));
        let stores = stores_of(&path);
        if stores.iter().any(|store| is_data(Path::new(store))) {
            return Some(format!(
                "is a server whose configuration ({config}) names it"
            ));
        }
        if !stores.is_empty() {
            return None;
        }
    }
    let default = std::env::temp_dir().join(DEFAULT_STORE);
    is_data(&default).then(|| String::from("is a server that stores there by default"))
}

/// A path as a process sees it, which may have another root and another working directory.
fn seen_by(process: &Path, named: &Path) -> PathBuf {
    match named.strip_prefix("/") {
        Ok(inside) => process.join("root").join(inside),
        Err(_) => process.join("cwd").join(named),
    }
}

/// The value of an option of a server's command line: `-sd DIR`, `--sd=DIR`.
fn option<'a>(arguments: &'a [impl AsRef<str>], names: &[&str]) -> Option<&'a str> {
    let mut arguments = arguments.iter().map(AsRef::as_ref);
    while let Some(argument) = arguments.next() {
        let Some(option) = argument.strip_prefix('-') else {
            continue;
        };
        let option = option.strip_prefix('-').unwrap_or(option);
        match option.split_once('=') {
            Some((name, value)) if names.contains(&name) => return Some(value),
            None if names.contains(&option) => return arguments.next(),
            Some(_) | None => {}
        }
    }
    None
}

/// The store directories that a configuration file names, under any of the keys that servers take.
fn stores_of(config: &Path) -> Vec<String> {
    const KEYS: [&str; 3] = ["store_dir", "storedir", "store"];
    let is_small = fs::metadata(config).is_ok_and(|file| file.len() <= LARGEST_CONFIG);
    if !is_small {
        return Vec::new();
    }
    let text = fs::read_to_string(config).unwrap_or_default();
    let parts = text.split(['\n', '{', '}', ',', ';']);
    let value = |part: &str| {
        let (key, value) = part
            .trim()
            .split_once(|c: char| c.is_whitespace() || ":=".contains(c))?;
        let key = key.trim_matches(['"', '\'']).to_ascii_lowercase();
        let value = value.trim_start_matches(|c: char| c.is_whitespace() || ":=".contains(c));
        let value = value.trim().trim_matches(['"', '\'']);
        KEYS.contains(&&*key).then(|| value.to_owned())
    };
    parts.filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_however_they_are_written() {
        for line in [
            &["nats-server", "-js", "-sd", "/data"][..],
            &["nats-server", "--store_dir", "/data"],
            &["nats-server", "-sd=/data", "-c", "x"],
        ] {
            assert_eq!(
                option(line, &["sd", "store_dir"]),
                Some("/data"),
                "{line:?}"
            );
        }
        assert_eq!(option(&["nats-server", "-p", "1"], &["sd"]), None);
    }

    #[test]
    fn store_directories_are_found_in_configurations() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            "jetstream { store_dir: \"/data\" }",
            "jetstream: {\n  max_mem: 1G\n  store_dir = /data\n}",
            "jetstream {StoreDir '/data'}",
        ] {
            fs::write(file.path(), text).unwrap();
            assert_eq!(stores_of(file.path()), ["/data"], "{text}");
        }
    }
}
