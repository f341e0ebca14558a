//! `servers list` and `servers fetch`: the binaries that drills run.

use std::collections::BTreeMap;

use lifeboat_harness::{
    Cache, CachedServer, DEFAULT_VERSION, KNOWN_VERSIONS, ServerBinary, ServerRequest,
    ServerSource, choose_version,
};
use semver::Version;
use serde_json::{Value, json};

use super::{Failure, Outcome};
use crate::exit::Exit;
use crate::ui;

pub(super) fn list(as_json: bool) -> Outcome {
    let request = ServerRequest::from_env()?;
    let cached: BTreeMap<_, _> = Cache::open(request.cache.as_deref())?
        .list()
        .into_iter()
        .map(|server| (server.version.clone(), server))
        .collect();
    let mut versions: Vec<Version> = KNOWN_VERSIONS.to_vec();
    versions.extend(cached.keys().cloned());
    versions.sort();
    versions.dedup();
    let text = if as_json {
        let all: Vec<Value> = versions
            .iter()
            .map(|version| entry(version, cached.get(version)))
            .collect();
        serde_json::to_string_pretty(&all)?
    } else {
        let lines: Vec<_> = versions
            .iter()
            .map(|version| line(version, cached.get(version)))
            .collect();
        lines.join("\n")
    };
    ui::print(&text)?;
    Ok(Exit::Done)
}

fn entry(version: &Version, cached: Option<&CachedServer>) -> Value {
    json!({
        "version": version,
        "default": *version == DEFAULT_VERSION,
        "cached": cached.is_some(),
        "path": cached.map(|server| &server.path),
        "sha256": cached.and_then(|server| server.sha256.as_ref()),
    })
}

fn line(version: &Version, cached: Option<&CachedServer>) -> String {
    let mark = if *version == DEFAULT_VERSION {
        " (default)"
    } else {
        ""
    };
    let place = cached.map_or_else(
        || String::from("can be fetched"),
        |server| server.path.display().to_string(),
    );
    format!("{:<18} {place}", format!("{version}{mark}"))
}

pub(super) async fn fetch(versions: &[String]) -> Outcome {
    // What is wrong with one of them is told before any is downloaded.
    let versions = versions.iter().map(|text| choose_version(text));
    let versions = versions.collect::<Result<Vec<_>, _>>()?;
    for version in versions {
        fetch_one(version).await?;
    }
    Ok(Exit::Done)
}

async fn fetch_one(version: Version) -> Result<(), Failure> {
    let request = ServerRequest {
        version: Some(version),
        ..ServerRequest::from_env()?
    };
    let server = in_background(move || request.fetch()).await?;
    let how = if server.source == ServerSource::Cache {
        "is cached already"
    } else {
        "is fetched"
    };
    ui::say(&format!("{server} {how} (sha256 {})", server.sha256));
    ui::print(&server.path.display().to_string())?;
    Ok(())
}

/// Finds a server as drills do, saying so when it may take a moment.
pub(super) async fn locate(request: ServerRequest) -> Result<ServerBinary, Failure> {
    let wanted = request.version.clone().unwrap_or(DEFAULT_VERSION);
    let cached = Cache::open(request.cache.as_deref())?.binary_path(&wanted);
    if request.path.is_none() && !cached.exists() {
        let how = if request.offline {
            ""
        } else {
            ", downloading it if need be"
        };
        ui::say(&format!("looking for nats-server {wanted}{how}"));
    }
    in_background(move || request.locate()).await
}

async fn in_background<F>(find: F) -> Result<ServerBinary, Failure>
where
    F: FnOnce() -> Result<ServerBinary, lifeboat_harness::BinaryError> + Send + 'static,
{
    match tokio::task::spawn_blocking(find).await {
        Ok(found) => Ok(found?),
        Err(error) => Err(Failure::new(Exit::Unexpected, error)),
    }
}
