//! What would become of the consumers of a stream.

use super::facts::StreamFacts;
use super::finding::{Finding, Kind, Severity};
use crate::jetstream::ConsumerInfo;

/// Judges the consumers of a stream.
pub(super) fn judge(stream: &StreamFacts, findings: &mut Vec<Finding>) {
    for name in &stream.silent_consumers {
        let detail = String::from("it does not answer: where it stands can't be told");
        let finding = Finding::new(Severity::Warning, Kind::ConsumerUnreachable, detail);
        findings.push(finding.of(&stream.name).read_by(name));
    }
    for consumer in &stream.consumers {
        findings.extend(one(stream, consumer).map(|found| found.read_by(&consumer.name)));
    }
}

fn one(stream: &StreamFacts, consumer: &ConsumerInfo) -> Option<Finding> {
    let node = leader(consumer).or_else(|| stream.node());
    let place = node.unwrap_or("a node that is not told");
    let is_single = is_single(stream, consumer);
    let stands = format!(
        "it stands at {} of {}, with {} to be acknowledged",
        consumer.ack_floor.stream,
        stream.info.as_ref()?.state.last_seq,
        consumer.num_ack_pending
    );
    // A consumer of a memory stream goes with it, and one that servers remove by themselves is
    // not missed.
    let severity = if is_ephemeral(consumer) {
        Severity::Note
    } else {
        Severity::Warning
    };
    let in_memory = consumer.config.get("mem_storage");
    let is_in_memory = in_memory.is_some_and(|value| value == true) && !stream.is_in_memory();
    let (severity, kind, detail) = if is_in_memory && is_single {
        let detail = format!(
            "its position is only in the memory of {place}: lost when its server ends; {stands}"
        );
        (severity, Kind::MemoryConsumer, detail)
    } else if is_in_memory {
        let detail =
            format!("its position is kept in memory: lost when all its servers end; {stands}");
        (Severity::Note, Kind::MemoryConsumer, detail)
    } else if is_single && stream.replicas()? > 1 {
        let detail = format!(
            "its position is only on {place}, while its stream has more replicas: lost with that \
             disk; {stands}"
        );
        (severity, Kind::R1Consumer, detail)
    } else {
        return None;
    };
    Some(
        Finding::new(severity, kind, detail)
            .of(&stream.name)
            .on(node),
    )
}

fn leader(consumer: &ConsumerInfo) -> Option<&str> {
    let leader = consumer.cluster.as_ref()?.leader.as_deref()?;
    (!leader.is_empty()).then_some(leader)
}

/// Whether it has one replica: it says so, or its group has nobody else although the stream's has.
fn is_single(stream: &StreamFacts, consumer: &ConsumerInfo) -> bool {
    let asked = consumer.config.get("num_replicas");
    let asked = asked.and_then(serde_json::Value::as_u64).unwrap_or(0);
    let group = consumer.cluster.as_ref();
    let is_alone = group.is_none_or(|group| group.replicas.is_empty());
    asked == 1 || stream.replicas() == Some(1) || (is_alone && !stream.followers().is_empty())
}

/// Whether servers remove it when nobody uses it.
fn is_ephemeral(consumer: &ConsumerInfo) -> bool {
    let text = |key: &str| consumer.config.get(key).and_then(serde_json::Value::as_str);
    text("durable_name").is_none_or(str::is_empty)
}
