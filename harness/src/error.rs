//! Every way launching, watching or breaking a cluster can fail, with the fields a reader needs.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::Fault;
use crate::node::NodeState;
use crate::runtime::{LAUNCHED, is_panic};

/// The result of a harness call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the harness, or of the servers it runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A verb named a node this cluster does not have.
    #[error("no node is called `{name}` (this cluster has {known})")]
    UnknownNode {
        /// The name that was asked for.
        name: String,
        /// The names that exist, separated by commas.
        known: String,
    },

    /// A name that is taken already, or that a server would not accept.
    #[error("`{name}` can't be the name of a node: {reason}")]
    BadNodeName {
        /// The name that was refused.
        name: String,
        /// Why.
        reason: String,
    },

    /// A verb that makes no sense for a node in this state, such as wiping a running one.
    #[error("can't {verb} node `{node}` while it is {state}")]
    IllegalTransition {
        /// The node's name.
        node: String,
        /// The verb that was refused.
        verb: &'static str,
        /// The state the node was in.
        state: NodeState,
    },

    /// The cluster asked for can't exist.
    #[error("can't build this cluster: {0}")]
    BadCluster(String),

    /// Two sets of nodes between which no network can be.
    #[error("there is no network to break: {0}")]
    BadPartition(String),

    /// A fault that can't be injected here.
    #[error("{fault} is not possible here: {reason}")]
    Unsupported {
        /// The fault.
        fault: Fault,
        /// What is missing.
        reason: String,
    },

    /// A runtime that does not exist.
    #[error("`{0}` is no runtime; expected process or container")]
    BadRuntime(String),

    /// The container engine refused something, or there is none.
    #[error("{what}: {reason}")]
    Engine {
        /// What was being done.
        what: String,
        /// The engine's words, or what kept it from answering.
        reason: String,
    },

    /// A bounded wait ended before its condition was seen.
    #[error("waited {waited:.1?} for {what}; last seen: {last_seen}")]
    Timeout {
        /// What was awaited.
        what: String,
        /// How long.
        waited: Duration,
        /// The state of affairs when the wait was given up.
        last_seen: String,
    },

    /// A server process ended when it should have been running.
    #[error("node `{node}` ended by itself ({status}); the end of its log:\n{log_tail}")]
    Exited {
        /// The node's name.
        node: String,
        /// Its exit status.
        status: String,
        /// The last lines it wrote.
        log_tail: String,
    },

    /// The server answered a request with an error.
    #[error("{request} was refused: {description} ({code}/{err_code})")]
    Refused {
        /// The API subject that was asked.
        request: String,
        /// HTTP-like status, such as 400 or 503.
        code: u16,
        /// JetStream's own error number, such as 10044; 0 when there was none.
        err_code: u32,
        /// The server's words.
        description: String,
    },

    /// A request got no answer, or none that can be read.
    #[error("{request} got no usable answer: {reason}")]
    NoAnswer {
        /// The API subject that was asked.
        request: String,
        /// What happened instead.
        reason: String,
    },

    /// A monitoring endpoint of a node could not be read.
    #[error("node `{node}` did not answer on {endpoint}: {reason}")]
    Monitor {
        /// The node's name.
        node: String,
        /// The endpoint, such as `/jsz`.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },

    /// No usable server binary.
    #[error(transparent)]
    Binary(#[from] BinaryError),

    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to which path.
        what: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },

    /// Starting the cluster failed; what the nodes left behind is kept.
    #[error("{source}\n(configurations and logs are kept in {})", evidence.display())]
    StartFailed {
        /// Where the servers' configurations and logs are.
        evidence: PathBuf,
        /// Why the start failed.
        #[source]
        source: Box<Error>,
    },
}

/// A server binary that can't be found, fetched or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BinaryError {
    /// The file named explicitly can't be run as a server.
    #[error("{} is not a usable nats-server: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What happened when it was asked for its version.
        reason: String,
    },

    /// The file named explicitly is another version than the one asked for.
    #[error("{} is nats-server {found}, but {wanted} was asked for", path.display())]
    WrongVersion {
        /// The file.
        path: PathBuf,
        /// The version it reports.
        found: semver::Version,
        /// The version wanted.
        wanted: semver::Version,
    },

    /// Neither cache nor PATH has the version, and it could not be downloaded.
    #[error(
        "nats-server {version} is not cached, is not on PATH, and could not be downloaded: {reason}\n\
         Supply one yourself: name a binary with `--server PATH` or LIFEBOAT_SERVER=PATH, or put it at {}",
        cached_at.display()
    )]
    Unavailable {
        /// The version wanted.
        version: semver::Version,
        /// Where a cached binary would be.
        cached_at: PathBuf,
        /// What was tried, and how each try ended.
        reason: String,
    },

    /// What was downloaded is not what its own record says.
    #[error("the downloaded nats-server {version} is damaged: {reason}")]
    DamagedDownload {
        /// The version wanted.
        version: semver::Version,
        /// Which check failed.
        reason: String,
    },

    /// A version that is no version number.
    #[error("`{text}` is not a server version; expected something like 2.15.1")]
    BadVersion {
        /// What was given.
        text: String,
    },

    /// Neither a version number, nor a series of which one is known.
    #[error(
        "`{text}` is not a server version; expected something like 2.15.1, or 2.15 for the newest of a series \
         that `lifeboat servers list` shows"
    )]
    UnknownVersion {
        /// What was given.
        text: String,
    },

    /// The cache directory can't be used.
    #[error("{what}: {source}")]
    Cache {
        /// What was being done, and to which path.
        what: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What a server that ended by itself said in a panic; none when it ended otherwise.
    pub fn panic(&self) -> Option<&str> {
        let Self::Exited { log_tail, .. } = self else {
            return None;
        };
        // The end of a log may begin with the panic of an earlier launch.
        let first = log_tail.lines().next();
        first.filter(|line| is_panic(line) && !log_tail.contains(LAUNCHED))
    }
}

/// Turns an `io::Error` into one that says what was being done.
pub(crate) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |source| Error::Io { what, source }
}
