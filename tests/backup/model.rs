//! Random streams and random operations against a model of ours: what is restored is what the model
//! held when the backup was taken. `PROPTEST_CASES` says how many cases each version gets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use lifeboat::jetstream::StreamState;
use lifeboat::model::ConsumerPosition;
use lifeboat_harness::wait::{Probe, until};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use super::world::{PATIENCE, World, say};

const CONSUMERS: [&str; 2] = ["all", "some"];
const SUBJECTS: u8 = 4;

/// What is done to a stream.
#[derive(Debug, Clone)]
enum Step {
    Publish {
        subject: u8,
        count: u8,
        bytes: u16,
    },
    /// The message at that place of those that are there.
    Delete {
        place: usize,
    },
    Purge {
        subject: Option<u8>,
        keep: u8,
    },
    /// Pulls messages, and acknowledges those whose bit is set.
    Consume {
        consumer: usize,
        count: u8,
        acknowledged: u16,
    },
    /// With small chunks or large ones.
    BackUp {
        small: bool,
    },
    /// Deletes the stream and restores the last backup.
    Restore,
    /// SIGKILL, and started again.
    Kill,
}

/// A stream's limits, as its configuration has them.
#[derive(Debug, Clone, Copy)]
struct Limits {
    messages: Option<u64>,
    per_subject: Option<u64>,
    in_memory: bool,
    compressed: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..SUBJECTS, 1..30_u8, 0..3000_u16)
            .prop_map(|(subject, count, bytes)| Step::Publish { subject, count, bytes }),
        4 => any::<usize>().prop_map(|place| Step::Delete { place }),
        1 => (prop::option::of(0..SUBJECTS), 0..8_u8)
            .prop_map(|(subject, keep)| Step::Purge { subject, keep }),
        3 => (0..CONSUMERS.len(), 1..12_u8, any::<u16>()).prop_map(
            |(consumer, count, acknowledged)| Step::Consume { consumer, count, acknowledged }
        ),
        2 => any::<bool>().prop_map(|small| Step::BackUp { small }),
        2 => Just(Step::Restore),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 4..24)
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        prop::option::of(1..60_u64),
        prop::option::of(1..20_u64),
        prop::bool::weighted(0.15),
        any::<bool>(),
    )
        .prop_map(|(messages, per_subject, in_memory, compressed)| Limits {
            messages,
            per_subject,
            in_memory,
            compressed,
        })
}

/// A stream as it should be.
#[derive(Debug, Clone, Default)]
struct Model {
    messages: BTreeMap<u64, (String, Bytes)>,
    last: u64,
}

impl Model {
    fn publish(&mut self, subject: &str, payload: Bytes, limits: Limits) {
        self.last += 1;
        self.messages
            .insert(self.last, (subject.to_owned(), payload));
        if let Some(most) = limits.per_subject {
            let same = self.messages.iter().filter(|(_, one)| one.0 == subject);
            let same: Vec<u64> = same.map(|(sequence, _)| *sequence).collect();
            let excess = same.len().saturating_sub(usize::try_from(most).unwrap());
            for sequence in &same[..excess] {
                self.messages.remove(sequence);
            }
        }
        while limits
            .messages
            .is_some_and(|most| self.messages.len() as u64 > most)
        {
            self.messages.pop_first();
        }
    }

    fn purge(&mut self, subject: Option<&str>) {
        self.messages
            .retain(|_, one| subject.is_some_and(|subject| one.0 != subject));
    }

    fn last_held(&self, sequence: u64) -> u64 {
        let before = self.messages.range(..=sequence);
        before.last().map_or(0, |(sequence, _)| *sequence)
    }
}

/// A backup, and what it should hold.
struct Saved {
    path: PathBuf,
    model: Model,
    in_memory: bool,
    consumers: Vec<(ConsumerPosition, u64, u64)>,
}

/// One stream in the course of its life.
struct Life<'a> {
    world: &'a World,
    stream: String,
    limits: Limits,
    model: Model,
    saved: Option<Saved>,
    payloads: u64,
}

