//! One node: its container, its volume, and what is done to them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerUpdateBody,
};
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, LogsOptionsBuilder,
};
use testcontainers::{ContainerAsync, GenericImage};
use tokio::sync::Mutex;

use super::Shared;
use super::engine::{failed, is_absent};
use super::volume::{self, Volume};
use crate::error::{Error, Result, io_error};
use crate::runtime::{NodeKey, Signal, StoreArea};
use crate::wait::{Probe, until};

/// Where the volume is in a container.
pub(super) const VOLUME: &str = "/data";
/// Where the store is in a container.
pub(super) const STORE: &str = "/data/store";
/// More memory than any machine has: what an engine takes for no limit at all.
const NO_LIMIT: i64 = 1 << 50;
/// How long a killed server may take to be gone.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A node, as the engine has it.
#[derive(Debug)]
pub(super) struct NodeContainer {
    pub(super) shared: Arc<Shared>,
    pub(super) key: NodeKey,
    pub(super) name: String,
    pub(super) record: Mutex<Record>,
    /// Held while the server starts.
    pub(super) launching: Mutex<()>,
    /// How often it was told to start: a start that was given up must not end a later one.
    launches: AtomicU64,
}

/// What changes of a node.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) container: Option<ContainerAsync<GenericImage>>,
    pub(super) volume: Option<Volume>,
    pub(super) volumes_made: u32,
    pub(super) config: String,
    /// What containers logged that are gone.
    pub(super) log: Vec<u8>,
    pub(super) read_only: bool,
    /// The container is not what it should be any more: the next start makes another.
    pub(super) outdated: bool,
    pub(super) memory: Option<i64>,
}

impl NodeContainer {
    pub(super) fn new(shared: Arc<Shared>, key: NodeKey) -> Self {
        let name = shared.name_of(key);
        Self {
            shared,
            key,
            name,
            record: Mutex::default(),
            launching: Mutex::default(),
            launches: AtomicU64::new(0),
        }
    }

    /// The number of a start that begins now.
    pub(super) fn next_launch(&self) -> u64 {
        self.launches.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether no start has begun since that one.
    pub(super) fn is_latest(&self, launch: u64) -> bool {
        self.launches.load(Ordering::SeqCst) == launch
    }

    pub(super) fn docker(&self) -> &Docker {
        self.shared.engine.docker()
    }

    pub(super) fn failed<E: ToString>(&self, doing: &str) -> impl FnOnce(E) -> Error {
        failed(format!("{doing} {}", self.name))
    }

    pub(super) async fn inspect(&self) -> Result<ContainerInspectResponse, BollardError> {
        let options = None::<InspectContainerOptions>;
        self.docker().inspect_container(&self.name, options).await
    }

    /// How the server ended, or nothing while it runs.
    pub(super) async fn exited(&self) -> Result<Option<String>> {
        use ContainerStateStatusEnum as Status;
        let seen = match self.inspect().await {
            Err(error) if is_absent(&error) => return Ok(Some(String::from("never started"))),
            seen => seen.map_err(self.failed("looking at"))?,
        };
        let state = seen.state.unwrap_or_default();
        Ok(match state.status {
            Some(Status::EXITED | Status::DEAD) => {
                let code = state.exit_code.unwrap_or_default();
                let why = match (state.oom_killed, state.error.as_deref()) {
                    (Some(true), _) => ", out of memory",
                    (_, Some("") | None) => "",
                    (_, Some(_)) => ", see the engine's log",
                };
                Some(format!("exit code {code}{why}"))
            }
            Some(Status::CREATED) => Some(String::from("never started")),
            Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING) => None,
            Some(Status::REMOVING | Status::STOPPING | Status::EMPTY) | None => None,
        })
    }

