//! A cluster, a connection to it, streams worth backing up, and what can be seen of them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ConnectOptions, HeaderMap};
use bytes::Bytes;
use futures_util::StreamExt as _;
use lifeboat::archive::{BackupLayout, Form};
use lifeboat::backup::{
    BackupOptions, BackupSummary, Overrides, RestoreOptions, RestoreSummary, back_up_stream,
    remove_stream, restore_stream,
};
use lifeboat::jetstream::{ConnectSettings, Connection, Login, StreamState, read_messages};
use lifeboat::model::{ConsumerPosition, StoredMessage};
use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Cluster, ClusterBuilder, parse_version};
use semver::Version;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{Called, Lifeboat};

/// Longer than any election takes: two lost ones in a row on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The stream that [`World::fill`] makes.
pub(crate) const STREAM: &str = "ORDERS";
/// The first version that writes message archives.
const MESSAGE_ARCHIVES_SINCE: Version = Version::new(2, 15, 0);

/// A cluster of its own, and a directory of its own for backups.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) connection: Connection,
    pub(crate) directory: TempDir,
    /// For what the library has no need to say.
    pub(crate) client: Client,
}

/// What a stream holds, down to the last byte.
#[derive(Debug, PartialEq)]
pub(crate) struct Picture {
    pub(crate) state: StreamState,
    pub(crate) config: Value,
    pub(crate) messages: Vec<StoredMessage>,
    pub(crate) deleted: Vec<u64>,
}

/// Where a consumer stands: its position, how many messages are pending, how many are to come.
pub(crate) type Standing = (ConsumerPosition, u64, u64);

async fn connect(cluster: &Cluster) -> Connection {
    let user = cluster.credentials();
    let settings = ConnectSettings {
        servers: cluster.client_urls(),
        login: Login::Password {
            user: user.user.clone(),
            password: user.password.clone(),
        },
        ..ConnectSettings::default()
    };
    Connection::open(&settings).await.unwrap()
}

impl World {
    /// So many nodes of the version that the environment asks for.
    pub(crate) async fn start(nodes: usize) -> Self {
        Self::launch(Cluster::builder().nodes(nodes)).await
    }

    /// So many nodes of one version, whatever the environment asks for.
    pub(crate) async fn start_version(nodes: usize, version: &str) -> Self {
        let version = parse_version(version).unwrap();
        Self::launch(Cluster::builder().nodes(nodes).version(version)).await
    }

    /// A cluster as the builder says.
    pub(crate) async fn launch(builder: ClusterBuilder) -> Self {
        let cluster = builder.start().await.unwrap();
        let user = cluster.credentials().clone();
        let client = ConnectOptions::with_user_and_password(user.user, user.password)
            .connect(cluster.client_urls())
            .await
            .unwrap();
        Self {
            connection: connect(&cluster).await,
            directory: tempfile::tempdir().unwrap(),
            cluster,
            client,
        }
    }

    /// A connection beside the first, as of another process.
    pub(crate) async fn connect(&self) -> Connection {
        connect(&self.cluster).await
    }

    fn nodes(&self) -> usize {
        self.cluster.nodes().len()
    }

    /// The form of the archives that its servers write.
    pub(crate) fn form(&self) -> Form {
        if self.cluster.binary().version >= MESSAGE_ARCHIVES_SINCE {
            Form::Message
        } else {
            Form::Tar
        }
    }

    /// Whether its servers restore streams into memory.
    pub(crate) fn restores_memory(&self) -> bool {
        self.form() == Form::Message
    }

    /// Clusters that write message archives keep of a consumer only its ack floor.
    pub(crate) fn rolls_consumers_back(&self) -> bool {
        self.form() == Form::Message && self.nodes() > 1
    }

    /// A path in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes an API call; an error is the whole error object.
    pub(crate) async fn api(&self, call: &str, body: &Value) -> Result<Value, Value> {
        let subject = format!("$JS.API.{call}");
        let answer = self.client.request(subject, body.to_string().into()).await;
        let answer: Value = serde_json::from_slice(&answer.unwrap().payload).unwrap();
        match answer.get("error") {
            None => Ok(answer),
            Some(error) => Err(error.clone()),
        }
    }