impl Life<'_> {
    async fn begin(&self) {
        let mut config = json!({ "allow_direct": true });
        if let Some(most) = self.limits.messages {
            config["max_msgs"] = json!(most);
        }
        if let Some(most) = self.limits.per_subject {
            config["max_msgs_per_subject"] = json!(most);
        }
        if self.limits.in_memory {
            config["storage"] = json!("memory");
        }
        if self.limits.compressed {
            config["compression"] = json!("s2");
        }
        self.world.create(&self.stream, 1, &config).await;
        for name in CONSUMERS {
            let mut config = json!({
                "durable_name": name, "ack_policy": "explicit",
                // No message is delivered twice while this runs.
                "ack_wait": 3_600_000_000_000_u64,
            });
            if name == "some" {
                config["filter_subject"] = json!(self.subject(1));
            }
            let made = self
                .world
                .connection
                .create_consumer(&self.stream, &config)
                .await;
            made.unwrap();
        }
    }

    fn subject(&self, number: u8) -> String {
        format!("{}.s{number}", self.stream)
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Publish {
                subject,
                count,
                bytes,
            } => self.publish(subject, count, bytes).await,
            Step::Delete { place } => self.delete(place).await,
            Step::Purge { subject, keep } => self.purge(subject, keep).await,
            Step::Consume {
                consumer,
                count,
                acknowledged,
            } => {
                self.consume(CONSUMERS[consumer], count, acknowledged).await;
            }
            Step::BackUp { small } => self.back_up(small).await,
            Step::Restore => self.restore().await,
            Step::Kill if self.limits.in_memory => {}
            Step::Kill => self.kill().await,
        }
    }

    async fn publish(&mut self, subject: u8, count: u8, bytes: u16) {
        let subject = self.subject(subject);
        for _ in 0..count {
            self.payloads += 1;
            let mut payload = vec![b'.'; usize::from(bytes)];
            payload.extend(self.payloads.to_le_bytes());
            let payload = Bytes::from(payload);
            let answer = self
                .world
                .client
                .request(subject.clone(), payload.clone())
                .await;
            let answer: Value = serde_json::from_slice(&answer.unwrap().payload).unwrap();
            self.model.publish(&subject, payload, self.limits);
            assert_eq!(answer["seq"], self.model.last, "{answer}");
        }
    }

    async fn delete(&mut self, place: usize) {
        if self.model.messages.is_empty() {
            return;
        }
        let place = place % self.model.messages.len();
        let sequence = *self.model.messages.keys().nth(place).unwrap();
        let call = format!("STREAM.MSG.DELETE.{}", self.stream);
        self.world
            .api(&call, &json!({ "seq": sequence }))
            .await
            .unwrap();
        self.model.messages.remove(&sequence);
    }

    async fn purge(&mut self, subject: Option<u8>, keep: u8) {
        let subject = subject.map(|number| self.subject(number));
        let mut body = json!({});
        if let Some(subject) = &subject {
            body["filter"] = json!(subject);
        }
        if keep > 0 {
            body["keep"] = json!(keep);
        }
        let call = format!("STREAM.PURGE.{}", self.stream);
        self.world.api(&call, &body).await.unwrap();
        if keep > 0 {
            // Stores count what is kept by messages or by sequences, and versions differ.
            self.learn().await;
        } else {
            self.model.purge(subject.as_deref());
        }
    }

    async fn consume(&self, name: &str, count: u8, acknowledged: u16) {
        let consumer = self.world.connection.consumer(&self.stream, name);
        let (_, _, to_come) = consumer.position().await.unwrap();
        let count = usize::from(count).min(usize::try_from(to_come).unwrap());
        if count == 0 {
            return;
        }
        let batch = consumer.pull(count, PATIENCE).await.unwrap();
        for (number, delivery) in batch.deliveries.iter().enumerate() {
            if acknowledged & (1 << (number % 16)) != 0 {
                consumer.acknowledge(delivery, PATIENCE).await.unwrap();
            }
        }
    }

    async fn back_up(&mut self, small: bool) {
        let path = self
            .world
            .path(&format!("{}-{}", self.stream, self.payloads));
        let _gone = std::fs::remove_dir_all(&path);
        let target = path.to_str().unwrap();
        let mut arguments = vec!["backup", "stream", &self.stream, target];
        if small {
            arguments.extend(["--chunk-size", "1KiB", "--window-size", "4KiB"]);
        }
        let _taken = self.world.call(&arguments).expect_code(0);
        let mut consumers = Vec::new();
        for name in CONSUMERS {
            let consumer = self.world.connection.consumer(&self.stream, name);
            consumers.push(consumer.position().await.unwrap());
        }
        self.saved = Some(Saved {
            path,
            model: self.model.clone(),
            in_memory: self.limits.in_memory,
            consumers,
        });
    }

    async fn restore(&mut self) {
        let Some(saved) = &self.saved else {
            return;
        };
        self.world.remove(&self.stream).await;
        let target = saved.path.to_str().unwrap();
        let mut arguments = vec!["restore", "stream", target];
        // Servers to 2.14 can't restore a stream into memory.
        let is_kept_in_files = saved.in_memory && !self.world.restores_memory();
        if is_kept_in_files {
            arguments.extend(["--set", "storage=file"]);
        }
        let restored = self.world.call(&arguments);
        // A server of 2.15 may forget a consumer of a stream in memory; that is told.
        let is_forgotten = saved.in_memory
            && restored.code == Some(12)
            && restored.stderr.contains("will deliver again");
        if !is_forgotten {
            let _restored = restored.expect_code(0);
        }
        self.limits.in_memory = saved.in_memory && !is_kept_in_files;
        self.model = saved.model.clone();
        self.compare().await;
        if is_forgotten {
            return;
        }
        for before in &saved.consumers {
            let consumer = self.world.connection.consumer(&self.stream, &before.0.name);
            let plain = |one: &(ConsumerPosition, u64, u64)| {
                let place = |sequence| self.model.last_held(sequence);
                (place(one.0.delivered.stream), place(one.0.ack_floor.stream))
            };
            // What is read out of memory stands at its ack floor.
            let expected = plain(before);
            until(PATIENCE, || async {
                let found = consumer.position().await.unwrap();
                if plain(&found) == expected
                    || saved_by_messages(saved) && plain(&found).1 == expected.1
                {
                    Probe::Ready(())
                } else {
                    Probe::Pending(format!("{found:?}, expected {before:?}"))
                }
            })
            .await
            .unwrap();
        }
    }

    async fn kill(&mut self) {
        let nodes = self.world.cluster.nodes();
        nodes[0].kill().await.unwrap();
        nodes[0].start().await.unwrap();
        until(PATIENCE, || async {
            match self.world.connection.stream_info(&self.stream).await {
                Ok(_) => Probe::Ready(()),
                Err(error) => Probe::Pending(error.to_string()),
            }
        })
        .await
        .unwrap();
        // What a kill does to deletions and limits differs from version to version, and is none of
        // ours.
        self.learn().await;
    }

    /// From here on the model is what is there.
    async fn learn(&mut self) {
        let picture = self.world.picture(&self.stream).await;
        self.model.last = picture.state.last_seq;
        let messages = picture.messages.into_iter();
        self.model.messages = messages
            .map(|one| (one.sequence, (one.subject, one.payload)))
            .collect();
    }

    async fn compare(&self) {
        let picture = self.world.picture(&self.stream).await;
        // Each payload ends with a number of its own.
        let short = |payload: &Bytes| {
            let end = payload[payload.len() - 8..].try_into().unwrap();
            (payload.len(), u64::from_le_bytes(end))
        };
        let found = picture.messages.iter();
        let found: Vec<_> = found
            .map(|one| (one.sequence, &*one.subject, short(&one.payload)))
            .collect();
        let expected = self.model.messages.iter();
        let expected: Vec<_> = expected
            .map(|(sequence, (subject, payload))| (*sequence, &**subject, short(payload)))
            .collect();
        assert_eq!(found, expected);
        let StreamState { last_seq, .. } = picture.state;
        assert_eq!(last_seq, self.model.last);
    }
}

