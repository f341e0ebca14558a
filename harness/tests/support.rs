//! What several modules need: a client of the user account, and a look at the processes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Cluster, ClusterBuilder, Node, ServerRequest, StreamState};
#[cfg(target_os = "linux")]
use rustix::process::Pid;
use serde_json::{Value, json};

/// Longer than any election takes: two lost ones in a row on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a cluster, which every test needs to work.
pub(crate) async fn start(builder: ClusterBuilder) -> Cluster {
    builder.start().await.unwrap()
}

/// Connects as the user account to the node of that name, and to no other.
pub(crate) async fn connect(cluster: &Cluster, node: &str) -> Client {
    connect_to(cluster, vec![cluster.node(node).client_url().unwrap()]).await
}

/// Connects as the user account to whichever node answers.
pub(crate) async fn connect_any(cluster: &Cluster) -> Client {
    connect_to(cluster, cluster.client_urls()).await
}

async fn connect_to(cluster: &Cluster, urls: Vec<String>) -> Client {
    let user = cluster.credentials();
    ConnectOptions::with_user_and_password(user.user.clone(), user.password.clone())
        .connect(urls)
        .await
        .unwrap()
}

/// One request of the `JetStream` API, or one publish: both answer in JSON, errors included.
pub(crate) async fn ask(client: &Client, subject: &str, body: &Value) -> Result<Value, String> {
    let answer = client
        .request(subject.to_owned(), body.to_string().into())
        .await
        .map_err(|error| error.to_string())?;
    let answer: Value =
        serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
    match answer.get("error") {
        None => Ok(answer),
        Some(error) => Err(error.to_string()),
    }
}

/// Creates a stream that takes everything under its own name.
pub(crate) async fn create_stream(client: &Client, stream: &str, replicas: usize) {
    let config = json!({
        "name": stream,
        "subjects": [format!("{stream}.>")],
        "num_replicas": replicas,
        "storage": "file",
        "retention": "limits",
        "discard": "old",
    });
    // Asked again while a fresh leader leaves a request unanswered; the second time the same
    // stream is there already, which is as good.
    let subject = format!("$JS.API.STREAM.CREATE.{stream}");
    until(PATIENCE, || async {
        match ask(client, &subject, &config).await {
            Ok(_) => Probe::Ready(()),
            Err(seen) => Probe::Pending(seen),
        }
    })
    .await
    .unwrap();
}

/// Publishes until this many messages are acknowledged, trying again while nobody leads.
pub(crate) async fn publish(client: &Client, stream: &str, count: u64) {
    for number in 0..count {
        // The server drops a second copy, should only the answer to the first have been lost.
        let id = format!("{}-{number}", client.new_inbox());
        until(PATIENCE, || async {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Msg-Id", id.as_str());
            let body = number.to_string().into();
            let subject = format!("{stream}.a");
            match client.request_with_headers(subject, headers, body).await {
                Ok(answer) => match serde_json::from_slice::<Value>(&answer.payload) {
                    Ok(ack) if ack.get("seq").is_some() => Probe::Ready(()),
                    Ok(other) => Probe::Pending(other.to_string()),
                    Err(error) => Probe::Pending(error.to_string()),
                },
                Err(error) => Probe::Pending(error.to_string()),
            }
        })
        .await
        .unwrap();
    }
}

/// Waits until the node's own copy of a stream holds this many messages.
pub(crate) async fn wait_copy(cluster: &Cluster, node: &str, stream: &str, messages: u64) {
    let account = &cluster.credentials().account;
    until(PATIENCE, || async {
        let view = cluster.node(node).monitor().unwrap().jetstream().await;
        let seen = view.map(|view| view.stream(account, stream));
        match seen {
            Ok(Some(StreamState { messages: held, .. })) if held == messages => Probe::Ready(()),
            seen => Probe::Pending(format!("{seen:?}")),
        }
    })
    .await
    .unwrap();
}

/// Running nodes that do not lead the meta group: losing one costs no election.
pub(crate) async fn followers(cluster: &Cluster) -> Vec<Node<'_>> {
    let leader = cluster.meta_leader().await.unwrap();
    let mut nodes = cluster.running();
    nodes.retain(|node| node.name() != leader);
    nodes
}

/// Processes whose command line mentions a path, servers and watchdogs alike. A zombie has no
/// command line any more, so one that nobody has reaped yet does not count.
#[cfg(target_os = "linux")]
pub(crate) fn processes_mentioning(path: &Path) -> Vec<(Pid, String)> {
    let path = path.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            // A process may end between the two looks.
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(path).then_some((pid, line))
        })
        .collect()
}

/// A request for a shell script that passes for a server: it knows its version, and does
/// `body` when it is to run.
pub(crate) fn fake_server(directory: &Path, body: &str) -> ServerRequest {
    let path = directory.join("fake-server");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'nats-server: v2.15.1'; exit; fi\n{body}\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    ServerRequest {
        path: Some(path),
        ..ServerRequest::default()
    }
}