    /// Makes a stream that takes everything under its own name.
    pub(crate) async fn create(&self, stream: &str, replicas: usize, more: &Value) {
        let mut config = json!({
            "name": stream,
            "subjects": [format!("{stream}.>")],
            "num_replicas": replicas,
            "storage": "file",
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        self.connection
            .create_stream(stream, &config)
            .await
            .unwrap();
    }

    /// Publishes messages of this size with random content, as fast as the server takes them.
    pub(crate) async fn publish_bulk(&self, stream: &str, count: u64, bytes: usize) {
        let had = self.connection.stream_info(stream).await.unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..count {
            let mut payload = vec![0; bytes];
            random.fill(&mut payload);
            let subject = format!("{stream}.bulk");
            self.client.publish(subject, payload.into()).await.unwrap();
        }
        let wanted = had.state.messages + count;
        until(PATIENCE, || async {
            match self.connection.stream_info(stream).await {
                Ok(info) if info.state.messages == wanted => Probe::Ready(()),
                seen => Probe::Pending(format!("{seen:?}")),
            }
        })
        .await
        .unwrap();
    }

    /// A stream with a bit of everything: see [`oddities`]. Some of it is deleted again, at the
    /// head, in the middle and at the tail, and consumers have read some of it.
    pub(crate) async fn fill(&self, replicas: usize, more: &Value) {
        self.create(STREAM, replicas, more).await;
        let mut last = 0;
        for (subject, headers, payload) in oddities() {
            let answer = until(PATIENCE, || async {
                let (subject, headers) = (subject.clone(), headers.clone());
                let payload = payload.clone();
                let answer = match headers {
                    Some(headers) => {
                        self.client
                            .request_with_headers(subject, headers, payload)
                            .await
                    }
                    None => self.client.request(subject, payload).await,
                };
                match answer {
                    // The other servers learn a moment later who answers to a new stream's subjects.
                    Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                        Probe::Pending(error.to_string())
                    }
                    answer => Probe::Ready(answer.unwrap()),
                }
            });
            let answer = answer.await.unwrap();
            let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
            last = answer["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"));
        }
        for sequence in [1, 9, 10, 23, last - 1, last] {
            let call = format!("STREAM.MSG.DELETE.{STREAM}");
            self.api(&call, &json!({ "seq": sequence })).await.unwrap();
        }
        self.add_consumers().await;
        self.wait_consumers(STREAM, 4).await;
    }

    /// `fresh` has read nothing, `done` everything, and `half` some, with gaps in what it
    /// acknowledged. `some` reads only what has a subject of its own.
    async fn add_consumers(&self) {
        for name in ["fresh", "done", "half", "some"] {
            let mut config = json!({
                "durable_name": name,
                "ack_policy": "explicit",
                "ack_wait": 1_000_000_000_u64,
            });
            if name == "some" {
                config["filter_subject"] = json!(format!("{STREAM}.größe.日本"));
            }
            self.connection
                .create_consumer(STREAM, &config)
                .await
                .unwrap();
        }
        self.read("half", 10, |number| [0, 1, 2, 3, 7].contains(&number))
            .await;
        self.read("done", 54, |_| true).await;
        self.read("some", 2, |number| number == 0).await;
    }

    /// Pulls so many messages as a consumer, and acknowledges those that `choose` picks.
    async fn read(&self, consumer: &str, count: usize, choose: fn(usize) -> bool) {
        self.read_from(STREAM, consumer, count, choose).await;
    }

