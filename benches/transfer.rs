//! How fast streams are backed up and restored, held against clients that do nothing else.
//!
//! `cargo bench --bench transfer -- [MIB] [VERSION]...` (1024 MiB, the default version) starts a server, fills
//! a stream with messages of 1 KiB, and lets a floor and Lifeboat take turns: for backups a client that
//! receives and acknowledges the chunks and drops them, for restores one that sends them. Then 200 small
//! streams, and a link with a round trip of 20 ms. Compare ratios within one run, not seconds.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lifeboat::archive::{BackupLayout, Form};
use lifeboat::backup::{
    AccountOptions, AccountProgress, BackupError, BackupOptions, BackupSummary, Progress,
    RestoreOptions, RestoreSummary, back_up_account, back_up_stream, remove_stream, restore_stream,
};
use lifeboat::jetstream::{ConnectSettings, Connection, Login, RestoreTuning, SnapshotOptions};
use lifeboat::model::NameFilter;
use lifeboat::offline::{ConvertOptions, Look, convert};
use lifeboat_harness::wait::{Probe, pause_for, until};
use lifeboat_harness::{Cluster, parse_version};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const STREAM: &str = "BENCH";
const PAYLOAD: usize = 1 << 10;
const ROUNDS: usize = 3;
const SMALL_STREAMS: usize = 200;
/// One way; a round trip takes twice as long.
const DELAY: Duration = Duration::from_millis(10);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mib = arguments.iter().find_map(|text| text.parse::<u64>().ok());
    let versions: Vec<&String> = arguments
        .iter()
        .filter(|text| text.matches('.').count() == 2)
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "{:8} {:34} {:>8} {:>8} {:>8} {:>9}",
        "server", "step", "wall s", "of floor", "cpu s", "peak MiB"
    );
    let bytes = mib.unwrap_or(1024) << 20;
    if versions.is_empty() {
        runtime.block_on(measure(None, bytes));
    }
    for version in versions {
        runtime.block_on(measure(Some(version), bytes));
    }
}

/// One server and what is measured on it.
struct Bench {
    cluster: Cluster,
    connection: Connection,
    client: async_nats::Client,
    home: tempfile::TempDir,
}

async fn measure(version: Option<&str>, bytes: u64) {
    let mut builder = Cluster::builder().nodes(1);
    if let Some(version) = version {
        builder = builder.version(parse_version(version).unwrap());
    }
    let cluster = builder.start().await.unwrap();
    let user = cluster.credentials().clone();
    let client = async_nats::ConnectOptions::with_user_and_password(user.user, user.password)
        .connect(cluster.client_urls())
        .await
        .unwrap();
    let bench = Bench {
        connection: connect(&cluster, cluster.client_urls()).await,
        client,
        home: tempfile::tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or("/var/tmp".into()))
            .unwrap(),
        cluster,
    };
    bench.fill(STREAM, bytes / PAYLOAD as u64).await;
    bench.backups().await;
    bench.restores().await;
    bench.slow_link().await;
    bench.small_streams().await;
}

async fn connect(cluster: &Cluster, servers: Vec<String>) -> Connection {
    let user = cluster.credentials();
    let settings = ConnectSettings {
        servers,
        login: Login::Password {
            user: user.user.clone(),
            password: user.password.clone(),
        },
        ..ConnectSettings::default()
    };
    Connection::open(&settings).await.unwrap()
}

impl Bench {
    async fn fill(&self, stream: &str, count: u64) {
        let config = json!({ "name": stream, "subjects": [format!("{stream}.>")] });
        self.connection
            .create_stream(stream, &config)
            .await
            .unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        let mut payload = vec![b'x'; PAYLOAD];
        for number in 0..count {
            random.fill(&mut payload[..PAYLOAD / 2]);
            let subject = format!("{stream}.{}", number % 100);
            let payload = Bytes::copy_from_slice(&payload);
            // Servers drop what comes faster than they store it.
            if number % 500 == 499 {
                self.client.request(subject, payload).await.unwrap();
            } else {
                self.client.publish(subject, payload).await.unwrap();
            }
        }
        until(Duration::from_secs(600), || async {
            match self.connection.stream_info(stream).await {
                Ok(info) if info.state.messages == count => Probe::Ready(()),
                seen => Probe::Pending(format!("{:?}", seen.map(|info| info.state))),
            }
        })
        .await
        .unwrap();
    }

