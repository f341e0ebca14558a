//! From the file as written to a scenario that can run: names, numbers and times are checked
//! before anything starts, and every fault is pointed at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr as _;

use semver::VersionReq;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::cluster_spec::ClusterSpec;
use super::diagnostic::{Diagnostic, Pointer};
use super::disk_step::DiskStep;
use super::operator_step::OperatorStep;
use super::resolved::{Expectations, KnownVerdict, Load, Scenario, StreamSpec};
use super::step::{NodeChoice, Step};
use super::stream_config::{Place, add_keeping};
use super::transfer_step::TransferStep;
use super::written;
use crate::ledger::LossScope;
use crate::model::{Feed, FindingKind, Verdict};

type Result<T> = std::result::Result<T, Diagnostic>;

/// The load when nothing is said: enough that an outage of a tenth of a second shows.
const RATE: i64 = 200;
/// The payload when nothing is said.
const PAYLOAD_BYTES: usize = 1 << 10;
/// How many acknowledged messages a drill needs when nothing is said.
const MIN_ACKNOWLEDGED: u64 = 100;

/// Reads and resolves the text of a scenario file.
///
/// # Errors
/// The first fault found, with its line and column.
pub fn load(path: &Path, text: &str) -> Result<Scenario> {
    read(path, text, false)
}

/// The same of a scenario whose steps are yet to come, all or some of them.
pub(super) fn load_unfinished(path: &Path, text: &str) -> Result<Scenario> {
    read(path, text, true)
}

fn read(path: &Path, text: &str, is_unfinished: bool) -> Result<Scenario> {
    let pointer = Pointer { path, text };
    let file: written::File = toml::from_str(text).map_err(|error| pointer.toml(&error))?;
    let recovery = file.recovery_cluster.as_ref();
    let recovery = recovery.map(|written| pointer.recovery_cluster(written.get_ref()));
    Resolver {
        pointer,
        cluster: pointer.cluster(&file.cluster)?,
        recovery: recovery.transpose()?,
        failed_over: false,
        streams: Vec::new(),
        feeds: BTreeMap::new(),
        consumers: BTreeMap::new(),
        aliases: BTreeSet::new(),
        backups: BTreeMap::new(),
        saved: BTreeSet::new(),
        running: BTreeMap::new(),
        in_memory: BTreeSet::new(),
        copies: BTreeMap::new(),
        adds_nodes: false,
        is_unfinished,
    }
    .resolve(&file)
}

/// What is known so far, from the top of the file to the bottom.
pub(super) struct Resolver<'a> {
    pub(super) pointer: Pointer<'a>,
    /// The cluster that steps are about.
    pub(super) cluster: ClusterSpec,
    /// The cluster that stands by.
    pub(super) recovery: Option<ClusterSpec>,
    /// Whether it has taken over.
    pub(super) failed_over: bool,
    pub(super) streams: Vec<String>,
    /// Those whose messages come from other streams.
    pub(super) feeds: BTreeMap<String, Feed>,
    /// The consumers of each stream.
    pub(super) consumers: BTreeMap<String, Vec<String>>,
    pub(super) aliases: BTreeSet<String>,
    /// Backups, and of which stream each is.
    pub(super) backups: BTreeMap<String, String>,
    /// Configurations that were saved.
    pub(super) saved: BTreeSet<String>,
    /// Those that are being taken or restored.
    pub(super) running: BTreeMap<String, Range<usize>>,
    /// Streams that are kept in memory.
    pub(super) in_memory: BTreeSet<String>,
    /// Copies of disks, and of which nodes.
    pub(super) copies: BTreeMap<String, Vec<NodeChoice>>,
    /// Whether there may be more nodes by now than at the beginning.
    pub(super) adds_nodes: bool,
    /// Whether what is missing at its end may still come.
    is_unfinished: bool,
}