    /// The same, from any stream.
    pub(crate) async fn read_from(
        &self,
        stream: &str,
        consumer: &str,
        count: usize,
        choose: fn(usize) -> bool,
    ) {
        let consumer = self.connection.consumer(stream, consumer);
        // A consumer that was just made may have no leader yet that could be asked.
        let batch = until(PATIENCE, || async {
            let batch = consumer.pull(count, PATIENCE).await.unwrap();
            match &batch.trouble {
                Some(trouble) if batch.deliveries.is_empty() && trouble.starts_with("503") => {
                    Probe::Pending(trouble.clone())
                }
                _ => Probe::Ready(batch),
            }
        });
        let batch = batch.await.unwrap();
        assert_eq!(batch.deliveries.len(), count, "{:?}", batch.trouble);
        for (number, delivery) in batch.deliveries.iter().enumerate() {
            if choose(number) {
                consumer.acknowledge(delivery, PATIENCE).await.unwrap();
            }
        }
    }

    /// Every message of a stream, and every sequence that holds none.
    pub(crate) async fn picture(&self, stream: &str) -> Picture {
        let info = self.connection.stream_info(stream).await.unwrap();
        let mut picture = Picture {
            state: info.state,
            config: plain_config(info.config),
            messages: Vec::new(),
            deleted: Vec::new(),
        };
        let sequences = 1..=info.state.last_seq;
        let mut stored = std::pin::pin!(read_messages(&self.connection, stream, sequences.clone()));
        for sequence in sequences {
            match stored.next().await.unwrap() {
                Ok(message) => picture.messages.push(message),
                Err(error) if error.is_message_not_found() => {
                    picture.deleted.push(sequence);
                }
                Err(error) => panic!("{sequence}: {error}"),
            }
        }
        picture
    }

    /// Waits until a stream has a leader that counts so many consumers.
    pub(crate) async fn wait_consumers(&self, stream: &str, consumers: usize) {
        until(PATIENCE, || async {
            match self.connection.stream_info(stream).await {
                Ok(info) if info.state.consumer_count == consumers => Probe::Ready(()),
                seen => Probe::Pending(format!("{seen:?}")),
            }
        })
        .await
        .unwrap();
    }

    /// Where a consumer stands.
    pub(crate) async fn standing(&self, consumer: &str) -> Standing {
        let consumer = self.connection.consumer(STREAM, consumer);
        consumer.position().await.unwrap()
    }

    /// Waits until a consumer stands there: what a cluster tells of it just after a restore is
    /// not yet true. Deleted messages count for nothing: a server of 2.10 that skipped them at
    /// the tail says so, and has forgotten it after a restore.
    pub(crate) async fn wait_standing(&self, expected: &Standing, messages: &[StoredMessage]) {
        let plain = |(mut position, pending, to_come): Standing| {
            for place in [&mut position.delivered, &mut position.ack_floor] {
                let before = messages.iter().rev();
                let mut before = before.map(|message| message.sequence);
                place.stream = before.find(|held| *held <= place.stream).unwrap_or(0);
            }
            (position, pending, to_come)
        };
        let expected = plain(expected.clone());
        until(PATIENCE, || async {
            let consumer = self.connection.consumer(STREAM, &expected.0.name);
            match consumer.position().await.map(plain) {
                Ok(found) if found == expected => Probe::Ready(()),
                found => Probe::Pending(format!("{found:?}, expected {expected:?}")),
            }
        })
        .await
        .unwrap();
    }

    /// Everything that a consumer still delivers.
    pub(crate) async fn deliveries(&self, consumer: &str) -> BTreeSet<u64> {
        let consumer = self.connection.consumer(STREAM, consumer);
        let seen = RefCell::new(BTreeSet::new());
        until(PATIENCE, || async {
            let batch = consumer
                .pull(100, Duration::from_millis(300))
                .await
                .unwrap();
            for delivery in &batch.deliveries {
                seen.borrow_mut().insert(delivery.message.sequence);
                consumer.acknowledge(delivery, PATIENCE).await.unwrap();
            }
            match consumer.position().await {
                Ok((_, 0, 0)) => Probe::Ready(()),
                position => Probe::Pending(format!("{position:?}")),
            }
        })
        .await
        .unwrap();
        seen.into_inner()
    }

