//! The container engine: how it is reached, and where the conversation with it runs.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::core::client::docker_client_instance;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::RwLock;

use crate::error::{Error, Result};

/// How long an engine may take to say that it is there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// A connection to the container engine, for one cluster.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    docker: Docker,
    /// Held for reading by every piece of work, and closed for good before what the work made
    /// is removed: nothing is made after that.
    open: Arc<RwLock<bool>>,
}

impl Engine {
    /// Connects as `DOCKER_HOST` says, else to the sockets that engines are known to listen at.
    pub(super) async fn connect() -> Result<Self> {
        let connecting = talk()?.spawn(async {
            let docker = docker_client_instance()
                .await
                .map_err(|error| unreachable(&error))?;
            let ping = tokio::time::timeout(ANSWERS_WITHIN, docker.ping());
            match ping.await {
                Ok(Ok(_)) => Ok(docker),
                Ok(Err(error)) => Err(unreachable(&error)),
                Err(_) => Err(unreachable(&io::Error::from(io::ErrorKind::TimedOut))),
            }
        });
        let docker = connecting.await.map_err(|error| unreachable(&error))??;
        Ok(Self {
            docker,
            open: Arc::new(RwLock::new(true)),
        })
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Does a piece of work where the conversation with the engine runs. It is carried to its
    /// end even when the caller gives up, so that nothing is made that nobody knows of.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let open = Arc::clone(&self.open);
        let working = talk()?.spawn(async move {
            let open = open.read_owned().await;
            if *open {
                work.await
            } else {
                Err(failed("working for a cluster")("it is being removed"))
            }
        });
        let done = working.await;
        done.map_err(|error| failed("talking to the container engine")(error))?
    }

    /// Closes the engine to further work, waits for what is under way, and then does this.
    /// Blocks the calling thread, for callers that are being dropped.
    pub(super) fn finish<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Ok(talk) = talk() else { return };
        let open = Arc::clone(&self.open);
        let (done, finished) = std::sync::mpsc::sync_channel(1);
        talk.spawn(async move {
            *open.write().await = false;
            work.await;
            // Nobody waits any more when the program is being ended.
            let _waited = done.send(());
        });
        let _finished = finished.recv();
    }
}

/// Where all conversations with the engine run: a runtime that lives as long as the program.
/// Pooled connections belong to the runtime they were made in, and testcontainers has one pool
/// for the program; a runtime that ends takes its connections from everybody.
pub(super) fn talk() -> Result<&'static Handle> {
    static TALK: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let talk = TALK.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lifeboat-engine")
            .enable_all()
            .build()
    });
    match talk {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(failed("starting a thread for the container engine")(error)),
    }
}

/// Turns what the engine said into an error that says what was being done.
pub(super) fn failed<E: ToString>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |error| Error::Engine {
        what,
        reason: error.to_string(),
    }
}

/// Whether the engine said that there is no such thing.
pub(super) fn is_absent(error: &BollardError) -> bool {
    status_of(error) == Some(404)
}

/// The HTTP status of what the engine said, if it said anything.
pub(super) fn status_of(error: &BollardError) -> Option<u16> {
    if let BollardError::DockerResponseServerError { status_code, .. } = error {
        Some(*status_code)
    } else {
        None
    }
}

/// The error of an engine that is not there: it names what was tried.
fn unreachable(error: &dyn std::error::Error) -> Error {
    // Outer layers tell how the client is made, the innermost what happened.
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let reason = format!("{cause}. Start one, or say where it is with DOCKER_HOST");
    let tried = match std::env::var("DOCKER_HOST") {
        Ok(host) => format!("DOCKER_HOST={host}"),
        Err(_) => format!("DOCKER_HOST is not set, {}", sockets().join(", ")),
    };
    Error::Engine {
        what: format!("no container engine answers (tried: {tried})"),
        reason,
    }
}

/// Where engines listen unless `DOCKER_HOST` says otherwise, in the order they are tried.
fn sockets() -> Vec<String> {
    let below = |variable: &str, path: &str| {
        std::env::var_os(variable).map(|base| PathBuf::from(base).join(path))
    };
    let sockets = [
        Some(PathBuf::from("/var/run/docker.sock")),
        below("XDG_RUNTIME_DIR", ".docker/run/docker.sock"),
        below("HOME", ".docker/run/docker.sock"),
        below("HOME", ".docker/desktop/docker.sock"),
    ];
    let sockets = sockets.into_iter().flatten();
    sockets.map(|path| path.display().to_string()).collect()
}
