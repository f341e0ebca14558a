//! From the file as written to a scenario that can run: names, numbers and times are checked
//! before anything starts, and every fault is pointed at.

use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr as _;

use lifeboat_harness::MAX_NODES;
use semver::VersionReq;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::diagnostic::{Diagnostic, Pointer};
use super::resolved::{Expectations, KnownVerdict, Load, Scenario, Step, StreamSpec};
use super::written;
use crate::ledger::LossScope;
use crate::model::Verdict;

type Result<T> = std::result::Result<T, Diagnostic>;

/// The number of nodes when nothing is said.
const NODES: i64 = 3;
/// The load when nothing is said: enough that an outage of a tenth of a second shows.
const RATE: i64 = 200;
/// The payload when nothing is said.
const PAYLOAD_BYTES: usize = 1 << 10;
/// Keys of a stream's configuration that the file says elsewhere.
const OWN_KEYS: [&str; 3] = ["name", "subjects", "num_replicas"];
/// Keys by which messages go away, or are stored in a way that is not read yet.
const UNJUDGED_KEYS: [&str; 8] = [
    "compression",
    "discard",
    "max_age",
    "max_bytes",
    "max_msgs",
    "max_msgs_per_subject",
    "retention",
    "storage",
];
/// How many acknowledged messages a drill needs when nothing is said.
const MIN_ACKNOWLEDGED: u64 = 100;
/// Reads and resolves the text of a scenario file.
///
/// # Errors
/// The first fault found, with its line and column.
pub fn load(path: &Path, text: &str) -> Result<Scenario> {
    let pointer = Pointer { path, text };
    let file: written::File = toml::from_str(text).map_err(|error| pointer.toml(&error))?;
    Resolver {
        pointer,
        nodes: 0,
        streams: Vec::new(),
        aliases: BTreeSet::new(),
        backups: BTreeSet::new(),
        bounded_disk: false,
        adds_nodes: false,
    }
    .resolve(file)
}

/// What is known so far, from the top of the file to the bottom.
pub(super) struct Resolver<'a> {
    pub(super) pointer: Pointer<'a>,
    pub(super) nodes: usize,
    pub(super) streams: Vec<String>,
    pub(super) aliases: BTreeSet<String>,
    pub(super) backups: BTreeSet<String>,
    /// Whether the nodes' disks have a size.
    pub(super) bounded_disk: bool,
    /// Whether there may be more nodes by now than at the beginning.
    pub(super) adds_nodes: bool,
}

