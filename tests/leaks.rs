//! Nothing the program started outlives it, however it ends.

use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Lifeboat, entries, started_until};

/// What the program promises.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// Starts a drill and returns when it has broken something.
pub(crate) fn mid_drill(lifeboat: &Lifeboat, runtime: &str) -> Child {
    let mut command = lifeboat.command(&["drill", "run", "r3-not-removed", "--no-progress"]);
    command.env("LIFEBOAT_RUNTIME", runtime);
    started_until(&mut command, "gets no new replica")
}

/// The processes that run from a directory of ours.
fn processes_of(scratch: &Path) -> Vec<String> {
    let scratch = scratch.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(command) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(scratch) {
            found.push(command);
        }
    }
    found
}

/// Sends a signal to a program in mid-drill; how it ended, after nothing of it is left.
async fn ended_by(signal: Signal) -> (ExitStatus, Lifeboat) {
    let lifeboat = Lifeboat::new();
    let mut child = mid_drill(&lifeboat, "process");
    let scratch = lifeboat.scratch.path().to_owned();
    let servers = processes_of(&scratch);
    assert!(servers.len() >= 3, "the test sees too little: {servers:?}");
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
    until(GONE_WITHIN, || async {
        let (left, directories) = (processes_of(&scratch), entries(&scratch));
        if left.is_empty() && directories.is_empty() {
            Probe::Ready(())
        } else {
            Probe::Pending(format!("{left:?} {directories:?}"))
        }
    })
    .await
    .unwrap();
    (child.wait().unwrap(), lifeboat)
}

#[tokio::test]
async fn sigkill_in_mid_drill_leaves_nothing() {
    let (status, _lifeboat) = ended_by(Signal::KILL).await;
    assert_eq!(status.code(), None);
}

#[tokio::test]
async fn ctrl_c_in_mid_drill_leaves_only_evidence() {
    let (status, lifeboat) = ended_by(Signal::INT).await;
    assert_eq!(status.code(), Some(130));
    let runs = lifeboat.home.path().join("lifeboat-runs");
    assert_eq!(entries(&runs).len(), 1, "the evidence stays");
}

#[tokio::test]
async fn sigterm_in_mid_drill_leaves_only_evidence() {
    let (status, lifeboat) = ended_by(Signal::TERM).await;
    assert_eq!(status.code(), Some(130));
    assert_eq!(
        entries(&lifeboat.home.path().join("lifeboat-runs")).len(),
        1
    );
}
