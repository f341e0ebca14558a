//! The image that nodes run: one that is named, or one made around a server binary.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::ContainerCreateBody;
use testcontainers::bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, CreateImageOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use testcontainers::bollard::{Docker, body_full};

use super::archive::Packer;
use super::engine::{Engine, failed, is_absent};
use super::ownership::Owner;
use super::watchdog::watch;
use crate::binary::{ServerBinary, ServerSource, parse_version};
use crate::error::{BinaryError, Result};

/// The repository of images made here.
const REPOSITORY: &str = "lifeboat/nats-server";
/// Tells what binary an image was made around.
const DIGEST_LABEL: &str = "lifeboat.sha256";
/// How long an image may take to say its version.
const SAYS_WITHIN: Duration = Duration::from_secs(20);
/// Where the binary is in an image made here.
const BINARY: &str = "nats-server";

/// The id of the image around a server: the one it was identified by, else one that is made
/// unless it is there already.
pub(super) async fn image_of(engine: &Engine, server: &ServerBinary) -> Result<String> {
    if server.source == ServerSource::Image {
        return Ok(format!("sha256:{}", server.sha256));
    }
    let (docker, server) = (engine.docker().clone(), server.clone());
    engine
        .run(async move { make(&docker, &server).await })
        .await
}

/// Makes the image of a binary, once: programs side by side wait for each other.
async fn make(docker: &Docker, server: &ServerBinary) -> Result<String> {
    let tag = format!("{}-{}", server.version, &server.sha256[..12]);
    let name = format!("{REPOSITORY}:{tag}");
    if let Some(id) = find(docker, &name, &server.sha256).await? {
        return Ok(id);
    }
    let binary = server.path.clone();
    let lock = tokio::task::spawn_blocking(move || lock_binary(&binary));
    let _lock = lock
        .await
        .map_err(failed("waiting for other programs"))?
        .map_err(failed("locking the making of images"))?;
    if let Some(id) = find(docker, &name, &server.sha256).await? {
        return Ok(id);
    }
    import(docker, server, &tag).await?;
    let made = find(docker, &name, &server.sha256).await?;
    made.ok_or_else(|| failed(format!("making the image {name}"))("it is not there afterwards"))
}

/// The id of an image of that name around that binary, if there is one.
async fn find(docker: &Docker, name: &str, sha256: &str) -> Result<Option<String>> {
    match docker.inspect_image(name).await {
        Ok(image) => {
            let labels = image.config.and_then(|config| config.labels);
            let digest = labels.and_then(|labels| labels.get(DIGEST_LABEL).cloned());
            Ok(image.id.filter(|_| digest.as_deref() == Some(sha256)))
        }
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failed(format!("looking for the image {name}"))(error)),
    }
}

/// Imports a file system that holds the binary and nothing else: one layer, no build cache.
async fn import(docker: &Docker, server: &ServerBinary, tag: &str) -> Result<()> {
    let binary = std::fs::read(&server.path)
        .map_err(failed(format!("reading {}", server.path.display())))?;
    let mut packer = Packer::new();
    packer.file(BINARY, 0o755, &binary);
    packer.directory("tmp", 0o777);
    let options = CreateImageOptions {
        changes: vec![
            format!("ENTRYPOINT [\"/{BINARY}\"]"),
            format!("LABEL {DIGEST_LABEL}={}", server.sha256),
        ],
        ..CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(REPOSITORY)
            .tag(tag)
            .message(&format!("nats-server {}", server.version))
            .build()
    };
    let body = body_full(Bytes::from(packer.finish()));
    let importing = docker.create_image(Some(options), Some(body), None);
    let said: Result<Vec<_>, BollardError> = importing.try_collect().await;
    said.map(drop)
        .map_err(failed(format!("making the image {REPOSITORY}:{tag}")))
}