impl Resolver<'_> {
    fn resolve(mut self, file: written::File) -> Result<Scenario> {
        let name = self.pointer.word(&file.name, "a scenario's name")?;
        let promise = self.pointer.word(&file.promise, "a promise")?;
        let about = self.pointer.text(&file.about, "what the scenario shows")?;
        self.nodes = match &file.cluster.nodes {
            Some(nodes) => self.pointer.count(
                nodes,
                1..=i64::try_from(MAX_NODES).unwrap_or(i64::MAX),
                "nodes",
            )?,
            None => usize::try_from(NODES).unwrap_or_default(),
        };
        if file.stream.is_empty() {
            return Err(self
                .pointer
                .at(0..0, "a drill needs a stream: add a [[stream]] table"));
        }
        let mut streams = Vec::new();
        for stream in &file.stream {
            streams.push(self.stream(stream.get_ref(), file.expect.get_ref())?);
        }
        let load = self.load_table(&file.load)?;
        if file.step.is_empty() {
            return Err(self
                .pointer
                .at(0..0, "a drill needs steps: add a [[step]] table"));
        }
        self.bounded_disk = file.cluster.disk.is_some();
        let disk = file.cluster.disk.as_ref();
        let disk_bytes = disk.map(|disk| self.pointer.bytes(disk)).transpose()?;
        let mut steps = Vec::new();
        for step in &file.step {
            steps.push(self.step(step)?);
        }
        let expect = self.expect(&file.expect, &steps)?;
        Ok(Scenario {
            name,
            promise,
            about,
            nodes: self.nodes,
            sync_interval: file.cluster.sync_interval,
            disk_bytes,
            streams,
            load,
            steps,
            expect,
        })
    }

    fn stream(&mut self, stream: &written::Stream, expect: &written::Expect) -> Result<StreamSpec> {
        let name = self.pointer.word(&stream.name, "a stream's name")?;
        if self.streams.contains(&name) {
            return Err(self
                .pointer
                .value(&stream.name, format!("there are two streams `{name}`")));
        }
        let subjects = stream.subjects.get_ref();
        let Some(first) = subjects.first().filter(|first| !first.is_empty()) else {
            return Err(self
                .pointer
                .value(&stream.subjects, "a stream needs a subject"));
        };
        let replicas = match &stream.replicas {
            Some(replicas) => self.pointer.count(replicas, 1..=5, "replicas")?,
            None => 1,
        };
        if replicas > self.nodes {
            let span = stream.replicas.as_ref().map_or(0..0, Spanned::span);
            let message = format!("{replicas} replicas don't fit on {} nodes", self.nodes);
            return Err(self.pointer.at(span, message));
        }
        let mut consumers = Vec::new();
        for consumer in &stream.consumers {
            let name = self.pointer.word(consumer, "a consumer's name")?;
            if consumers.contains(&name) {
                let message = format!("there are two consumers `{name}`");
                return Err(self.pointer.value(consumer, message));
            }
            consumers.push(name);
        }
        let mut config = Map::new();
        let more = stream.config.as_ref();
        for (key, value) in more.into_iter().flat_map(|more| more.get_ref()) {
            let forbidden = [
                (&OWN_KEYS[..], "it has a place of its own"),
                (
                    &UNJUDGED_KEYS[..],
                    "the judges can't tell what it removes from what is lost",
                ),
            ];
            let reason = forbidden
                .iter()
                .find(|(keys, _)| keys.contains(&key.as_str()));
            if let (Some((_, reason)), Some(more)) = (reason, more) {
                let message = format!("`{key}` can't be set here: {reason}");
                return Err(self.pointer.value(more, message));
            }
            let value = serde_json::to_value(value).unwrap_or(Value::Null);
            config.insert(key.clone(), value);
        }
        config.insert(String::from("name"), json!(name));
        config.insert(String::from("subjects"), json!(subjects));
        config.insert(String::from("num_replicas"), json!(replicas));
        self.streams.push(name.clone());
        Ok(StreamSpec {
            subject: concrete(first),
            name,
            consumers,
            replicas: match &expect.replicas {
                Some(expected) => self.pointer.count(expected, 1..=5, "replicas")?,
                None => replicas,
            },
            config: Value::Object(config),
        })
    }

    fn load_table(&self, load: &written::LoadTable) -> Result<Load> {
        let rate = match &load.rate {
            Some(rate) => self
                .pointer
                .count(rate, 1..=100_000, "messages per second")?,
            None => usize::try_from(RATE).unwrap_or_default(),
        };
        let payload_bytes = match &load.size {
            Some(size) => self.pointer.size(size)?,
            None => PAYLOAD_BYTES,
        };
        Ok(Load {
            rate: u32::try_from(rate).unwrap_or(u32::MAX),
            payload_bytes,
        })
    }

    fn expect(&self, expect: &Spanned<written::Expect>, steps: &[Step]) -> Result<Expectations> {
        const SCOPES: [(&str, LossScope); 3] = [
            ("nothing", LossScope::Nothing),
            ("after-backup", LossScope::AfterBackup),
            ("before-fault", LossScope::BeforeFault),
        ];
        let expect = expect.get_ref();
        let lost = self.pointer.choice(&expect.lost, &SCOPES, "what is lost")?;
        let restores = steps
            .iter()
            .any(|step| matches!(step, Step::Restore { .. }));
        let breaks = steps.iter().any(Step::is_fault);
        if lost == LossScope::BeforeFault && !breaks {
            return Err(self.pointer.value(
                &expect.lost,
                "`before-fault` needs a step that breaks something",
            ));
        }
        if lost == LossScope::AfterBackup && !restores {
            return Err(self
                .pointer
                .value(&expect.lost, "`after-backup` needs a step that restores"));
        }
        let time = |text: &Option<Spanned<String>>| {
            text.as_ref()
                .map(|text| self.pointer.time(text))
                .transpose()
        };
        let mut known = Vec::new();
        for entry in &expect.known {
            known.push(self.known_verdict(entry.get_ref())?);
        }
        Ok(Expectations {
            lost,
            recovery_time: time(&expect.recovery_time)?,
            write_outage: time(&expect.write_outage)?,
            min_acknowledged: match &expect.min_acknowledged {
                Some(count) => self.pointer.count(count, 1..=10_000_000, "messages")? as u64,
                None => MIN_ACKNOWLEDGED,
            },
            known,
        })
    }

    fn known_verdict(&self, known: &written::Known) -> Result<KnownVerdict> {
        const VERDICTS: [(&str, Verdict); 3] = [
            ("held", Verdict::Held),
            ("broken", Verdict::Broken),
            ("inconclusive", Verdict::Inconclusive),
        ];
        let server = VersionReq::from_str(known.server.get_ref()).map_err(|error| {
            self.pointer.value(
                &known.server,
                format!(
                    "`{}` is no range of versions, such as `>=2.15, <2.16`: {error}",
                    known.server.get_ref()
                ),
            )
        })?;
        Ok(KnownVerdict {
            server,
            verdict: self
                .pointer
                .choice(&known.verdict, &VERDICTS, "a verdict")?,
            because: self.pointer.text(&known.because, "the reason")?,
        })
    }
}

