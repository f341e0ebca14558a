//! Judging without servers: what was seen is written down as servers tell it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::backups::{Backup, Backups};
use super::facts::{Facts, ServerFacts, StreamFacts};
use super::finding::{Finding, Kind, Severity};
use super::judge::{Rules, judge, messages_since};
use super::{Cover, cover};
use crate::jetstream::{CopyState, ServerView};

const NOW: OffsetDateTime = datetime!(2026-11-25 12:00:00 UTC);

fn rules(max_age: Option<Duration>) -> Rules {
    Rules { now: NOW, max_age }
}

/// A stream of so many replicas that holds ten messages up to sequence 12; its leader is on n1,
/// the followers are as they are told.
fn stream(replicas: u64, followers: &Value) -> StreamFacts {
    let info = json!({
        "config": { "name": "S", "num_replicas": replicas, "storage": "file" },
        "created": "2026-11-01T00:00:00Z",
        "state": { "messages": 10, "bytes": 1000, "first_seq": 3, "last_seq": 12 },
        "cluster": { "leader": "n1", "replicas": followers },
    });
    StreamFacts {
        name: String::from("S"),
        info: Some(serde_json::from_value(info).unwrap()),
        ..StreamFacts::default()
    }
}

fn whole() -> StreamFacts {
    stream(
        3,
        &json!([{ "name": "n2", "current": true }, { "name": "n3", "current": true }]),
    )
}

fn configured(mut stream: StreamFacts, key: &str, value: Value) -> StreamFacts {
    stream.info.as_mut().unwrap().config[key] = value;
    stream
}

fn consumer(config: &Value, group: &Value) -> crate::jetstream::ConsumerInfo {
    let info = json!({ "name": "C", "config": config, "cluster": group, "ack_floor": { "stream_seq": 4, "consumer_seq": 4 } });
    serde_json::from_value(info).unwrap()
}

fn facts(stream: StreamFacts) -> Facts {
    Facts {
        streams: vec![stream],
        ..Facts::default()
    }
}

/// A sealed backup of the stream, so many hours old, up to that sequence.
fn saved(mut facts: Facts, hours: i64, last_sequence: u64) -> Facts {
    let backup = Backup {
        path: PathBuf::from("/backups/S"),
        taken_at: NOW - time::Duration::hours(hours),
        messages: 1,
        last_sequence,
        lacks: Vec::new(),
    };
    let newest = BTreeMap::from([(String::from("S"), backup)]);
    let odd = Vec::new();
    facts.backups = Some(Backups { newest, odd });
    facts
}

fn kinds(findings: &[Finding]) -> Vec<(Severity, Kind)> {
    let findings = findings.iter();
    findings.map(|one| (one.severity, one.kind)).collect()
}

fn judged(facts: &Facts) -> Vec<(Severity, Kind)> {
    kinds(&judge(facts, &rules(None)))
}

#[test]
fn a_whole_stream_gives_no_finding() {
    assert_eq!(judged(&facts(whole())), []);
    assert_eq!(judged(&saved(facts(whole()), 1, 12)), []);
}

#[test]
fn a_single_copy_is_critical_until_a_fresh_backup_has_it() {
    let alone = || facts(stream(1, &json!([])));
    let critical = (Severity::Critical, Kind::R1Stream);
    assert_eq!(judged(&alone()), [critical]);
    let covered = saved(alone(), 25, 7);
    let found = judge(&covered, &rules(None));
    assert_eq!(kinds(&found), [(Severity::Warning, Kind::R1Stream)]);
    assert_eq!(found[0].node.as_deref(), Some("n1"));
    assert_eq!(
        found[0].detail,
        "only copy is on n1: lost with its disk; 10 messages, 1000 B; a backup 1d 1h old, 5 messages since"
    );
    let day = rules(Some(Duration::from_secs(24 * 3600)));
    assert_eq!(
        kinds(&judge(&covered, &day)),
        [critical, (Severity::Warning, Kind::BackupStale)]
    );
    let day_and_more = rules(Some(Duration::from_secs(26 * 3600)));
    assert_eq!(
        kinds(&judge(&covered, &day_and_more)),
        [(Severity::Warning, Kind::R1Stream)]
    );
}