impl Resolver<'_> {
    fn resolve(mut self, file: &written::File) -> Result<Scenario> {
        let name = self.pointer.word(&file.name, "a scenario's name")?;
        let promise = self.pointer.word(&file.promise, "a promise")?;
        let about = self.pointer.text(&file.about, "what the scenario shows")?;
        let (cluster, recovery_cluster) = (self.cluster.clone(), self.recovery.clone());
        if file.stream.is_empty() && !self.is_unfinished {
            return Err(self
                .pointer
                .at(0..0, "a drill needs a stream: add a [[stream]] table"));
        }
        let mut streams = Vec::new();
        for stream in &file.stream {
            streams.push(self.stream(stream.get_ref(), file.expect.get_ref())?);
        }
        let load = self.load_table(&file.load)?;
        if file.step.is_empty() && !self.is_unfinished {
            return Err(self
                .pointer
                .at(0..0, "a drill needs steps: add a [[step]] table"));
        }
        let servers = file.servers.as_ref();
        let servers = servers.map(|text| self.versions(text)).transpose()?;
        let mut steps = Vec::new();
        for step in &file.step {
            steps.push(self.step(step)?);
        }
        if let Some((name, begun)) = self.running.pop_first()
            && !self.is_unfinished
        {
            let message = format!(
                "what begins here of backup `{name}` never ends: add end_backup, end_restore or abandon"
            );
            return Err(self.pointer.at(begun, message));
        }
        if let (Some(_), Some(written)) = (&self.recovery, &file.recovery_cluster)
            && !self.is_unfinished
        {
            let message = "nothing makes this cluster take over: add a step `fail_over = {}`";
            return Err(self.pointer.value(written, message));
        }
        self.add_keeping(&mut streams, &steps);
        let expect = self.expect(&file.expect, &steps)?;
        Ok(Scenario {
            name,
            promise,
            about,
            servers,
            cluster,
            recovery_cluster,
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
        let replicas = match &stream.replicas {
            Some(replicas) => self.pointer.count(replicas, 1..=5, "replicas")?,
            None => 1,
        };
        if replicas > self.cluster.nodes {
            let span = stream.replicas.as_ref().map_or(0..0, Spanned::span);
            let nodes = self.cluster.nodes;
            let message = format!("{replicas} replicas don't fit on {nodes} nodes");
            return Err(self.pointer.at(span, message));
        }
        let mut consumers = Vec::new();
        for consumer in stream.consumers.iter().chain(&stream.idle_consumers) {
            let name = self.pointer.word(consumer, "a consumer's name")?;
            if consumers.contains(&name) {
                let message = format!("there are two consumers `{name}`");
                return Err(self.pointer.value(consumer, message));
            }
            consumers.push(name);
        }
        self.consumers.insert(name.clone(), consumers.clone());
        let idle_consumers = consumers.split_off(stream.consumers.len());
        let mut config = match &stream.config {
            Some(config) => self.fields(config, Place::Stream)?,
            None => Map::new(),
        };
        let keeping = self.keeping(&config, stream)?;
        let consumer_replicas = self.consumer_replicas(&config, stream, replicas)?;
        let in_memory = config.get("storage") == Some(&json!("memory"));
        if in_memory {
            self.in_memory.insert(name.clone());
        }
        config.insert(String::from("name"), json!(name));
        let (feed, subjects) = self.feed(stream, &mut config)?;
        if !feed.is_published() {
            self.feeds.insert(name.clone(), feed.clone());
        }
        config.insert(String::from("num_replicas"), json!(replicas));
        self.streams.push(name.clone());
        Ok(StreamSpec {
            feed,
            subject: subjects.subject,
            keys: subjects.keys,
            name,
            consumers,
            idle_consumers,
            consumer_replicas,
            replicas: match &expect.replicas {
                Some(expected) => self.pointer.count(expected, 1..=5, "replicas")?,
                None => replicas,
            },
            keeping,
            in_memory,
            config: Value::Object(config),
        })
    }

    fn load_table(&self, load: &written::LoadTable) -> Result<Load> {
        let rate = match &load.rate {
            Some(rate) => self
                .pointer
                .count(rate, 0..=100_000, "messages per second")?,
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
        const SCOPES: [(&str, LossScope); 4] = [
            ("nothing", LossScope::Nothing),
            ("after-backup", LossScope::AfterBackup),
            ("after-copy", LossScope::AfterCopy),
            ("before-fault", LossScope::BeforeFault),
        ];
        let expect = expect.get_ref();
        let lost = self.pointer.choice(&expect.lost, &SCOPES, "what is lost")?;
        let restores = steps.iter().any(|step| {
            matches!(
                step,
                Step::Restore { .. }
                    | Step::Disk(DiskStep::Extract { .. })
                    | Step::Transfer(TransferStep::BeginRestore { .. })
            )
        });
        let rolls_back = steps
            .iter()
            .any(|step| matches!(step, Step::Disk(DiskStep::RollBack { .. })));
        let breaks = steps.iter().any(Step::is_fault);
        if lost == LossScope::BeforeFault && !breaks && !self.is_unfinished {
            return Err(self.pointer.value(
                &expect.lost,
                "`before-fault` needs a step that breaks something",
            ));
        }
        if let (LossScope::BeforeFault, Some(time)) = (lost, &expect.recovery_time) {
            let message = "what is lost before a fault never recovers: leave `recovery_time` out";
            return Err(self.pointer.value(time, message));
        }
        if lost == LossScope::AfterBackup && !restores && !self.is_unfinished {
            return Err(self
                .pointer
                .value(&expect.lost, "`after-backup` needs a step that restores"));
        }
        if lost == LossScope::AfterCopy && !rolls_back && !self.is_unfinished {
            let message = "`after-copy` needs a step that rolls a disk back";
            return Err(self.pointer.value(&expect.lost, message));
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
        let findings = known.findings.iter();
        let kind = |text| (self.pointer).choice(text, &FindingKind::ALL, "a kind of finding");
        Ok(KnownVerdict {
            findings: findings.map(kind).collect::<Result<_>>()?,
            server: self.versions(&known.server)?,
            verdict: self
                .pointer
                .choice(&known.verdict, &VERDICTS, "a verdict")?,
            because: self.pointer.text(&known.because, "the reason")?,
            sometimes: known.sometimes,
        })
    }
}

impl Resolver<'_> {
    /// What streams drop by configurations that they get later.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these change a configuration"
    )]
    fn add_keeping(&self, streams: &mut [StreamSpec], steps: &[Step]) {
        let mut fields: BTreeMap<String, _> = streams
            .iter()
            .map(|spec| (spec.name.clone(), spec.config.as_object().cloned()))
            .collect();
        for step in steps {
            let (stream, changes) = match step {
                Step::Operator(OperatorStep::Update { stream, config, .. }) => (stream, config),
                Step::Restore {
                    backup, changes, ..
                }
                | Step::Transfer(TransferStep::BeginRestore {
                    backup, changes, ..
                }) => (&self.backups[backup], &changes.config),
                _ => continue,
            };
            let Some(Some(fields)) = fields.get_mut(stream) else {
                continue;
            };
            for spec in streams.iter_mut().filter(|spec| spec.name == *stream) {
                add_keeping(&mut spec.keeping, fields, changes);
            }
        }
    }

    fn versions(&self, text: &Spanned<String>) -> Result<VersionReq> {
        VersionReq::from_str(text.get_ref()).map_err(|error| {
            let written = text.get_ref();
            let message =
                format!("`{written}` is no range of versions, such as `>=2.15, <2.16`: {error}");
            self.pointer.value(text, message)
        })
    }
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

    fn expect_fault(from: &str, to: &str, expected: &str) {
        let message = fault(from, to);
        assert!(message.contains(expected), "{to}: {message}");
    }

    /// A step in the place of the first is pointed at by its line.
    fn expect_fault_of_step(step: &str, expected: &str) {
        expect_fault(VICTIM, step, "x.toml:10:");
        expect_fault(VICTIM, step, expected);
    }

    #[test]
    fn defaults_are_filled_in() {
        let scenario = load(Path::new("x.toml"), GOOD).unwrap();
        assert_eq!((scenario.cluster.nodes, scenario.load.rate), (3, 200));
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
            expect_fault(from, to, expected);
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
            (
                "begin_backup = { stream = \"ORDERS\", as = \"b\" }",
                "what begins here of backup `b` never ends",
            ),
            (
                "end_backup = { backup = \"b\" }",
                "no earlier step makes a backup `b`",
            ),
            ("heal = { from = \"n1\" }", "`from` needs a `node`"),
            (
                "fill_disk = { node = \"n1\" }",
                "only a disk with a size can be filled",
            ),
        ] {
            expect_fault_of_step(step, expected);
        }
    }

    #[test]
    fn faults_of_steps_about_damage_are_pointed_at() {
        for (what, expected) in [
            (
                "what = \"first blok\", how = \"flip\", stream = \"ORDERS\"",
                "did you mean `first block`?",
            ),
            (
                "what = \"index\", how = \"flop\", stream = \"ORDERS\"",
                "did you mean `flip`?",
            ),
            ("what = \"index\", how = \"flip\"", "index of which stream?"),
            (
                "what = \"meta group\", how = \"flip\", stream = \"ORDERS\"",
                "leave `stream` out",
            ),
            (
                "what = \"messages\", how = \"flip\", stream = \"ORDERS\"",
                "can only be removed",
            ),
            (
                "what = \"header length\", how = \"remove\", stream = \"ORDERS\"",
                "can't be cut or removed",
            ),
            (
                "what = \"index\", how = \"overflow\", stream = \"ORDERS\"",
                "only lengths overflow",
            ),
            (
                "what = \"index\", how = \"flip\", stream = \"ORDER\"",
                "did you mean `ORDERS`?",
            ),
        ] {
            let step = format!("damage = {{ node = \"n1\", {what} }}");
            expect_fault_of_step(&step, expected);
        }
    }

    #[test]
    fn faults_of_steps_about_disks_are_pointed_at() {
        for (step, expected) in [
            (
                "copy_disk = { node = \"n1\", as = \"a b\" }",
                "can't be a copy's name",
            ),
            (
                "roll_back = { node = \"n1\", to = \"then\" }",
                "no earlier step makes a copy `then`",
            ),
            (
                "copy_disk = { node = \"n1\", as = \"then\" }\n[[step]]\nroll_back = { node = \"n1\", to = \"than\" }",
                "did you mean `then`?",
            ),
            (
                "copy_disk = { node = \"n1\", as = \"then\" }\n[[step]]\nroll_back = { node = \"n2\", to = \"then\" }",
                "`then` has no disk of n2, only of n1",
            ),
            (
                "copy_disk = { node = \"n1\", as = \"then\" }\n[[step]]\ncopy_disk = { node = \"n2\", as = \"then\" }",
                "there are two copies `then`",
            ),
            (
                "extract = { node = \"n1\", backup = \"b\" }",
                "no earlier step makes a backup `b`",
            ),
            (
                "start = { node = \"consumer billing of ORDERS\" }",
                "ORDERS has no consumer `billing`",
            ),
            (
                "backup = { stream = \"ORDERS\", as = \"b\", lacks = [\"billing\"] }",
                "ORDERS has no consumer `billing`",
            ),
        ] {
            let message = fault(VICTIM, step);
            let is_placed = message.contains("x.toml:10:") || message.contains("x.toml:12:");
            assert!(is_placed, "{step}: {message}");
            assert!(message.contains(expected), "{step}: {message}");
        }
    }

    #[test]
    fn faults_of_operators_steps_are_pointed_at() {
        for (step, expected) in [
            (
                "upgrade = { node = \"n1\", to = \"latest\" }",
                "is not a server version",
            ),
            (
                "upgrade = { node = \"n1\", to = \"2.15\" }",
                "did you mean `2.15.",
            ),
            ("purge = { stream = \"ORDERS\", keep = 0 }", "0 messages"),
            (
                "delete_messages = { stream = \"ORDERS\", every = 0 }",
                "0 messages",
            ),
            (
                "update = { stream = \"ORDERS\", config = {} }",
                "nothing is changed",
            ),
            (
                "update = { stream = \"ORDERS\", config = { name = \"B\" } }",
                "`name` can't be set here",
            ),
            (
                "update = { stream = \"ORDERS\", config = { max_mgs = 5 } }",
                "did you mean `max_msgs`?",
            ),
            (
                "update = { stream = \"ORDERS\", config = { storage = \"memory\" } }",
                "say it in [[stream]]",
            ),
            (
                "stream_peer_remove = { stream = \"ORDERS\", node = \"n9\" }",
                "`n9` is no node",
            ),
            ("meta_rescue = { node = \"n1\", quorum = -1 }", "-1 nodes"),
            ("meta_step_down = { node = \"n1\" }", "unknown field `node`"),
            ("kill_all = { wipes = true }", "did you mean `wipe`?"),
            ("start_all = { all = true }", "unknown field `all`"),
            (
                "peer_remove = { node = \"n1\", fail = true }",
                "did you mean `fails`?",
            ),
            (
                "kill = { node = \"n1\", fails = true }",
                "unknown field `fails`",
            ),
        ] {
            expect_fault_of_step(step, expected);
        }
        let restore = |what: &str| {
            format!(
                "backup = {{ stream = \"ORDERS\", as = \"b\" }}\n[[step]]\nrestore = {{ backup = \"b\", {what} }}"
            )
        };
        for (what, expected) in [
            ("replicas = 9", "9 replicas; expected 1 to 5"),
            ("if_exists = \"replac\"", "did you mean `replace`?"),
            ("config = { num_replicas = 1 }", "it has a place of its own"),
            ("config = { subjects = [\"b\"] }", "`subjects` can't be set"),
        ] {
            let message = fault(VICTIM, &restore(what));
            assert!(message.contains("x.toml:12:"), "{what}: {message}");
            assert!(message.contains(expected), "{what}: {message}");
        }
    }

    #[test]
    fn faults_of_steps_that_lead_elsewhere_are_pointed_at() {
        for (step, expected) in [
            (
                "apply_config = { from = \"conf\" }",
                "no earlier step makes a saved configuration `conf`",
            ),
            (
                "save_config = { as = \"conf\", data = \"ORDER\" }",
                "did you mean `ORDERS`?",
            ),
            (
                "rekey = { node = \"n1\", key = \"none\" }",
                "nothing is encrypted here",
            ),
            (
                "step_down = { stream = \"ORDERS\", to = \"n7\" }",
                "`n7` is no node",
            ),
        ] {
            expect_fault_of_step(step, expected);
        }
        for (from, to, expected) in [
            (
                "[[stream]]",
                String::from("[cluster]\nserver = \"2.12.8\"\n[[stream]]"),
                "x.toml:6:10: which server runs is said when a drill is run",
            ),
            (
                "[[stream]]",
                String::from("[cluster]\nnode_servers = { n4 = \"2.12.8\" }\n[[stream]]"),
                "`n4` is no node of it; expected one of n1, n2, n3",
            ),
            (
                "[[stream]]",
                String::from("[recovery_cluster]\nnodes = 1\n[[stream]]"),
                "x.toml:5:1: nothing makes this cluster take over",
            ),
            (
                VICTIM,
                String::from("fail_over = {}"),
                "x.toml:9:1: no cluster can take over: add a [recovery_cluster] table",
            ),
            (
                VICTIM,
                String::from("fail_over = {}\n[recovery_cluster]\nserver = \"2.12\""),
                "did you mean `2.12.",
            ),
        ] {
            expect_fault(from, &to, expected);
        }
    }

    #[test]
    fn times_and_consumers_replicas_are_pointed_at() {
        for (from, to, expected) in [
            (
                "replicas = 3\n",
                String::from("replicas = 3\nconfig = { duplicate_window = \"10s\" }\n"),
                "`duplicate_window` is a number of nanoseconds",
            ),
            (
                "replicas = 3\n",
                String::from("replicas = 3\nconsumer_replicas = 1\n"),
                "x.toml:9:21: the stream has no consumers",
            ),
            (
                "replicas = 3\n",
                String::from("replicas = 3\nconsumers = [\"billing\"]\nconsumer_replicas = 4\n"),
                "4 replicas of a consumer; expected 1 to 3",
            ),
        ] {
            expect_fault(from, &to, expected);
        }
    }

    #[test]
    fn faults_of_the_cluster_and_of_configurations_are_pointed_at() {
        let stream = |config: &str| format!("replicas = 3\nconfig = {{ {config} }}\n");
        for (from, to, expected) in [
            (
                "[[stream]]",
                String::from("[cluster]\ntags = [[], [], [], []]\n[[stream]]"),
                "x.toml:6:21: tags for more than the 3 nodes",
            ),
            (
                "[[stream]]",
                String::from("[cluster]\ntags = [[\"\"]]\n[[stream]]"),
                "a tag is a word",
            ),
            (
                "[[stream]]",
                String::from("servers = \"2.15 or so\"\n[[stream]]"),
                "x.toml:5:11: `2.15 or so` is no range of versions",
            ),
            (
                "replicas = 3\n",
                stream("discard = \"older\""),
                "x.toml:9:12: `discard` is one of old, new; did you mean `old`?",
            ),
            (
                "replicas = 3\n",
                stream("max_msgs = \"many\""),
                "`max_msgs` is a number",
            ),
            (
                "replicas = 3\n",
                stream("retention = \"workqueue\""),
                "without a consumer nobody knows",
            ),
            (
                "replicas = 3\n",
                stream("retention = \"workqueue\" }\nconsumers = [\"a\", \"b\"]\n#"),
                "one consumer",
            ),
            (
                "lost = \"nothing\"",
                String::from("lost = \"before-fault\"\nrecovery_time = \"9s\""),
                "leave `recovery_time` out",
            ),
            (
                "lost = \"nothing\"",
                String::from("lost = \"after-copy\""),
                "`after-copy` needs a step that rolls a disk back",
            ),
        ] {
            expect_fault(from, &to, expected);
        }
        let in_memory = GOOD
            .replacen("replicas = 3\n", &stream("storage = \"memory\""), 1)
            .replacen(
                VICTIM,
                "damage = { node = \"n1\", stream = \"ORDERS\", what = \"index\", how = \"remove\" }",
                1,
            );
        let message = load(Path::new("x.toml"), &in_memory)
            .unwrap_err()
            .to_string();
        assert!(message.contains("it is on no disk"), "{message}");
    }

    #[test]
    fn a_scenario_says_on_which_servers_it_makes_sense() {
        let text = GOOD.replacen("[[stream]]", "servers = \">=2.15\"\n[[stream]]", 1);
        let scenario = load(Path::new("x.toml"), &text).unwrap();
        let version = |text: &str| semver::Version::parse(text).unwrap();
        for (server, applies) in [("2.15.1", true), ("2.14.6", false), ("2.15.0-RC.1", true)] {
            assert_eq!(scenario.applies_to(&version(server)), applies, "{server}");
        }
        assert!(
            load(Path::new("x.toml"), GOOD)
                .unwrap()
                .applies_to(&version("2.10.26"))
        );
    }
}
