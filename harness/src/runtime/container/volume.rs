//! Volumes: a node's disk, with or without a size, and the ways into it.
//!
//! A volume with a size is a file system in memory, which is gone when nobody uses it. So a
//! second container holds on to it for as long as the node's may be stopped.

use std::collections::HashMap;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountType, VolumeCreateRequest,
};
use testcontainers::bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder, StartContainerOptions,
    UploadToContainerOptionsBuilder,
};
use testcontainers::bollard::{Docker, body_full, body_stream};

use super::Shared;
use super::archive::{self, Packer, header_of};
use super::engine::{failed, is_absent};
use super::node::VOLUME;
use crate::error::{Error, Result, io_error};

/// The file that fills a disk, beside the store.
const BALLAST: &str = "ballast";
/// How much of it is sent at once.
const BALLAST_CHUNK: usize = 1 << 20;
/// How the last block of an archive is filled, and two more that end it.
const TAR_BLOCK: u64 = 512;

/// A node's disk.
#[derive(Debug)]
pub(super) struct Volume {
    name: String,
    /// The container that holds on to it.
    holder: Option<String>,
}

impl Volume {
    pub(super) async fn make(shared: &Shared, name: &str) -> Result<Self> {
        let size = |bytes: u64| {
            let options = [
                ("type", String::from("tmpfs")),
                ("device", String::from("tmpfs")),
                ("o", format!("size={bytes}")),
            ];
            options.map(|(key, value)| (key.to_owned(), value)).into()
        };
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver_opts: shared.disk_bytes.map(size),
            labels: Some(shared.labels.iter().cloned().collect()),
            ..VolumeCreateRequest::default()
        };
        let made = shared.engine.docker().create_volume(request).await;
        made.map_err(failed(format!("making the volume {name}")))?;
        let mut volume = Self {
            name: name.to_owned(),
            holder: None,
        };
        if shared.disk_bytes.is_some() {
            let holder = volume.attach(shared).await?;
            let docker = shared.engine.docker();
            let started = docker.start_container(&holder, None::<StartContainerOptions>);
            started
                .await
                .map_err(failed(format!("starting {holder}")))?;
            volume.holder = Some(holder);
        }
        Ok(volume)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes a container that has the volume and does nothing: a server that talks to nobody.
    async fn attach(&self, shared: &Shared) -> Result<String> {
        let name = format!("{}-holder", self.name);
        let mount = Mount {
            target: Some(VOLUME.to_owned()),
            source: Some(self.name.clone()),
            typ: Some(MountType::VOLUME),
            ..Mount::default()
        };
        let config = ContainerCreateBody {
            image: Some(shared.image.clone()),
            cmd: Some(["--addr", "127.0.0.1"].map(str::to_owned).to_vec()),
            labels: Some(shared.labels.iter().cloned().collect::<HashMap<_, _>>()),
            host_config: Some(HostConfig {
                network_mode: Some(String::from("none")),
                mounts: Some(vec![mount]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let made = shared
            .engine
            .docker()
            .create_container(Some(options), config)
            .await;
        made.map_err(failed(format!("making {name}")))?;
        Ok(name)
    }

    /// Puts a store into a fresh volume, without one directory of it.
    pub(super) async fn fill_from(
        &self,
        shared: &Shared,
        mut store: std::fs::File,
        left_out: &Path,
    ) -> Result<()> {
        let doing = || format!("filling the volume {}", self.name);
        // The archive begins with the store's own directory.
        let left_out: PathBuf = Path::new("store").join(left_out);
        let packing = tokio::task::spawn_blocking(move || {
            store.rewind()?;
            archive::without(store, &left_out)
        });
        let packed = packing.await.map_err(failed(doing()))?;
        let packed = packed.map_err(failed(doing()))?;
        self.unpack(shared, packed, doing()).await
    }

    /// Adds what a local directory holds to the store, at that place in it.
    pub(super) async fn add(&self, shared: &Shared, from: &Path, place: &Path) -> Result<()> {
        let doing = || format!("filling the volume {}", self.name);
        let (from, place) = (from.to_owned(), Path::new("store").join(place));
        let packing = tokio::task::spawn_blocking(move || archive::pack(&from, &place));
        let packed = packing.await.map_err(failed(doing()))?;
        let packed = packed.map_err(io_error(doing()))?;
        self.unpack(shared, packed, doing()).await
    }

    async fn unpack(&self, shared: &Shared, packed: Vec<u8>, doing: String) -> Result<()> {
        let through = self.through(shared).await?;
        let uploaded = upload(shared.engine.docker(), through.name(), VOLUME, packed).await;
        through.end(shared).await?;
        uploaded.map_err(failed(doing))
    }

    /// Packs a directory of the volume, by its path in a container, when no node's container
    /// has it.
    pub(super) async fn download(
        &self,
        shared: &Shared,
        path: &str,
    ) -> Result<Option<std::fs::File>> {
        let through = self.through(shared).await?;
        let downloaded = download(shared.engine.docker(), through.name(), path).await;
        through.end(shared).await?;
        downloaded
    }

    /// A container that has the volume, for a moment if need be.
    async fn through(&self, shared: &Shared) -> Result<Through> {
        Ok(match &self.holder {
            Some(holder) => Through::Holder(holder.clone()),
            None => Through::Passing(self.attach(shared).await?),
        })
    }

    /// Writes a file as large as the whole disk: it takes what is left and then no more.
    pub(super) async fn fill(&self, shared: &Shared, bytes: u64) -> Result<()> {
        let doing = || format!("filling the volume {}", self.name);
        let Some(holder) = &self.holder else {
            return Err(failed(doing())("it has no size"));
        };
        let zeros = Bytes::from(vec![0; BALLAST_CHUNK]);
        let padded = bytes.next_multiple_of(TAR_BLOCK) + 2 * TAR_BLOCK;
        let chunks = (0..padded.div_ceil(BALLAST_CHUNK as u64)).map(move |index| {
            let left = padded - index * BALLAST_CHUNK as u64;
            zeros.slice(
                ..usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(BALLAST_CHUNK),
            )
        });
        let header = Bytes::from(header_of(BALLAST, bytes));
        let body = futures_util::stream::iter(std::iter::once(header).chain(chunks));
        let options = UploadToContainerOptionsBuilder::new().path(VOLUME).build();
        let docker = shared.engine.docker();
        let filled = docker.upload_to_container(holder, Some(options), body_stream(body));
        match filled.await {
            Err(error) if error.to_string().contains("no space left") => Ok(()),
            Err(error) => Err(failed(doing())(error)),
            Ok(()) => Err(failed(doing())("there is still room")),
        }
    }

    /// Replaces that file by an empty one.
    pub(super) async fn free(&self, shared: &Shared) -> Result<()> {
        let Some(holder) = &self.holder else {
            return Ok(());
        };
        let mut packer = Packer::new();
        packer.file(BALLAST, 0o600, &[]);
        let freed = upload(shared.engine.docker(), holder, VOLUME, packer.finish()).await;
        freed.map_err(failed(format!("freeing the volume {}", self.name)))
    }

    pub(super) async fn remove(self, shared: &Shared) -> Result<()> {
        let docker = shared.engine.docker();
        if let Some(holder) = &self.holder {
            remove_container(docker, holder).await?;
        }
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        let removed = docker.remove_volume(&self.name, Some(options)).await;
        removed.map_err(failed(format!("removing the volume {}", self.name)))
    }
}

/// A container by which a volume is reached.
enum Through {
    Holder(String),
    Passing(String),
}

impl Through {
    fn name(&self) -> &str {
        let (Self::Holder(name) | Self::Passing(name)) = self;
        name
    }

    async fn end(self, shared: &Shared) -> Result<()> {
        match self {
            Self::Holder(_) => Ok(()),
            Self::Passing(name) => remove_container(shared.engine.docker(), &name).await,
        }
    }
}

/// Removes a container, if there is one, with the volumes that have no name of ours.
pub(super) async fn remove_container(docker: &Docker, name: &str) -> Result<()> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
    match docker.remove_container(name, Some(options.build())).await {
        Err(error) if is_absent(&error) => Ok(()),
        removed => removed.map_err(failed(format!("removing {name}"))),
    }
}

/// Unpacks an archive into a directory of a container.
pub(super) async fn upload(
    docker: &Docker,
    container: &str,
    directory: &str,
    archive: Vec<u8>,
) -> Result<(), BollardError> {
    let options = UploadToContainerOptionsBuilder::new()
        .path(directory)
        .build();
    let body = body_full(Bytes::from(archive));
    docker
        .upload_to_container(container, Some(options), body)
        .await
}

/// Packs a directory of a container into a file that has no name; nothing when there is no
/// such directory.
pub(super) async fn download(
    docker: &Docker,
    container: &str,
    path: &str,
) -> Result<Option<std::fs::File>, Error> {
    let doing = || format!("reading {path} of {container}");
    let options = DownloadFromContainerOptionsBuilder::new()
        .path(path)
        .build();
    let mut chunks = docker.download_from_container(container, Some(options));
    let mut file = tempfile::tempfile().map_err(io_error("making a temporary file"))?;
    loop {
        match chunks.try_next().await {
            Ok(Some(chunk)) => file
                .write_all(&chunk)
                .map_err(io_error("writing a temporary file"))?,
            Ok(None) => return Ok(Some(file)),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(doing())(error)),
        }
    }
}

/// Unpacks what was downloaded.
pub(super) async fn unpack(mut archive: std::fs::File, to: &Path) -> Result<()> {
    let doing = format!("unpacking to {}", to.display());
    let to = to.to_owned();
    let unpacking = tokio::task::spawn_blocking(move || {
        archive.rewind()?;
        archive::unpack(archive, &to)
    });
    let unpacked = unpacking.await.map_err(failed(doing.clone()))?;
    unpacked.map_err(io_error(doing))
}