#[test]
fn a_backup_that_goes_further_than_its_stream_saves_nothing_of_it() {
    let ahead = saved(facts(stream(1, &json!([]))), 1, 13);
    assert_eq!(
        judged(&ahead),
        [
            (Severity::Critical, Kind::R1Stream),
            (Severity::Warning, Kind::BackupAhead)
        ]
    );
    let covered = cover(&ahead, &ahead.streams[0], &rules(None));
    assert!(matches!(covered, Cover::Ahead(_)));
    assert_eq!(messages_since(&ahead.streams[0], covered), None);
}

#[test]
fn a_stream_that_is_younger_than_its_backup_is_told() {
    let month = saved(facts(whole()), 24 * 31, 7);
    assert_eq!(
        judged(&month),
        [(Severity::Note, Kind::BackupOfEarlierStream)]
    );
}

#[test]
fn streams_in_memory_are_lost_with_their_servers() {
    let memory = |stream| facts(configured(stream, "storage", json!("memory")));
    let single = memory(stream(1, &json!([])));
    assert_eq!(judged(&single), [(Severity::Critical, Kind::MemoryStream)]);
    assert_eq!(
        judged(&memory(whole())),
        [(Severity::Warning, Kind::MemoryStream)]
    );
    assert_eq!(
        judged(&saved(memory(whole()), 1, 12)),
        [(Severity::Note, Kind::MemoryStream)]
    );
}

#[test]
fn what_is_wrong_with_a_group_is_told_by_node() {
    let group = stream(
        5,
        &json!([
            { "name": "n2", "current": false, "offline": true, "lag": 9 },
            { "name": "n3", "current": false },
            { "name": "n4", "current": true, "lag": 2 },
        ]),
    );
    let found = judge(&facts(group), &rules(None));
    let nodes: Vec<_> = found
        .iter()
        .map(|one| (one.kind, one.node.as_deref()))
        .collect();
    assert_eq!(
        nodes,
        [
            (Kind::UnderReplicated, None),
            (Kind::ReplicaOffline, Some("n2")),
            (Kind::ReplicaBehind, Some("n3")),
            (Kind::ReplicaBehind, Some("n4")),
        ]
    );
    assert!(found[0].detail.starts_with("4 of 5 replicas"));
    assert!(found[3].detail.ends_with("2 operations behind"));
    let two = stream(2, &json!([{ "name": "n2", "current": true }]));
    assert_eq!(judged(&facts(two)), [(Severity::Warning, Kind::R2Stream)]);
}

#[test]
fn a_stream_without_a_leader_or_an_answer_is_critical_even_with_a_backup() {
    let mut leaderless = whole();
    let info = leaderless.info.as_mut().unwrap();
    info.cluster.as_mut().unwrap().leader = None;
    let leaderless = saved(facts(leaderless), 1, 12);
    assert_eq!(judged(&leaderless), [(Severity::Critical, Kind::NoLeader)]);
    let silent = StreamFacts {
        name: String::from("S"),
        silence: String::from("nobody answers"),
        nodes: vec![String::from("n2")],
        ..StreamFacts::default()
    };
    let found = judge(&saved(facts(silent), 1, 12), &rules(None));
    assert_eq!(
        kinds(&found),
        [(Severity::Critical, Kind::StreamUnreachable)]
    );
    assert_eq!(found[0].node.as_deref(), Some("n2"));
}

/// The stream after two looks at copies of ten messages, of which n3 holds so many, or has no copy.
fn drifted(mut stream: StreamFacts, held: Option<u64>) -> StreamFacts {
    let copy = |messages: u64| CopyState {
        messages,
        bytes: 1000,
        first_seq: 3,
        last_seq: 12,
        num_deleted: 10 - messages,
    };
    let view = |name: &str, messages: Option<u64>| ServerView {
        name: name.to_owned(),
        copies: messages
            .map(|messages| (String::from("S"), copy(messages)))
            .into_iter()
            .collect(),
        ..ServerView::default()
    };
    let views = [view("n1", Some(10)), view("n2", Some(10)), view("n3", held)];
    stream.take(&views);
    stream.take(&views);
    stream
}