    /// Has a stream led by another node than the one that has the only replica of a consumer.
    pub(crate) async fn lead_elsewhere(&self, stream: &str, consumer: &str) {
        let consumer = self.connection.consumer(stream, consumer);
        until(PATIENCE, || async {
            let info = self.connection.stream_info(stream).await;
            let leader = info.ok().and_then(|info| info.leader().map(str::to_owned));
            let holder = consumer.leader().await.ok().flatten();
            match (leader, holder) {
                (Some(leader), Some(holder)) if leader != holder => Probe::Ready(()),
                (Some(leader), Some(_)) => {
                    let asked = self.cluster.step_down_stream(stream).await;
                    Probe::Pending(format!(
                        "{leader} has both, and was asked to step down: {asked:?}"
                    ))
                }
                seen => Probe::Pending(format!("{seen:?}")),
            }
        })
        .await
        .unwrap();
    }

    /// Waits until so many nodes hold a whole copy of a stream.
    pub(crate) async fn wait_copies(&self, stream: &str, copies: usize) {
        let account = &self.cluster.credentials().account;
        let whole = self.connection.stream_info(stream).await.unwrap().state;
        until(PATIENCE, || async {
            let mut held = Vec::new();
            for node in self.cluster.running() {
                let view = node.monitor().unwrap().jetstream().await.unwrap();
                held.extend(view.stream(account, stream));
            }
            let same = |copy: &lifeboat_harness::StreamState| {
                (copy.messages, copy.first_seq, copy.last_seq)
                    == (whole.messages, whole.first_seq, whole.last_seq)
            };
            if held.len() == copies && held.iter().all(same) {
                Probe::Ready(())
            } else {
                Probe::Pending(format!("{held:?}"))
            }
        })
        .await
        .unwrap();
    }

    /// Backs a stream up, and checks the directory against what it should be.
    pub(crate) async fn back_up(&self, stream: &str, name: &str) -> BackupSummary {
        let (options, target) = (BackupOptions::default(), self.path(name));
        let info = self.connection.stream_info(stream).await.unwrap();
        let summary = back_up_stream(&self.connection, stream, &target, options, Arc::new(()))
            .await
            .unwrap();
        assert_eq!(summary.directory, target);
        let manifest = &summary.manifest;
        let layout = BackupLayout::at(&target);
        let archive_name = match self.form() {
            Form::Message => "stream.arc.s2",
            Form::Tar => "stream.tar.s2",
        };
        let mut names = crate::support::entries(&target);
        names.sort();
        let mut expected = vec!["backup.json", "lifeboat.json", archive_name];
        if !summary.saved_consumers.is_empty() {
            assert!(self.rolls_consumers_back(), "{summary:?}");
            expected.insert(1, "lifeboat-consumers.json");
        }
        assert_eq!(names, expected);
        let archive = fs::read(target.join(archive_name)).unwrap();
        assert_eq!(manifest.form, self.form());
        assert_eq!(manifest.archive_bytes, archive.len() as u64);
        assert_eq!(manifest.archive_sha256, sha256(&archive));
        assert_eq!(manifest.messages, info.state.messages);
        assert_eq!(manifest.first_sequence, info.state.first_seq);
        assert_eq!(manifest.last_sequence, info.state.last_seq);
        assert_eq!(manifest.consumers.len(), info.state.consumer_count);
        assert_eq!(
            manifest.server.as_ref(),
            Some(&self.cluster.binary().version)
        );
        assert_eq!(
            read_json(&layout.manifest()),
            serde_json::to_value(manifest).unwrap()
        );
        let metadata = read_json(&layout.metadata());
        assert_eq!(
            plain_config(metadata["config"].clone()),
            plain_config(info.config)
        );
        assert_eq!(metadata["state"]["messages"], info.state.messages);
        assert_eq!(metadata["state"]["last_seq"], info.state.last_seq);
        summary
    }

    /// Deletes a stream for good.
    pub(crate) async fn remove(&self, stream: &str) {
        remove_stream(&self.connection, stream, PATIENCE)
            .await
            .unwrap();
    }

