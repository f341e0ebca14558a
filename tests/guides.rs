//! The guides, followed: every command that they show is typed into a shell, in their order, in one
//! directory, with a system in production beside it.
//!
//! What is replaced is replaced here and nowhere else: names of what only a reader has, and what would take
//! longer than a test may.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use lifeboat_harness::{Cluster, Credentials};

use crate::backup::world::World;
use crate::docs::documents;
use crate::support::{Called, Lifeboat, root};

/// The drill that takes the least time, where a guide means any or all of them.
const QUICK: &str = "nats-6778-purged-then-killed";
/// Three machines are one here; how each ended, the merge tells.
const PARTS: &str = "drill list > list.txt; for n in 1 2 3; do lifeboat drill matrix QUICK r1-power-loss r1-killed-restarted --server 2.15.1 --partition $n/3 --out part$n & done; wait";
/// Somebody watches, and has seen enough.
const WATCHED: Instead = (
    "lifeboat lab status --watch",
    "timeout --preserve-status --signal INT 2 lifeboat lab status --watch",
);
/// What the reader's servers are in production, in every guide.
const IN_PRODUCTION: &str = "2.14.6";
/// Words of a command, and what takes their place in a test.
type Instead = (&'static str, &'static str);
/// How a command begins, and how it exits; all others exit with 0.
type Exits = (&'static str, i32);

/// Somebody with a guide, an empty home, and this program in the path.
struct Reader {
    lifeboat: Lifeboat,
}

impl Reader {
    fn new() -> Self {
        Self {
            lifeboat: Lifeboat::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.lifeboat.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Types a line into a shell.
    fn types(&self, line: &str) -> Called {
        let program = Path::new(env!("CARGO_BIN_EXE_lifeboat"));
        let mut path = OsString::from(program.parent().unwrap());
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let line = line.replace("QUICK", QUICK);
        let mut shell = Command::new("bash");
        shell.args(["-c", &line]).env("PATH", path);
        // A guide is about the servers that it names.
        for name in ["SERVER", "SERVER_VERSION", "RUNTIME", "IMAGE"] {
            shell.env_remove(format!("LIFEBOAT_{name}"));
        }
        Called::from(self.lifeboat.settle(&mut shell).output().unwrap())
    }

    /// A server that the reader has built.
    fn build_server(&self) {
        let line =
            "ln -s \"$(lifeboat servers fetch 2.15.1)\" nats-server && ./nats-server --version";
        let _linked = self.types(line).expect_code(0);
    }

    /// The system in production, with a stream; the context `prod` leads to it, and is the selected one.
    async fn runs_production(&self) -> World {
        let world = World::start_version(3, IN_PRODUCTION).await;
        world.create("ORDERS", 3, &json!({})).await;
        world.publish_bulk("ORDERS", 300, 200).await;
        self.has_context("prod", &world.cluster, world.cluster.credentials());
        self.write(".config/nats/context.txt", "prod");
        world
    }

    fn has_context(&self, name: &str, cluster: &Cluster, user: &Credentials) {
        let context = json!({
            "url": cluster.client_urls().join(","),
            "user": user.user,
            "password": user.password,
        });
        let file = format!(".config/nats/context/{name}.json");
        self.write(&file, &context.to_string());
    }

    /// Does what a document says, as it can be done here.
    fn does(&self, document: &str, line: &str, code: i32) {
        let called = self.types(line);
        assert_eq!(
            called.code,
            Some(code),
            "{document}: {line}\nstdout:\n{}\nstderr:\n{}",
            called.stdout,
            called.stderr
        );
    }

    /// Follows a document from its beginning to its end, or the part of it under a heading.
    fn follows(&self, document: &str, part: &str, instead: &[Instead], exits: &[Exits]) {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let text = match part {
            "" => &*text,
            heading => {
                let (_, part) = text.split_once(&format!("\n## {heading}\n")).unwrap();
                part.split("\n## ").next().unwrap()
            }
        };
        let mut used = BTreeSet::new();
        let mut typed = 0;
        for step in steps(text) {
            let command = match step {
                Step::Save { name, text } => {
                    self.write(&name, &text);
                    continue;
                }
                // What needs an engine is followed where there is one: see `containers`.
                Step::Type(command) if command.contains("--runtime container") => continue,
                Step::Type(command) => command,
            };
            let mut line = command.clone();
            for (from, to) in instead.iter().filter(|(from, _)| command.contains(from)) {
                line = line.replacen(from, to, 1);
                used.insert(*from);
            }
            let exit = exits.iter().find(|(begins, _)| command.starts_with(begins));
            used.extend(exit.map(|(begins, _)| *begins));
            let code = exit.map_or(0, |(_, code)| *code);
            self.does(document, &line, code);
            typed += 1;
        }
        assert!(typed > 0, "{document} shows no command in `{part}`");
        let stated = instead.iter().map(|(from, _)| *from);
        let stated = stated.chain(exits.iter().map(|(begins, _)| *begins));
        let unused: Vec<_> = stated.filter(|words| !used.contains(words)).collect();
        assert_eq!(unused, [""; 0], "{document} has none of these");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ended = self.types("lifeboat lab down --discard");
    }
}

/// What a guide has its reader do.
enum Step {
    Type(String),
    Save { name: String, text: String },
}

/// The console's lines and the scenarios of a document, in its order; of tables, the code that is a command.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, piece) in text.split("```").enumerate() {
        let (language, block) = piece.split_once('\n').unwrap_or((piece, ""));
        if index % 2 == 0 {
            let rows = piece.lines().filter(|line| line.starts_with("| "));
            let codes = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
            let commands = codes.filter(|code| code.starts_with("lifeboat "));
            steps.extend(commands.map(|command| Step::Type(command.to_owned())));
        } else if language == "console" {
            let typed = block.lines().filter_map(|line| line.strip_prefix("$ "));
            steps.extend(typed.map(|command| Step::Type(command.to_owned())));
        } else if language == "toml" && block.starts_with("name = ") {
            let name = block.split('"').nth(1).unwrap();
            steps.push(Step::Save {
                name: format!("{name}.toml"),
                text: block.to_owned(),
            });
        }
    }
    steps
}

/// The command of the example for Kubernetes.
fn kubernetes_command() -> String {
    let text = fs::read_to_string(root().join("examples/kubernetes-rehearsal.yaml")).unwrap();
    let (_, arguments) = text.split_once("args:").unwrap();
    let (arguments, _) = arguments.split_once("env:").unwrap();
    let arguments = arguments.lines().map(str::trim);
    let arguments: Vec<_> = arguments
        .filter_map(|line| line.strip_prefix("- "))
        .collect();
    format!("lifeboat {}", arguments.join(" "))
}

/// What the steps of the example for GitHub run.
fn github_runs() -> Vec<String> {
    let text = fs::read_to_string(root().join("examples/github-recovery.yml")).unwrap();
    let steps = text
        .split("\n      - ")
        .filter_map(|step| step.split_once("run: "));
    let runs: Vec<String> = steps
        .map(|(_, run)| run.trim_start_matches('|').to_owned())
        .collect();
    assert_eq!(runs.len(), 4, "{runs:?}");
    runs
}

#[tokio::test]
async fn an_operator_follows_the_guide() {
    let reader = Reader::new();
    let _production = reader.runs_production().await;
    fs::create_dir_all(reader.path("metrics")).unwrap();
    let instead = [
        ("--backups /backups", "--backups backups"),
        (" /backups/", " backups/"),
        ("/var/lib/node_exporter/", "metrics/"),
        ("/var/tmp/", ""),
    ];
    reader.follows("docs/operator.md", "", &instead, &[]);
    let job = kubernetes_command();
    let job = job.replace("=/", "=").replace(" /backups/", " backups/");
    let _rehearsed = reader.types(&job).expect_code(0);
    let metrics = fs::read_to_string(reader.path("metrics/lifeboat.prom")).unwrap();
    // The two alerts of the guide are about these.
    assert!(metrics.contains("verdict=\"held\"} 1.0"), "{metrics}");
    let began = "\nlifeboat_rehearsal_began_timestamp_seconds{";
    assert!(metrics.contains(began), "{metrics}");
}

#[test]
fn the_owner_of_a_pipeline_follows_the_guide() {
    let reader = Reader::new();
    let one = "lifeboat drill matrix QUICK --server 2.14.6,2.15.1 --out last";
    let _last = reader.types(one).expect_code(0);
    let instead = [
        ("--repeat 5", "--repeat 1"),
        // All drills take three quarters of an hour.
        ("matrix --server", "matrix QUICK --server"),
    ];
    reader.follows("docs/ci.md", "", &instead, &[]);
    for run in github_runs() {
        let run = run.replace("${{ matrix.server }}", "2.15.1");
        let typed = format!("export GITHUB_STEP_SUMMARY=summary-of-job.md; {run}");
        let _ran = reader.types(&typed).expect_code(0);
    }
    let summary = fs::read_to_string(reader.path("summary-of-job.md")).unwrap();
    // The copy has still the name of what it is a copy of.
    assert!(summary.contains("r1-restored-from-backup"), "{summary}");
}

#[test]
fn a_developer_follows_the_guide() {
    let reader = Reader::new();
    reader.build_server();
    let instead = [
        // When it was that the reader's run began.
        ("20261126-213214", "*"),
        ("--repeat 20 --jobs 4", "--repeat 2"),
        ("--repeat 5", "--repeat 1"),
    ];
    let exits = [
        // Here is the defect.
        (
            "lifeboat drill run our-report.toml --server-version 2.14.6",
            10,
        ),
        (
            "lifeboat drill run our-report.toml --server ./nats-server",
            10,
        ),
        ("lifeboat drill matrix our-report.toml", 10),
    ];
    reader.follows("docs/developer.md", "", &instead, &exits);
}

#[tokio::test]
async fn a_release_manager_follows_the_guide() {
    let reader = Reader::new();
    reader.build_server();
    let _production = reader.runs_production().await;
    let _saved = reader
        .types("lifeboat backup account nightly")
        .expect_code(0);
    let instead = [
        ("matrix --server 2.14.6", "matrix QUICK --server 2.14.6"),
        ("matrix --server 2.15.1", "matrix QUICK --server 2.15.1"),
        ("./nats-server --repeat 5", "./nats-server QUICK --repeat 2"),
        (
            "track-record.json --repeat 5",
            "track-record.json --repeat 2",
        ),
    ];
    reader.follows("docs/release.md", "", &instead, &[]);
}

/// What the first page says that can be done.
#[tokio::test]
async fn a_visitor_tries_what_the_first_page_shows() {
    let reader = Reader::new();
    reader.build_server();
    let _production = reader.runs_production().await;
    let other = World::start(1).await;
    reader.has_context("other", &other.cluster, other.cluster.credentials());
    // The data directory of a server that has stopped.
    fs::create_dir_all(reader.path("data/jetstream")).unwrap();
    let last = "lifeboat drill matrix QUICK --server 2.15.1 --out last";
    let _last = reader.types(last).expect_code(0);
    let instead = [
        ("drill run --server ", "drill run QUICK --server "),
        ("drill run --no-progress", "drill run QUICK --no-progress"),
        ("drill run --repeat 50", "drill run QUICK --repeat 2"),
        ("2.12.8,2.15.1 --repeat 5", "2.15.1 --out qualify QUICK"),
        ("drill matrix --partition 1/3 --out part1", PARTS),
        (
            "--against last/",
            "QUICK --server 2.15.1 --out now --against last/",
        ),
        (
            "record.json --repeat 5",
            "record.json --server 2.15.1 --out more QUICK",
        ),
        ("drill prove", "drill prove r1-restored-from-backup"),
        ("20261127-003637", "*"),
        WATCHED,
        // Any name that the reader's servers have.
        (
            "backup stream ORDERS ./orders-backup -s nats://host:4222",
            "backup stream ORDERS ./orders-backup --context prod",
        ),
        (
            "restore stream ./orders-backup -s nats://host:4222",
            "restore stream ./orders-backup --context other --replicas 1",
        ),
        ("/data/nats", "data"),
    ];
    let exits = [
        ("lifeboat lab status --watch", 130),
        // It stands against the restore that the stream is there.
        ("lifeboat restore stream ./orders-backup --dry-run", 15),
    ];
    reader.follows("README.md", "What you can do with it", &instead, &exits);
}

/// The sessions that the first page shows, with what they print.
#[tokio::test]
async fn a_visitor_does_as_the_first_page_does() {
    let reader = Reader::new();
    let exits = [
        // It was the only copy.
        ("lifeboat lab down", 10),
        ("lifeboat drill run failure.toml", 10),
    ];
    reader.follows("README.md", "A cluster of your own to break", &[], &exits);

    let production = reader.runs_production().await;
    let system = production.cluster.system_credentials();
    reader.has_context("system", &production.cluster, system);
    let saves = "lifeboat backup account nightly && lifeboat backup stream ORDERS orders-backup";
    let _saved = reader.types(saves).expect_code(0);
    reader.follows("README.md", "Rehearse your own backup", &[], &[]);
    reader.follows("README.md", "What would be lost now", &[], &[]);
    reader.follows("README.md", "Backups without a server", &[], &[]);
}

/// What documents show that needs a container engine.
pub(crate) fn follow_with_containers(image: &str) {
    let reader = Reader::new();
    let mut typed = 0;
    let documents = documents().into_iter();
    for document in documents.filter(|path| path.extension().is_some_and(|kind| kind == "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for step in steps(&text) {
            let Step::Type(command) = step else { continue };
            if !command.contains("--runtime container") {
                continue;
            }
            let mut line = command.replace("drill run", "drill run QUICK");
            if let Some((before, _)) = line.split_once("--image ") {
                line = format!("{before}--image {image}");
            }
            reader.does(&document.to_string_lossy(), &line, 0);
            typed += 1;
        }
    }
    assert!(typed >= 3, "{typed} commands");
}
