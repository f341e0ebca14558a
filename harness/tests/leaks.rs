//! Nothing is left behind: no process, no port, no directory, however the owner ends.

use std::ffi::OsString;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lifeboat_harness::wait::{Probe, pause_for, until};
use lifeboat_harness::{Cluster, Runtime};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{PATIENCE, processes_mentioning};

/// Tells the test below, run as a child, where its cluster is to live.
const HELD_IN: &str = "LIFEBOAT_TEST_HELD_IN";
/// What that child says when its cluster is up.
const HELD: &str = "the held cluster is ready";
/// How soon everything must be gone after the owner was killed.
const GONE_WITHIN: Duration = Duration::from_secs(2);

async fn start_in(root: &Path) -> Cluster {
    let builder = Cluster::builder().runtime(Runtime::Process);
    builder.scratch_root(root).start().await.unwrap()
}

/// What is in a directory.
fn entries(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Waits until neither process nor file of the clusters under a root is left.
async fn assert_gone(root: &Path, within: Duration) {
    until(within, || async {
        let left = (processes_mentioning(root), entries(root));
        if left.0.is_empty() && left.1.is_empty() {
            Probe::Ready(())
        } else {
            Probe::Pending(format!("{left:?}"))
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_success_nothing_is_left() {
    let root = tempfile::tempdir().unwrap();
    let cluster = start_in(root.path()).await;
    // Three servers and the watchdog: the look that finds nothing below can find something.
    let alive = processes_mentioning(root.path());
    assert_eq!(alive.len(), 4, "{alive:?}");
    let urls = cluster.client_urls();
    let addresses = urls.iter().map(|url| url.trim_start_matches("nats://"));
    for address in addresses.clone() {
        TcpStream::connect(address).unwrap();
    }
    drop(cluster);
    // At once: a drop returns when all is done.
    assert_eq!(processes_mentioning(root.path()), []);
    assert_eq!(entries(root.path()), Vec::<PathBuf>::new());
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_panic_only_the_evidence_is_left() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_owned();
    let test = tokio::spawn(async move {
        let _cluster = start_in(&path).await;
        panic!("on purpose");
    });
    assert!(test.await.unwrap_err().is_panic());
    assert_eq!(processes_mentioning(root.path()), []);
    let left = entries(root.path());
    assert_eq!(left.len(), 1, "{left:?}");
    for node in ["node-1", "node-2", "node-3"] {
        for file in ["server.conf", "server.log", "store"] {
            let file = left[0].join(node).join(file);
            assert!(file.exists(), "{}", file.display());
        }
    }
    // A next cluster sweeps what dead owners left, but not this.
    drop(start_in(root.path()).await);
    assert_eq!(entries(root.path()), left);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_on_request_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let mut cluster = start_in(root.path()).await;
    let kept = cluster.keep().unwrap().to_owned();
    drop(cluster);
    assert_eq!(processes_mentioning(root.path()), []);
    assert_eq!(entries(root.path()), [kept]);
}

/// A caller that loses its patience drops the future: at any moment, that must be all it takes.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_abandoned_start_nothing_is_left() {
    let root = tempfile::tempdir().unwrap();
    for patience in [20, 40, 80, 160] {
        let builder = Cluster::builder()
            .runtime(Runtime::Process)
            .scratch_root(root.path());
        let start = tokio::time::timeout(Duration::from_millis(patience), builder.start());
        drop(start.await);
        assert_gone(root.path(), GONE_WITHIN).await;
    }
}

/// Not a test of its own: the owner that the tests below kill.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run as a child by the tests that kill it"]
async fn held_cluster() {
    let Some(root) = std::env::var_os(HELD_IN) else {
        return;
    };
    let _cluster = start_in(Path::new(&root)).await;
    println!("{HELD}");
    // Until the parent kills us; should it die first, our input ends and so do we.
    let wait = || std::io::stdin().read_line(&mut String::new());
    let _read = tokio::task::spawn_blocking(wait).await;
}

/// Runs this very binary again, as an owner in a process group of its own.
fn spawn_owner(root: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leaks::held_cluster", "--ignored", "--nocapture"])
        .env(HELD_IN, OsString::from(root))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Sends a signal to the owner as a terminal does, to all of its group, and sees it die of it.
async fn end_owner(mut owner: Child, signal: Signal) {
    let pid = Pid::from_raw(owner.id().unwrap().try_into().unwrap()).unwrap();
    kill_process_group(pid, signal).unwrap();
    let status = tokio::time::timeout(PATIENCE, owner.wait()).await;
    assert_eq!(
        status.unwrap().unwrap().signal(),
        Some(signal.as_raw()),
        "{signal:?}"
    );
}

async fn owner_ends_by(signal: Signal) {
    let root = tempfile::tempdir().unwrap();
    let mut owner = spawn_owner(root.path());
    let mut said = BufReader::new(owner.stdout.take().unwrap()).lines();
    let ready = async {
        loop {
            let line = said.next_line().await.unwrap();
            // The test runner's own words may stand before ours on the line.
            if line.expect("the owner lives").ends_with(HELD) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    let alive = processes_mentioning(root.path());
    assert_eq!(alive.len(), 4, "{alive:?}");
    end_owner(owner, signal).await;
    assert_gone(root.path(), GONE_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigkill_of_the_owner_nothing_is_left() {
    owner_ends_by(Signal::KILL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ctrl_c_nothing_is_left() {
    owner_ends_by(Signal::INT).await;
}

/// Killed while it forks servers and makes directories, not only once all is quiet.
#[tokio::test(flavor = "multi_thread")]
async fn after_sigkill_during_the_start_nothing_is_left() {
    for delay in [30, 60, 120, 240] {
        let root = tempfile::tempdir().unwrap();
        let owner = spawn_owner(root.path());
        pause_for(Duration::from_millis(delay)).await;
        end_owner(owner, Signal::KILL).await;
        assert_gone(root.path(), GONE_WITHIN).await;
    }
}