    /// Restores a backup that must be restorable.
    pub(crate) async fn restore(&self, backup: &Path, replicas: Option<usize>) -> RestoreSummary {
        let options = restore_options(replicas);
        restore_stream(&self.connection, backup, &options, &(), pending())
            .await
            .unwrap()
    }

    /// Whether a stream is nowhere to be seen, on no node.
    pub(crate) async fn is_free(&self, stream: &str) -> bool {
        let names = self.api("STREAM.NAMES", &json!({})).await.unwrap();
        let known = names["streams"].as_array().into_iter().flatten();
        let info = self.connection.stream_info(stream).await;
        info.is_err_and(|error| error.is_stream_not_found())
            && known.into_iter().all(|name| name != stream)
    }

    /// How the program is told to connect to this cluster.
    pub(crate) fn connect_arguments(&self) -> Vec<String> {
        let user = self.cluster.credentials();
        let servers = self.cluster.client_urls().join(",");
        let connect = [
            "--server",
            &servers,
            "--user",
            &user.user,
            "--password",
            &user.password,
        ];
        connect.map(str::to_owned).to_vec()
    }

    /// Runs the program against this cluster.
    pub(crate) fn call(&self, arguments: &[&str]) -> Called {
        let connect = self.connect_arguments();
        let connect: Vec<&str> = connect.iter().map(String::as_str).collect();
        let lifeboat = Lifeboat::new();
        lifeboat.call(&[arguments, &["--no-progress"], &connect].concat())
    }

    /// Runs the program without any server.
    pub(crate) fn offline(&self, arguments: &[&str]) -> Called {
        Lifeboat::new().call(arguments)
    }

    /// Runs `backup stream`.
    pub(crate) fn call_backup(&self, stream: &str, target: &Path) -> Called {
        self.call(&["backup", "stream", stream, target.to_str().unwrap()])
    }

    /// Runs `restore stream`.
    pub(crate) fn call_restore(&self, backup: &Path, more: &[&str]) -> Called {
        let arguments = ["restore", "stream", backup.to_str().unwrap()];
        self.call(&[&arguments, more].concat())
    }
}

/// Says a figure that somebody may want to know; nobody sees it unless they ask for it.
#[expect(clippy::print_stdout, reason = "the test runner collects it")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// With another number of replicas.
pub(crate) fn restore_options(replicas: Option<usize>) -> RestoreOptions {
    RestoreOptions {
        overrides: Overrides {
            replicas,
            ..Overrides::default()
        },
        ..RestoreOptions::default()
    }
}

/// A configuration without what servers add to it about themselves.
pub(crate) fn plain_config(mut config: Value) -> Value {
    if let Some(metadata) = config["metadata"].as_object_mut() {
        metadata.retain(|key, _| !key.starts_with("_nats."));
    }
    config
}

/// Messages with headers of all sorts and without, empty, binary and large ones, on subjects
/// that are not ASCII. The large ones make an archive of several chunks.
fn oddities() -> Vec<(String, Option<HeaderMap>, Bytes)> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut messages = Vec::new();
    for number in 0..60_u32 {
        let subject = match number % 4 {
            0 => format!("{STREAM}.größe.日本"),
            1 => format!("{STREAM}.a.{number}"),
            _ => format!("{STREAM}.a"),
        };
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("id-{number}"));
        headers.append("X-Twice", "one");
        headers.append("X-Twice", "two, with: a colon");
        headers.insert("X-Words", "größer 🛟");
        headers.insert("X-Empty", "");
        let payload = match number % 5 {
            0 => Bytes::new(),
            1 => (0..=u8::MAX).collect(),
            2 => Bytes::from(format!("text {number} größer 🛟")),
            3 if number % 3 == 0 => {
                let mut payload = vec![0; 400 << 10];
                random.fill(&mut payload);
                payload.into()
            }
            _ => Bytes::from_static(b"\r\n\0NATSARC1 +ACK\r\n"),
        };
        messages.push((subject, (number % 3 != 0).then_some(headers), payload));
    }
    messages
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Changes the JSON of a file.
pub(crate) fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = read_json(path);
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}
