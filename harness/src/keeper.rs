//! A thread that lives exactly as long as a cluster: it forks the servers and carries their links.
//!
//! Linux delivers a parent-death signal when the *thread* that forked ends, so servers must
//! be forked by a thread that outlives them. Links run here too, so that a caller who blocks
//! its own runtime does not stall the traffic between servers.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Owns the thread; dropping it ends everything that runs there.
#[derive(Debug)]
pub(crate) struct Keeper {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(String::from("lifeboat-keeper"))
            .spawn(move || {
                // A dropped sender ends the thread just as a message does.
                let _ended = runtime.block_on(stopped);
            })?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// A handle that spawns tasks onto the thread.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future on the thread and returns its value.
    pub(crate) async fn run<T, F>(&self, future: F) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.handle
            .spawn(future)
            .await
            .expect("a keeper task neither panics nor is cancelled while its keeper lives")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported already; there is nothing left to undo.
            let _ended = thread.join();
        }
    }
}
