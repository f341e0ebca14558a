//! The throwaway cluster: as many nodes as replicas, called and tagged as the backup's placements want.

use std::collections::BTreeSet;
use std::path::Path;

use lifeboat_harness::{Cluster, Runtime};

use super::error::RehearsalError;
use super::run::RehearsalSettings;
use super::saved::SavedStream;
use crate::jetstream::{ConnectSettings, Connection, Login};

/// By the servers' own count; nothing is taken from disk or memory for it. Streams with large limits
/// reserve what a production cluster has and a machine for rehearsals need not have.
const RESERVE_BYTES: u64 = 1 << 60;
/// What restoring takes beside the messages themselves, in percent.
const OVERHEAD_PERCENT: u64 = 20;

/// The cluster, and a connection to it.
pub(super) struct Site {
    pub(super) cluster: Cluster,
    pub(super) connection: Connection,
}

/// More replicas than this no server makes.
const MOST_REPLICAS: u64 = 5;

/// How many replicas a stream will have, as far as a cluster can be had for it: one that wants more is
/// refused when it is restored.
pub(super) fn replicas_of(stream: &SavedStream, settings: &RehearsalSettings) -> u64 {
    let config = settings.overrides.apply(&stream.config);
    let replicas = config
        .ok()
        .and_then(|config| config.get("num_replicas")?.as_u64());
    replicas.unwrap_or(1).clamp(1, MOST_REPLICAS)
}

/// How many nodes all streams need.
fn nodes_for(streams: &[SavedStream], settings: &RehearsalSettings) -> usize {
    let replicas = streams.iter().map(|one| replicas_of(one, settings));
    usize::try_from(replicas.max().unwrap_or(1)).unwrap_or(1)
}

/// Looks whether there is room for what will be restored.
pub(super) fn check_room(
    streams: &[SavedStream],
    settings: &RehearsalSettings,
) -> Result<(), RehearsalError> {
    if settings.runtime != Runtime::Process {
        return Ok(());
    }
    let path = std::env::temp_dir();
    let Some(free) = free_bytes(&path) else {
        return Ok(());
    };
    let needed = streams.iter().fold(0_u64, |sum, stream| {
        let bytes = stream.bytes.max(stream.archive_bytes);
        sum.saturating_add(bytes.saturating_mul(replicas_of(stream, settings)))
    });
    let needed = needed.saturating_add(needed / 100 * OVERHEAD_PERCENT);
    if needed <= free {
        return Ok(());
    }
    Err(RehearsalError::NoRoom { path, needed, free })
}

fn free_bytes(path: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(path).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

impl Site {
    /// Starts it.
    pub(super) async fn start(
        streams: &[SavedStream],
        settings: &RehearsalSettings,
    ) -> Result<Self, RehearsalError> {
        let nodes = nodes_for(streams, settings);
        let mut builder = Cluster::builder()
            .nodes(nodes)
            .runtime(settings.runtime)
            .reserve(RESERVE_BYTES, RESERVE_BYTES)
            .found(settings.server.clone());
        if let Some(name) = streams.iter().find_map(SavedStream::placed_in) {
            builder = builder.name(name);
        }
        let tags: BTreeSet<String> = streams.iter().flat_map(SavedStream::tags).collect();
        let tags = tags.into_iter().chain(settings.overrides.tags.clone());
        let tags: Vec<String> = tags.collect();
        for _ in 0..nodes {
            builder = builder.tags(&tags);
        }
        let cluster = builder.start().await?;
        let user = cluster.credentials();
        let connection = Connection::open(&ConnectSettings {
            servers: cluster.client_urls(),
            login: Login::Password {
                user: user.user.clone(),
                password: user.password.clone(),
            },
            ..ConnectSettings::default()
        })
        .await
        .map_err(|error| RehearsalError::Connection(error.to_string()))?;
        Ok(Self {
            cluster,
            connection,
        })
    }
}