fn saved_by_messages(saved: &Saved) -> bool {
    let manifest = super::world::read_json(&saved.path.join("lifeboat.json"));
    manifest["method"] == "messages"
}

fn a_restored_stream_is_the_model(version: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::start_version(1, version));
    let asked = std::env::var("PROPTEST_CASES").ok();
    let cases = asked.and_then(|text| text.parse().ok()).unwrap_or(5);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    });
    let number = std::cell::Cell::new(0_u32);
    let outcome = runner.run(&(limits(), steps()), |(limits, mut steps)| {
        number.set(number.get() + 1);
        // Whatever happened, the end is a backup that is restored.
        steps.extend([Step::BackUp { small: false }, Step::Restore]);
        let life = async {
            let mut life = Life {
                world: &world,
                stream: format!("S{}", number.get()),
                limits,
                model: Model::default(),
                saved: None,
                payloads: 0,
            };
            life.begin().await;
            for step in &steps {
                life.take(step).await;
            }
            let stream = life.stream.clone();
            world.remove(&stream).await;
        };
        let done = std::panic::AssertUnwindSafe(|| runtime.block_on(life));
        std::panic::catch_unwind(done).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            TestCaseError::fail(text.unwrap_or_else(|| String::from("a panic")))
        })
    });
    say(&format!("{version}: {} cases", number.get()));
    if let Err(error) = outcome {
        panic!("{version}: {error}");
    }
}

#[test]
fn a_restored_stream_is_the_model_on_2_10() {
    a_restored_stream_is_the_model("2.10.26");
}

#[test]
fn a_restored_stream_is_the_model_on_2_12() {
    a_restored_stream_is_the_model("2.12.8");
}

#[test]
fn a_restored_stream_is_the_model_on_2_14() {
    a_restored_stream_is_the_model("2.14.6");
}

#[test]
fn a_restored_stream_is_the_model_on_2_15() {
    a_restored_stream_is_the_model("2.15.1");
}
