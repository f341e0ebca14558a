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

/// What is known of a process and the directory.
enum Use {
    /// It has nothing to do with it.
    No,
    /// It uses it, and how that is seen.
    Yes(String),
    /// It is a server, and where it stores can't be told.
    Unknown(String),
}

/// Makes sure that no server uses the directory, as far as that can be seen: processes of this
/// machine, those in containers as well when we may look at them. Where it can't be told, the
/// caller's word is taken; what is seen counts all the same.
pub(super) fn check_unused(data: &Path, stopped: bool) -> Result<()> {
    let refused = |reason: String| OfflineError::Refused {
        path: data.to_owned(),
        reason,
    };
    let processes = match fs::read_dir(PROCESSES) {
        Ok(processes) => processes,
        Err(_) if stopped => return Ok(()),
        Err(_) => {
            return Err(refused(String::from(
                "whether a server uses it can't be seen on this system; stop the server, and say so \
                 (--stopped)",
            )));
        }
    };
    let mut ours = HashSet::new();
    identities(data, 0, &mut ours).map_err(OfflineError::io("reading", data))?;
    for process in processes.flatten() {
        let name = process.file_name();
        let is_process = name.as_bytes().iter().all(u8::is_ascii_digit);
        if !is_process || name == *std::process::id().to_string() {
            continue;
        }
        let number = name.to_string_lossy();
        match uses(&process.path(), data, &ours) {
            Use::No => {}
            Use::Yes(how) => {
                return Err(refused(format!("process {number} {how}; stop it first")));
            }
            Use::Unknown(_) if stopped => {}
            Use::Unknown(why) => {
                return Err(refused(format!(
                    "process {number} is a nats-server, and where it stores can't be told ({why}); \
                     if it does not store here, say so (--stopped)"
                )));
            }
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

/// Whether a process has any of these files open.
fn has_open(process: &Path, ours: &HashSet<Identity>) -> bool {
    let open = fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten();
    let files = open.filter_map(|open| fs::metadata(open.path()).ok());
    files
        .into_iter()
        .any(|file| ours.contains(&(file.dev(), file.ino())))
}

/// How a process uses the directory.
fn uses(process: &Path, data: &Path, ours: &HashSet<Identity>) -> Use {
    if has_open(process, ours) {
        return Use::Yes(String::from("has files in it open"));
    }
    // What has ended meanwhile has no command line either.
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let arguments: Vec<_> = line
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    let is_server = is_server(process, &arguments);
    let config = option(&arguments, &["c", "config"]);
    if !is_server && config.is_none() {
        return Use::No;
    }
    let Ok(own) = fs::metadata(data) else {
        return Use::No;
    };
    let is_data = |named: &Path| {
        let found = fs::metadata(seen_by(process, named));
        found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
    };
    if !is_server {
        // Whatever it is called, a configuration that names the directory is one of a server.
        let path = config.map(|config| seen_by(process, Path::new(config)));
        return match path.map(|path| stores_of(&path)) {
            Some(Stores::Named(stores)) if stores.iter().any(|store| is_data(Path::new(store))) => {
                Use::Yes(String::from("has a configuration that names it"))
            }
            Some(_) | None => Use::No,
        };
    }
    if fs::read_dir(process.join("root")).is_err() {
        return Use::Unknown(String::from("it is another user's"));
    }
    if let Some(store) = option(&arguments, &["sd", "store_dir"]) {
        return if is_data(Path::new(store)) {
            Use::Yes(String::from("is a nats-server that is told to store in it"))
        } else {
            Use::No
        };
    }
    if let Some(config) = config {
        let path = seen_by(process, Path::new(config));
        match stores_of(&path) {
            Stores::Unknown(why) => return Use::Unknown(why),
            Stores::Named(stores) if stores.iter().any(|store| is_data(Path::new(store))) => {
                let how = format!("is a nats-server whose configuration ({config}) names it");
                return Use::Yes(how);
            }
            Stores::Named(stores) if !stores.is_empty() => {
                let is_there =
                    |store: &String| fs::metadata(seen_by(process, Path::new(store))).is_ok();
                if stores.iter().all(is_there) {
                    return Use::No;
                }
                return Use::Unknown(String::from("its configuration names what is not there"));
            }
            Stores::Named(_) => {}
        }
    }
    if is_data(&temporary_of(process).join(DEFAULT_STORE)) {
        return Use::Yes(String::from(
            "is a nats-server that stores in it by default",
        ));
    }
    Use::No
}

/// Whether a process is a server: by its program, or by options that only servers have.
fn is_server(process: &Path, arguments: &[impl AsRef<str>]) -> bool {
    let program = fs::read_link(process.join("exe")).unwrap_or_default();
    let called = Path::new(arguments.first().map_or("", AsRef::as_ref));
    let is_named = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().contains("nats-server"))
    };
    let has = |names: &[&str]| {
        arguments
            .iter()
            .any(|argument| names.contains(&argument.as_ref().trim_start_matches('-')))
    };
    is_named(&program)
        || is_named(called)
        || (has(&["js", "jetstream"]) && has(&["sd", "store_dir"]))
        || (has(&["js", "jetstream"]) && option(arguments, &["sd", "store_dir"]).is_some())
}

/// The directory for temporary files, as a process has it.
fn temporary_of(process: &Path) -> PathBuf {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    let named = variables.find_map(|variable| variable.strip_prefix(b"TMPDIR="));
    named.map_or_else(
        || PathBuf::from("/tmp"),
        |path| PathBuf::from(OsStr::from_bytes(path)),
    )
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

/// What a configuration tells of store directories.
#[derive(Debug, PartialEq)]
enum Stores {
    /// These are named; none means the default.
    Named(Vec<String>),
    /// It can't be told, and why.
    Unknown(String),
}

/// The store directories that a configuration file names, under any of the keys that servers take.
fn stores_of(config: &Path) -> Stores {
    const KEYS: [&str; 3] = ["store_dir", "storedir", "store"];
    let is_small = fs::metadata(config).is_ok_and(|file| file.len() <= LARGEST_CONFIG);
    let text = match fs::read_to_string(config) {
        Ok(text) if is_small => text,
        Ok(_) => return Stores::Unknown(String::from("its configuration is very large")),
        Err(error) => return Stores::Unknown(format!("its configuration: {error}")),
    };
    let mut stores = Vec::new();
    let lines = text.lines().map(without_comment);
    for part in lines.flat_map(|line| line.split(['{', '}', ',', ';'])) {
        let is_separator = |c: char| c.is_whitespace() || ":=".contains(c);
        let Some((key, value)) = part.trim().split_once(is_separator) else {
            continue;
        };
        let key = key.trim_matches(['"', '\'']).to_ascii_lowercase();
        if key == "include" {
            return Stores::Unknown(String::from("its configuration includes another file"));
        }
        let value = value.trim_start_matches(is_separator).trim();
        if KEYS.contains(&&*key) && value.starts_with('$') {
            return Stores::Unknown(String::from("its configuration uses a variable"));
        }
        if KEYS.contains(&&*key) && value.is_empty() {
            return Stores::Unknown(String::from("its configuration names it on another line"));
        }
        if KEYS.contains(&&*key) {
            stores.push(value.trim_matches(['"', '\'']).to_owned());
        }
    }
    Stores::Named(stores)
}

/// A line up to its comment, which `#` and `//` begin outside of quotes and of what they are a part of.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        let begins = before.is_whitespace() || "{},;".contains(before);
        before = c;
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if begins && (c == '#' || line[at..].starts_with("//")) => return &line[..at],
            None => {}
        }
    }
    line
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
        let told = |text: &str| {
            fs::write(file.path(), text).unwrap();
            stores_of(file.path())
        };
        for text in [
            "jetstream { store_dir: \"/data\" }",
            "jetstream: {\n  max_mem: 1G\n  store_dir = /data # where it is\n}",
            "jetstream {StoreDir '/data'} // there",
            "jetstream { store_dir: /data } #there",
            "# store_dir: /other\njetstream { \"store_dir\": \"/data\", max_mem: 1G }",
        ] {
            assert_eq!(
                told(text),
                Stores::Named(vec![String::from("/data")]),
                "{text}"
            );
        }
        assert_eq!(told("port: 4222"), Stores::Named(Vec::new()));
        let doubled = told("jetstream { store_dir: /a//data }");
        assert_eq!(doubled, Stores::Named(vec![String::from("/a//data")]));
        for text in [
            "include ./js.conf",
            "jetstream { store_dir: $STORE }",
            "jetstream {\n store_dir:\n  /data\n}",
        ] {
            assert!(matches!(told(text), Stores::Unknown(_)), "{text}");
        }
    }
}