    pub(super) async fn signal(&self, signal: Signal) -> Result<()> {
        let name = match signal {
            Signal::Kill => "SIGKILL",
            Signal::Terminate => "SIGTERM",
            Signal::LameDuck => "SIGUSR2",
            Signal::Pause | Signal::Resume => {
                let record = self.record.lock().await;
                let Some(container) = &record.container else {
                    return Ok(());
                };
                let done = if signal == Signal::Pause {
                    container.pause().await
                } else {
                    container.unpause().await
                };
                return done.map_err(self.failed("pausing or resuming"));
            }
        };
        self.kill(name).await
    }

    /// Signals the server; one that has ended is left in peace.
    pub(super) async fn kill(&self, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let killed = self
            .docker()
            .kill_container(&self.name, Some(options))
            .await;
        match killed {
            Err(_) if self.exited().await?.is_some() => Ok(()),
            killed => killed.map_err(self.failed("signalling")),
        }
    }

    /// Removes a stopped node's disk, or all of one stream on it.
    pub(super) async fn wipe(&self, area: &StoreArea) -> Result<()> {
        let mut record = self.record.lock().await;
        let rest = match area {
            StoreArea::All => None,
            StoreArea::Stream { .. } | StoreArea::MetaGroup => {
                match self.download(&record, STORE).await? {
                    Some(store) => Some(store),
                    None => return Ok(()),
                }
            }
        };
        let kept = match rest {
            None => None,
            Some(store) => {
                let volume = self.next_volume(&mut record).await?;
                volume.fill_from(&self.shared, store, &area.path()).await?;
                Some(volume)
            }
        };
        self.exchange(&mut record, kept).await
    }

    /// Replaces part of a stopped node's disk by what a local directory holds.
    pub(super) async fn put_store(&self, area: &StoreArea, from: &Path) -> Result<()> {
        let mut record = self.record.lock().await;
        let rest = match area {
            StoreArea::All => None,
            StoreArea::Stream { .. } | StoreArea::MetaGroup => {
                self.download(&record, STORE).await?
            }
        };
        let volume = self.next_volume(&mut record).await?;
        if let Some(store) = rest {
            volume.fill_from(&self.shared, store, &area.path()).await?;
        }
        volume.add(&self.shared, from, &area.path()).await?;
        self.exchange(&mut record, Some(volume)).await
    }

    /// Has the node use another volume, or none, from its next start on.
    async fn exchange(&self, record: &mut Record, volume: Option<Volume>) -> Result<()> {
        self.discard(record).await?;
        // The old one goes last: whatever failed before, nothing is lost.
        let old = std::mem::replace(&mut record.volume, volume);
        match old {
            Some(old) => old.remove(&self.shared).await,
            None => Ok(()),
        }
    }

    /// Makes a volume of a name that was not used before.
    pub(super) async fn next_volume(&self, record: &mut Record) -> Result<Volume> {
        record.volumes_made += 1;
        let name = format!("{}-{}", self.name, record.volumes_made);
        Volume::make(&self.shared, &name).await
    }

    /// Packs a directory of the node's disk; nothing when there is none.
    async fn download(&self, record: &Record, path: &str) -> Result<Option<fs::File>> {
        match (&record.container, &record.volume) {
            (Some(_), _) => volume::download(self.docker(), &self.name, path).await,
            (None, Some(volume)) => volume.download(&self.shared, path).await,
            (None, None) => Ok(None),
        }
    }

    /// Removes the container and keeps what it logged. The volume stays.
    pub(super) async fn discard(&self, record: &mut Record) -> Result<()> {
        record.outdated = false;
        if let Some(container) = record.container.take() {
            let log = self.current_log().await?;
            record.log.extend(log);
            container.rm().await.map_err(self.failed("removing"))?;
        }
        Ok(())
    }

    pub(super) async fn fill_disk(&self) -> Result<()> {
        let record = self.record.lock().await;
        match (&record.volume, self.shared.disk_bytes) {
            (Some(volume), Some(bytes)) => volume.fill(&self.shared, bytes).await,
            _ => Err(failed(format!("filling the disk of {}", self.name))(
                "it was wiped",
            )),
        }
    }

    pub(super) async fn free_disk(&self) -> Result<()> {
        let record = self.record.lock().await;
        match &record.volume {
            Some(volume) => volume.free(&self.shared).await,
            None => Ok(()),
        }
    }

