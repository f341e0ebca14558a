//! A process that removes what this program made, when this program is gone.
//!
//! It is this very program, started a second time: it needs no image, no command line tool
//! and no shell, speaks to the same engine in the same way, and is there wherever the program
//! is. A function that runs before `main` sees from the environment that it is the watchdog.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ctor::ctor;
use testcontainers::core::client::docker_client_instance;
use tokio::signal::unix::{SignalKind, signal};

use super::engine::failed;
use super::ownership::{Owner, remove_all};
use crate::error::Result;
use crate::wait::pause_for;

/// Tells a watchdog whose things it is to remove.
const WATCHED: &str = "LIFEBOAT_WATCHDOG_OF";
/// An engine that was still making something when the owner was killed shows it by then.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The watchdog of this program, once it has one, and how many clusters it is to know of.
static WATCHDOG: Mutex<(Option<Child>, usize)> = Mutex::new((None, 0));

/// What the owner tells: a cluster begins.
const BEGINS: u8 = b'+';
/// What the owner tells: a cluster and all of its things are gone.
const GONE: u8 = b'-';

/// A cluster that the watchdog knows of.
#[derive(Debug)]
pub(super) struct Watched(());

/// Tells the watchdog that a cluster begins, and starts it when there is none.
pub(super) fn watch(owner: &Owner) -> Result<Watched> {
    let mut watchdog = WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner);
    let (child, clusters) = &mut *watchdog;
    // One that was killed is replaced.
    let lives = |child: &mut Child| matches!(child.try_wait(), Ok(None));
    if !child.as_mut().is_some_and(lives) {
        let new =
            child.insert(spawn(owner).map_err(failed("starting the watchdog of containers"))?);
        tell(new, &vec![BEGINS; *clusters]);
    }
    *clusters += 1;
    if let Some(child) = child {
        tell(child, &[BEGINS]);
    }
    Ok(Watched(()))
}

impl Watched {
    /// Tells the watchdog that nothing of the cluster is left.
    pub(super) fn gone(self) {
        let mut watchdog = WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner);
        let (child, clusters) = &mut *watchdog;
        *clusters = clusters.saturating_sub(1);
        if let Some(child) = child {
            tell(child, &[GONE]);
        }
    }
}

/// A watchdog that does not hear it removes what there is, which is none the worse.
fn tell(watchdog: &mut Child, what: &[u8]) {
    if let Some(input) = watchdog.stdin.as_mut() {
        let _told = input.write_all(what);
    }
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
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    // Whoever ends all processes of a job politely must not end this one before its work.
    let entered = runtime.enter();
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::quit(),
    ];
    let _ignored = kinds.map(signal);
    drop(entered);
    let mut clusters = 0_u64;
    // Ends when the owner is gone, however it ended.
    for told in io::stdin().lock().bytes().map_while(io::Result::ok) {
        match told {
            BEGINS => clusters += 1,
            _ => clusters = clusters.saturating_sub(1),
        }
    }
    let Some(owner) = Owner::parse(owner).filter(|_| clusters > 0) else {
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
