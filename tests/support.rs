//! Running the program as a user would, away from the user's own settings.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use lifeboat::archive::{Archive, Consumer, Level};
use lifeboat::model::{ConsumerPosition, StoredMessage};
use serde_json::Value;
use tempfile::TempDir;

/// The program, and directories of its own.
pub(crate) struct Lifeboat {
    /// Where it is started, and where its evidence goes.
    pub(crate) home: TempDir,
    /// Where its clusters put their directories.
    pub(crate) scratch: TempDir,
}

/// What one call of the program gave.
#[must_use]
pub(crate) struct Called {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Lifeboat {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    /// The program with these arguments, ready to be started.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(arguments);
        self.settle(&mut command);
        command
    }

    /// Has a program run in these directories, away from the user's settings.
    pub(crate) fn settle<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("NATS_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.home.path())
            .env("TMPDIR", self.scratch.path())
            .env("XDG_CONFIG_HOME", self.home.path().join(".config"))
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("RUST_BACKTRACE")
    }

    pub(crate) fn call<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Called {
        Called::from(self.command(arguments).output().unwrap())
    }

    /// Writes a scenario file and returns its path.
    pub(crate) fn scenario(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Whether its clusters left anything behind.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        entries(self.scratch.path())
    }
}

impl Called {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// Fails with everything the program said unless it exited with this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

impl From<Output> for Called {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// What a sound archive holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) messages: BTreeMap<u64, StoredMessage>,
    pub(crate) consumers: Vec<ConsumerPosition>,
    pub(crate) last_sequence: u64,
}

/// Reads an archive and its messages; the first damage is the error.
pub(crate) fn read_archive(path: &Path) -> lifeboat::archive::Result<Held> {
    let archive = Archive::open(path)?;
    let survey = archive.survey(Level::Content)?;
    survey.check()?;
    let mut messages = BTreeMap::new();
    archive.messages(Some(&survey.live), &mut |message| {
        messages.insert(message.sequence, message.to_stored());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Held {
        messages,
        consumers: survey.consumers.iter().map(Consumer::position).collect(),
        last_sequence: survey.last_sequence,
    })
}

/// Fails unless a document is as its schema says, and has nothing that this does not know.
#[track_caller]
pub(crate) fn expect_valid(name: &str, document: &Value) {
    let schema = serde_json::to_value(lifeboat::report::schema(name).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, [""; 0]);
}

/// Starts the program and returns once it has said something on standard error.
pub(crate) fn started_until(command: &mut Command, text: &str) -> Child {
    let started = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = started.unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let reached = said.lines().any(|line| line.unwrap().contains(text));
    assert!(reached, "it ended before it said `{text}`");
    child
}

/// Where the project is.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in a directory.
pub(crate) fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}