    fn print(&self, step: &str, run: Measured, floor: f64) {
        println!(
            "{:8} {step:34} {:8.2} {:8.2} {:8.2} {:9.0}",
            self.cluster.binary().version.to_string(),
            run.wall,
            run.wall / floor,
            run.cpu,
            run.peak
        );
    }

    async fn backups(&self) {
        let (mut floors, mut ours) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            floors.push(measured(receive(&self.connection, STREAM)).await.0);
            let target = self.home.path().join(format!("backup-{round}"));
            let taking = async {
                let options = BackupOptions::default();
                back_up_stream(&self.connection, STREAM, &target, options, Arc::new(()))
                    .await
                    .unwrap();
            };
            ours.push(measured(taking).await.0);
            if round > 0 {
                fs::remove_dir_all(&target).unwrap();
            }
        }
        let (floor, ours) = (median(floors), median(ours));
        self.print("receive and drop (floor)", floor, floor.wall);
        self.print("back up, verified", ours, floor.wall);
    }

    async fn restores(&self) {
        let backup = self.home.path().join("backup-0");
        let tar = self.as_tar(&backup);
        let (mut as_is, mut as_tar, mut leader) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.remove(STREAM).await;
            as_is.push(measured(send(&self.connection, &backup, None)).await.0);
            self.remove(STREAM).await;
            as_tar.push(measured(send(&self.connection, &tar, None)).await.0);
            self.remove(STREAM).await;
            let restoring = async {
                let options = RestoreOptions::default();
                restore_stream(&self.connection, &backup, &options, &(), pending())
                    .await
                    .unwrap();
            };
            leader.push(measured(restoring).await.0);
        }
        let (as_is, as_tar) = (median(as_is), median(as_tar));
        self.print("send the archive as it is (floor)", as_is, as_is.wall);
        self.print("send it as a tar", as_tar, as_is.wall);
        self.print("restore, compared", median(leader), as_is.wall);
    }

    /// The backup in the form that every server restores.
    fn as_tar(&self, backup: &Path) -> PathBuf {
        let layout = BackupLayout::at(backup);
        if layout.forms() == [Form::Tar] {
            return backup.to_owned();
        }
        let target = self.home.path().join("tar");
        let options = ConvertOptions {
            form: Form::Tar,
            rename: None,
            config: None,
            to_file: false,
            take_in_consumers: false,
        };
        convert(&Look::at(backup).unwrap(), &target, &options, None).unwrap();
        target
    }

    async fn remove(&self, stream: &str) {
        remove_stream(&self.connection, stream, Duration::from_secs(60))
            .await
            .unwrap();
    }

    /// The same over a link with a round trip of 20 ms: 64 MiB, for it takes its time.
    async fn slow_link(&self) {
        self.remove(STREAM).await;
        self.fill(STREAM, 64 << 10).await;
        let target = self.home.path().join("slow");
        let options = BackupOptions::default();
        back_up_stream(&self.connection, STREAM, &target, options, Arc::new(()))
            .await
            .unwrap();
        let address = self.cluster.client_urls()[0].replace("nats://", "");
        let slow = connect(&self.cluster, vec![delayed(address).await]).await;
        let tar = self.as_tar_of(&target);
        let one = RestoreTuning {
            chunk_bytes: 64 << 10,
            in_flight: 1,
        };
        self.remove(STREAM).await;
        let floor = measured(send(&slow, &tar, Some(one))).await.0;
        self.remove(STREAM).await;
        let ours = measured(send(&slow, &tar, None)).await.0;
        self.print("20 ms: 64 KiB a round trip", floor, floor.wall);
        self.print("20 ms: as restores send", ours, floor.wall);
    }

    fn as_tar_of(&self, backup: &Path) -> PathBuf {
        let _gone = fs::remove_dir_all(self.home.path().join("tar"));
        self.as_tar(backup)
    }

    async fn small_streams(&self) {
        self.remove(STREAM).await;
        let names: Vec<String> = (0..SMALL_STREAMS).map(|at| format!("SMALL-{at}")).collect();
        for name in &names {
            self.fill(name, 100).await;
        }
        let floor = async {
            for name in &names {
                receive(&self.connection, name).await;
            }
        };
        let floor = measured(floor).await.0;
        self.print("200 small streams: receive (floor)", floor, floor.wall);
        for jobs in [1, 4] {
            let target = self.home.path().join(format!("account-{jobs}"));
            let options = AccountOptions {
                names: NameFilter::default(),
                jobs,
                resume: false,
                stream: BackupOptions::default(),
            };
            let taking = async {
                back_up_account(&self.connection, &target, &options, &Quiet)
                    .await
                    .unwrap();
            };
            let ours = measured(taking).await.0;
            let step = format!("200 small streams, {jobs} at once");
            self.print(&step, ours, floor.wall);
        }
    }
}

