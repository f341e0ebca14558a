//! A process that removes what this program made, when this program is gone.
//!
//! It is this very program, started a second time: it needs no image, no command line tool
//! and no shell, speaks to the same engine in the same way, and is there wherever the program
//! is. A function that runs before `main` sees from the environment that it is the watchdog.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ctor::ctor;
use testcontainers::core::client::docker_client_instance;

use super::engine::failed;
use super::ownership::{Owner, remove_all};
use crate::error::Result;
use crate::wait::pause_for;

/// Tells a watchdog whose things it is to remove.
const WATCHED: &str = "LIFEBOAT_WATCHDOG_OF";
/// An engine that was still making something when the owner was killed shows it by then.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Starts the watchdog of this program unless it has one.
pub(super) fn watch(owner: &Owner) -> Result<()> {
    static WATCHDOG: Mutex<Option<Child>> = Mutex::new(None);
    let mut watchdog = WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(child) = watchdog.as_mut() {
        // One that was killed is replaced.
        if matches!(child.try_wait(), Ok(None)) {
            return Ok(());
        }
    }
    *watchdog = Some(spawn(owner).map_err(failed("starting the watchdog of containers"))?);
    Ok(())
}

/// Starts this program again, in a process group of its own so that Ctrl-C does not reach it.
fn spawn(owner: &Owner) -> io::Result<Child> {
    use std::os::unix::process::CommandExt as _;
    // Where the system has this name for it, it is this program even when its file was replaced.
    let this = Path::new("/proc/self/exe");
    let program = if this.exists() {
        this.to_owned()
    } else {
        std::env::current_exe()?
    };
    Command::new(program)
        .arg0("lifeboat-watchdog")
        .env(WATCHED, owner.to_string())
        .current_dir("/")
        // Held for as long as the owner lives; closed by the system however it ends.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// In a watchdog, runs before `main`, which is never reached.
#[ctor(unsafe)]
fn run_if_watchdog() {
    let Some(owner) = std::env::var_os(WATCHED) else {
        return;
    };
    guard(&owner.to_string_lossy());
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing of the program runs yet whose guards could be skipped"
    )]
    std::process::exit(0);
}

/// Waits until the owner is gone, then removes what it left.
fn guard(owner: &str) {
    let mut input = [0];
    // Nothing is ever written: this returns when the owner is gone.
    while matches!(io::stdin().read(&mut input), Ok(1..)) {}
    let Some(owner) = Owner::parse(owner) else {
        return;
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    runtime.block_on(async {
        for _ in 0..2 {
            if let Ok(docker) = docker_client_instance().await {
                // What can't be removed is left for the next sweep; nobody is there to be told.
                let _removed = remove_all(&docker, owner.label()).await;
            }
            pause_for(AGAIN_AFTER).await;
        }
    });
}