    pub(super) async fn set_read_only(&self, read_only: bool) -> Result<()> {
        let mut record = self.record.lock().await;
        record.outdated |= record.read_only != read_only;
        record.read_only = read_only;
        Ok(())
    }

    pub(super) async fn limit_memory(&self, bytes: Option<u64>) -> Result<()> {
        let mut record = self.record.lock().await;
        let limit = bytes.map(|bytes| i64::try_from(bytes).unwrap_or(NO_LIMIT));
        if record.container.is_some() {
            let body = ContainerUpdateBody {
                memory: Some(limit.unwrap_or(NO_LIMIT)),
                // Swap would only delay the end.
                memory_swap: Some(limit.unwrap_or(-1)),
                ..ContainerUpdateBody::default()
            };
            let updated = self.docker().update_container(&self.name, body).await;
            updated.map_err(self.failed("limiting the memory of"))?;
        }
        record.memory = limit;
        Ok(())
    }

    /// Copies part of a stopped node's disk; whether there was any.
    pub(super) async fn copy_store(&self, area: &StoreArea, to: &Path) -> Result<bool> {
        let record = self.record.lock().await;
        let path = match area {
            StoreArea::All => STORE.to_owned(),
            StoreArea::Stream { .. } | StoreArea::MetaGroup => {
                format!("{STORE}/{}", area.path().display())
            }
        };
        let Some(archive) = self.download(&record, &path).await? else {
            return Ok(false);
        };
        volume::unpack(archive, to).await?;
        Ok(true)
    }

    pub(super) async fn copy_evidence(&self, to: &Path) -> Result<()> {
        let log = self.log().await?;
        let config = self.record.lock().await.config.clone();
        let written = fs::create_dir_all(to)
            .and_then(|()| fs::write(to.join("server.conf"), config))
            .and_then(|()| fs::write(to.join("server.log"), log));
        written.map_err(io_error(format!("writing to {}", to.display())))
    }

    /// All that the node has logged.
    pub(super) async fn log(&self) -> Result<Vec<u8>> {
        let mut log = self.record.lock().await.log.clone();
        log.extend(self.current_log().await?);
        Ok(log)
    }

    /// What the present container has logged.
    async fn current_log(&self) -> Result<Vec<u8>> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let lines = self.docker().logs(&self.name, Some(options));
        let lines: Result<Vec<_>, _> = lines.try_collect().await;
        match lines {
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            lines => {
                let lines = lines.map_err(self.failed("reading the log of"))?;
                Ok(lines
                    .into_iter()
                    .flat_map(|line| line.into_bytes())
                    .collect())
            }
        }
    }

    /// Saves configuration, log and store before all is removed, as far as that goes.
    pub(super) async fn save(&self, to: &Path) {
        let _ended = self.kill("SIGKILL").await;
        let _saved = self.copy_evidence(to).await;
        let _saved = self.copy_store(&StoreArea::All, &to.join("store")).await;
    }

    /// Ends a server whose start was given up, once that has come to its end. A later start ends
    /// it before it begins.
    pub(super) async fn give_up(&self, launch: u64) -> Result<()> {
        let _launching = self.launching.lock().await;
        if self.is_latest(launch) {
            self.kill("SIGKILL").await?;
        }
        Ok(())
    }

    /// Ends what still runs in the container.
    pub(super) async fn end(&self) -> Result<()> {
        if self.exited().await?.is_some() {
            return Ok(());
        }
        self.kill("SIGKILL").await?;
        until(ENDS_WITHIN, || async {
            match self.exited().await {
                Ok(Some(_)) => Probe::Ready(()),
                seen => Probe::Pending(format!("{seen:?}")),
            }
        })
        .await
        .map_err(self.failed("ending"))
    }

    /// Removes the container.
    pub(super) async fn forget(&self) {
        if let Some(container) = self.record.lock().await.container.take() {
            // What is left is removed by its label.
            let _removed = container.rm().await;
        }
    }
}