/// A subject that matches the pattern: what the load publishes to.
fn concrete(pattern: &str) -> String {
    let tokens = pattern.split('.').map(|token| match token {
        "*" | ">" => "load",
        other => other,
    });
    tokens.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "x"
promise = "M2"
about = "x"
[[stream]]
name = "ORDERS"
subjects = ["orders.>"]
replicas = 3
[[step]]
kill = { node = "leader of ORDERS", as = "victim" }
[[step]]
wait = { stream = "ORDERS", replicas = 3, within = "60s" }
[expect]
lost = "nothing"
"#;

    const VICTIM: &str = "kill = { node = \"leader of ORDERS\", as = \"victim\" }";

    fn fault(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        load(Path::new("x.toml"), &text).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_filled_in() {
        let scenario = load(Path::new("x.toml"), GOOD).unwrap();
        assert_eq!((scenario.nodes, scenario.load.rate), (3, 200));
        assert_eq!(scenario.streams[0].subject, "orders.load");
        assert_eq!(scenario.streams[0].replicas, 3);
    }

    #[test]
    fn every_fault_is_pointed_at_and_says_what_was_meant() {
        for (from, to, expected) in [
            (
                "replicas = 3\n",
                "replcas = 3\n",
                "x.toml:8:1: unknown field `replcas`",
            ),
            (
                "replicas = 3\n",
                "replcas = 3\n",
                "did you mean `replicas`?",
            ),
            ("kill =", "kil =", "did you mean `kill`?"),
            (
                "leader of ORDERS",
                "leader of ORDER",
                "x.toml:10:17: no stream is called `ORDER`",
            ),
            (
                "leader of ORDERS",
                "leeder of ORDERS",
                "did you mean `leader`?",
            ),
            ("leader of ORDERS", "n4", "`n4` is no node"),
            (
                "replicas = 3\n",
                "replicas = 5\n",
                "x.toml:8:12: 5 replicas don't fit on 3 nodes",
            ),
            (
                "replicas = 3\n",
                "replicas = 0\n",
                "0 replicas; expected 1 to 5",
            ),
            ("60s", "60", "`60` is not a time such as"),
            ("60s", "0s", "`0s` is not a time such as"),
            (
                "lost = \"nothing\"",
                "lost = \"nothin\"",
                "did you mean `nothing`?",
            ),
            (
                "lost = \"nothing\"",
                "lost = \"after-backup\"",
                "needs a step that restores",
            ),
            ("promise = \"M2\"\n", "", "missing field `promise`"),
            (
                "name = \"x\"",
                "name = \"x y\"",
                "x.toml:2:8: `x y` can't be a scenario's name",
            ),
            ("[[step]]", "[[step", "x.toml:9:"),
        ] {
            let message = fault(from, to);
            assert!(message.contains(expected), "{to}: {message}");
        }
    }

    #[test]
    fn faults_of_steps_about_network_and_disks_are_pointed_at() {
        for (step, expected) in [
            ("cut = { node = 3 }", "expected a node, or an array"),
            ("cut = { node = [] }", "no node is named here"),
            ("cut = { node = [\"n1\", \"n1\"] }", "`n1` is named twice"),
            ("cut = { node = \"n1\", from = [\"n1\"] }", "on both sides"),
            (
                "cut = { node = [\"n1\", \"n2\", \"n3\"] }",
                "nobody is left",
            ),
            ("delay = { node = \"n1\", by = \"5h\" }", "a minute at most"),
            ("delay = { node = \"n1\", by = \"0ms\" }", "more than zero"),
            (
                "cut = { node = [\"n1\", \"n2\"], as = \"v\" }",
                "several nodes can't have one name",
            ),
            (
                "cut = { node = \"n1\", way = \"in\", clients = true }",
                "`clients` are cut both ways or not at all",
            ),
            ("heal = { from = \"n1\" }", "`from` needs a `node`"),
            (
                "fill_disk = { node = \"n1\" }",
                "only a disk with a size can be filled",
            ),
        ] {
            let message = fault(VICTIM, step);
            assert!(message.contains("x.toml:10:"), "{step}: {message}");
            assert!(message.contains(expected), "{step}: {message}");
        }
    }
}