/// Waits for the lock under which the image of a binary is made: on the binary itself, so that no
/// file of a lock is left anywhere.
fn lock_binary(binary: &Path) -> std::io::Result<File> {
    let lock = File::open(binary)?;
    lock.lock()?;
    Ok(lock)
}

/// Finds out what a container image runs: pulls it when the engine does not have it, and asks
/// its server for its version. The digest is that of the image, and so is what runs later,
/// whatever the name means by then.
///
/// # Errors
/// [`Error::Engine`](crate::Error::Engine) when no engine answers; [`BinaryError::Unusable`]
/// when there is no such image, or its entrypoint is no server.
pub async fn identify_image(reference: &str) -> Result<ServerBinary> {
    let engine = Engine::connect().await?;
    let (docker, reference) = (engine.docker().clone(), reference.to_owned());
    let owner = Owner::this()?;
    let identified = async move {
        let id = pulled(&docker, &reference).await?;
        let watched = watch(&owner)?;
        let said = version_of(&docker, &id, &owner).await?;
        watched.gone();
        let version = said.trim().trim_start_matches("nats-server:");
        let version = parse_version(version).map_err(|_| BinaryError::Unusable {
            path: PathBuf::from(&reference),
            reason: format!("asked for its version, the image said `{}`", said.trim()),
        })?;
        Ok(ServerBinary {
            path: Path::new(&reference).to_owned(),
            version,
            sha256: id.trim_start_matches("sha256:").to_owned(),
            source: ServerSource::Image,
        })
    };
    engine.run(identified).await
}

/// The id of an image, pulled from its registry when the engine does not have it.
async fn pulled(docker: &Docker, reference: &str) -> Result<String> {
    let unusable = |reason: String| BinaryError::Unusable {
        path: PathBuf::from(reference),
        reason,
    };
    let inspected = match docker.inspect_image(reference).await {
        Err(error) if is_absent(&error) => {
            let options = CreateImageOptionsBuilder::new()
                .from_image(reference)
                .build();
            let pulling = docker.create_image(Some(options), None, None);
            let pulled: Result<Vec<_>, BollardError> = pulling.try_collect().await;
            let not_pulled = |error: BollardError| {
                unusable(format!(
                    "the engine has no such image and can't pull it: {error}"
                ))
            };
            pulled.map_err(not_pulled)?;
            docker.inspect_image(reference).await
        }
        other => other,
    };
    let image = inspected.map_err(|error| unusable(error.to_string()))?;
    Ok(image
        .id
        .ok_or_else(|| unusable(String::from("it has no id")))?)
}

/// Runs an image once, to have it say its version.
async fn version_of(docker: &Docker, image: &str, owner: &Owner) -> Result<String> {
    let doing = || format!("asking the image {image} for its version");
    let config = ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec![String::from("--version")]),
        labels: Some(HashMap::from([owner.label()])),
        network_disabled: Some(true),
        ..ContainerCreateBody::default()
    };
    let made = docker.create_container(None::<CreateContainerOptions>, config);
    let id = made.await.map_err(failed(doing()))?.id;
    let asked = async {
        docker
            .start_container(&id, None::<StartContainerOptions>)
            .await?;
        let waited = docker.wait_container(&id, None::<WaitContainerOptions>);
        // How it ended does not matter, nor whether: what it said does.
        let ended = waited.try_collect::<Vec<_>>();
        let _ended = tokio::time::timeout(SAYS_WITHIN, ended).await;
        let logs = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let said: Vec<_> = docker.logs(&id, Some(logs)).try_collect().await?;
        Ok::<_, BollardError>(said.into_iter().map(|line| line.to_string()).collect())
    };
    let said = asked.await;
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    let removed = docker.remove_container(&id, Some(options)).await;
    let said = said.map_err(failed(doing()))?;
    // What could not be removed is the watchdog's, which has not been told that it is gone.
    removed.map_err(failed(doing()))?;
    Ok(said)
}