#[test]
fn a_replica_that_is_called_current_and_holds_less_is_critical_without_a_backup() {
    let unequal = Kind::ReplicasUnequal;
    let found = judge(&facts(drifted(whole(), Some(8))), &rules(None));
    assert_eq!(kinds(&found), [(Severity::Critical, unequal)]);
    assert_eq!(found[0].node.as_deref(), Some("n3"));
    let covered = saved(facts(drifted(whole(), Some(8))), 1, 12);
    assert_eq!(judged(&covered), [(Severity::Warning, unequal)]);
    // Nothing at all is what a replica holds whose stream was wiped from its disk.
    let found = judge(&facts(drifted(whole(), None)), &rules(None));
    assert_eq!(kinds(&found), [(Severity::Critical, unequal)]);
    assert!(found[0].detail.contains("on n3 has nothing;"), "{found:?}");
    assert_eq!(judged(&facts(drifted(whole(), Some(10)))), []);
    // One that is told to be behind is no surprise.
    let behind = stream(
        3,
        &json!([{ "name": "n2", "current": true }, { "name": "n3", "current": false }]),
    );
    assert_eq!(
        judged(&facts(drifted(behind, Some(8)))),
        [
            (Severity::Warning, unequal),
            (Severity::Warning, Kind::ReplicaBehind)
        ]
    );
}

#[test]
fn consumers_of_fewer_replicas_or_in_memory_are_told() {
    let durable = |more: &Value| {
        let mut config = json!({ "durable_name": "C", "num_replicas": 0 });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    };
    let alone = json!({ "leader": "n2" });
    let group = json!({ "leader": "n2", "replicas": [{ "name": "n1" }, { "name": "n3" }] });
    for (config, group, expected) in [
        (durable(&json!({})), &group, None),
        (
            durable(&json!({ "num_replicas": 1 })),
            &alone,
            Some((Severity::Warning, Kind::R1Consumer)),
        ),
        (
            durable(&json!({})),
            &alone,
            Some((Severity::Warning, Kind::R1Consumer)),
        ),
        // An ephemeral one has one replica by default, and nobody expects it to last.
        (json!({}), &alone, Some((Severity::Note, Kind::R1Consumer))),
        (
            durable(&json!({ "mem_storage": true })),
            &alone,
            Some((Severity::Warning, Kind::MemoryConsumer)),
        ),
        (
            durable(&json!({ "mem_storage": true })),
            &group,
            Some((Severity::Note, Kind::MemoryConsumer)),
        ),
    ] {
        let mut stream = whole();
        stream.consumers = vec![consumer(&config, group)];
        let found = judge(&facts(stream), &rules(None));
        assert_eq!(kinds(&found), Vec::from_iter(expected), "{config} {group}");
        if let Some(found) = found.first() {
            assert_eq!(found.consumer.as_deref(), Some("C"));
            assert_eq!(found.node.as_deref(), Some("n2"));
            assert!(
                found.detail.contains("it stands at 4 of 12"),
                "{}",
                found.detail
            );
        }
    }
    // Of a stream of one copy, the stream's own finding says all.
    let mut single = stream(1, &json!([]));
    single.consumers = vec![consumer(&durable(&json!({})), &alone)];
    assert_eq!(
        judged(&facts(single)),
        [(Severity::Critical, Kind::R1Stream)]
    );
}

#[test]
fn servers_that_sync_late_are_told_together_and_beside_single_copies() {
    let server = |seconds, sync_always| ServerFacts {
        sync_interval: Some(Duration::from_secs(seconds)),
        sync_always,
    };
    let mut facts = facts(stream(1, &json!([])));
    let servers = [
        ("n1", server(120, false)),
        ("n2", server(120, false)),
        ("n3", server(120, true)),
        ("n4", server(5, false)),
    ];
    facts.servers = Some(BTreeMap::from(
        servers.map(|(name, server)| (name.to_owned(), server)),
    ));
    let found = judge(&facts, &rules(None));
    let details: Vec<_> = found.iter().map(|one| &*one.detail).collect();
    assert!(
        details[0].ends_with("; written to disk every 2m"),
        "{details:#?}"
    );
    assert!(
        details[1].starts_with("n4: written to disk every 5s"),
        "{details:#?}"
    );
    assert!(
        details[2].starts_with("n1, n2: written to disk every 2m"),
        "{details:#?}"
    );
    assert_eq!(found.len(), 3);
}