/// Tells nobody.
struct Quiet;

impl AccountProgress for Quiet {
    fn begin(&self, _streams: usize) {}
    fn stream(&self, _name: &str) -> Arc<dyn Progress> {
        Arc::new(())
    }
    fn saved(&self, _taken: &BackupSummary) {}
    fn kept(&self, _name: &str) {}
    fn restored(&self, _restored: &RestoreSummary) {}
    fn failed(&self, name: &str, error: &BackupError) {
        panic!("{name}: {error}");
    }
}

/// Receives and acknowledges, and nothing else.
async fn receive(connection: &Connection, stream: &str) {
    let options = SnapshotOptions::default();
    let mut snapshot = connection.snapshot(stream, options).await.unwrap();
    while snapshot.next_chunk().await.unwrap().is_some() {}
}

/// Sends, and nothing else.
async fn send(connection: &Connection, backup: &Path, tuning: Option<RestoreTuning>) {
    let layout = BackupLayout::at(backup);
    let metadata: Value = serde_json::from_slice(&fs::read(layout.metadata()).unwrap()).unwrap();
    let mut file = fs::File::open(layout.archive(layout.forms()[0])).unwrap();
    let tuning = tuning.unwrap_or_else(|| RestoreTuning::for_connection(connection));
    let mut transfer = connection
        .restore(STREAM, &metadata["config"], &metadata["state"], tuning)
        .await
        .unwrap();
    loop {
        let mut chunk = Vec::new();
        let limit = transfer.chunk_bytes() as u64;
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut file, limit), &mut chunk).unwrap();
        if chunk.is_empty() {
            break;
        }
        transfer.send(chunk.into()).await.unwrap();
    }
    transfer.finish().await.unwrap();
}

/// The address of a link to another on which everything takes its time, both ways.
async fn delayed(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&to).await.unwrap();
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            tokio::spawn(carry(near_read, far_write));
            tokio::spawn(carry(far_read, near_write));
        }
    });
    format!("nats://{address}")
}

async fn carry(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf) {
    let (send, mut pieces) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(4096);
    tokio::spawn(async move {
        while let Some((due, piece)) = pieces.recv().await {
            pause_for(due.saturating_duration_since(Instant::now())).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer).await {
        let piece = buffer[..count].to_vec();
        if count == 0 || send.send((Instant::now() + DELAY, piece)).await.is_err() {
            break;
        }
    }
}

/// What something took.
#[derive(Debug, Clone, Copy)]
struct Measured {
    wall: f64,
    cpu: f64,
    peak: f64,
}

async fn measured<T>(work: impl Future<Output = T>) -> (Measured, T) {
    // The kernel counts the peak anew.
    let _reset = fs::write("/proc/self/clear_refs", "5");
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let done = work.await;
    let measured = Measured {
        wall: began.elapsed().as_secs_f64(),
        cpu: cpu_seconds() - cpu,
        peak: peak_mib(),
    };
    (measured, done)
}

fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    runs[runs.len() / 2]
}

/// User and system time of this process, in seconds; 100 ticks make one.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_mib() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}
