//! Pages of ledgers and matrices that nobody would write: there is always a page, all of it, and what
//! it draws has a place.

use std::fs;

use lifeboat::ledger::{
    AckOutcome, Event, FaultKind, NodeSeen, NodeStatus, Observation, PublishOutcome, ReplicaSeen,
    Stamped, StepEnd, StreamSeen,
};
use lifeboat::model::{Digest, Fingerprint};
use lifeboat::page::page_of;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::config;

/// A scenario, so that losses and recoveries are told.
const SCENARIO: &str = include_str!("../../scenarios/core/r1-without-backup.toml");

/// Names that are there, and that should be nowhere.
fn name() -> impl Strategy<Value = String> {
    let names = [
        "ORDERS",
        "n1",
        "n2",
        "",
        "<b>&\"'",
        "日本語",
        "\u{202e}\u{0}\u{7}",
    ];
    let long = "x".repeat(3000);
    prop_oneof![select(names.to_vec()).prop_map(str::to_owned), Just(long)]
}

/// Numbers at the ends of what there is, and in between.
fn number() -> impl Strategy<Value = u64> {
    let ends = vec![0, 1, 999_999, 1_000_000, 7_500_000, u64::MAX - 1, u64::MAX];
    prop_oneof![select(ends), any::<u64>(), 0..20_000_000_u64]
}

fn seen() -> impl Strategy<Value = Event> {
    use NodeStatus::{Paused, Running, Silent, Stopped};
    let node = (
        name(),
        select(vec![Running, Silent, Paused, Stopped]),
        any::<bool>(),
    );
    let node = node.prop_map(|(node, state, leads_meta)| NodeSeen {
        node,
        state,
        leads_meta,
    });
    let replica = (name(), any::<bool>(), number(), number());
    let replica = replica.prop_map(|(node, leads, messages, last_sequence)| ReplicaSeen {
        node,
        leads,
        messages,
        first_sequence: 1,
        last_sequence,
    });
    let stream = (name(), vec(replica, 0..4));
    let stream = stream.prop_map(|(stream, replicas)| StreamSeen { stream, replicas });
    (vec(node, 0..4), vec(stream, 0..3)).prop_map(|(nodes, streams)| Event::Observed {
        seen: Observation { nodes, streams },
    })
}

fn published() -> impl Strategy<Value = Event> {
    let reason = String::from("no");
    let outcome = prop_oneof![
        number().prop_map(|sequence| PublishOutcome::Acknowledged { sequence }),
        Just(PublishOutcome::Refused {
            reason: reason.clone()
        }),
        Just(PublishOutcome::Unknown { reason }),
    ];
    (name(), name(), outcome).prop_map(|(stream, id, outcome)| Event::Published {
        stream,
        id,
        outcome,
    })
}

fn held() -> impl Strategy<Value = Event> {
    (name(), name(), name(), number()).prop_map(|(stream, node, id, sequence)| Event::Held {
        stream,
        node,
        message: Fingerprint {
            sequence,
            id,
            subject: String::new(),
            time_ns: 0,
            headers: Digest::of(b""),
            payload: Digest::of(b""),
        },
    })
}

fn event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![
        Just(StepEnd::Done),
        name().prop_map(|reason| StepEnd::Broken { reason }),
        name().prop_map(|reason| StepEnd::Impossible { reason }),
        name().prop_map(|reason| StepEnd::Withdrawn { reason }),
    ];
    let number_of_step = 0..5_usize;
    prop_oneof![
        Just(Event::LoadBegan),
        Just(Event::LoadEnded),
        (number_of_step.clone(), name())
            .prop_map(|(number, text)| Event::StepBegan { number, text }),
        (number_of_step, end).prop_map(|(number, end)| Event::StepEnded { number, end }),
        name().prop_map(|node| Event::FaultBegan {
            fault: FaultKind::Kill,
            node
        }),
        name().prop_map(|stream| Event::Recovered { stream }),
        name().prop_map(|text| Event::Noted { text }),
        published(),
        published(),
        held(),
        seen(),
        (name(), name(), number()).prop_map(|(stream, node, messages)| Event::ReplicaRead {
            stream,
            node,
            messages,
            defects: vec![String::from("<i>defect")],
        }),
        (name(), name(), name()).prop_map(|(stream, consumer, id)| Event::Acked {
            stream,
            consumer,
            id,
            outcome: AckOutcome::Confirmed,
        }),
    ]
}

/// A page that is whole, in which everything has a place.
fn expect_page(html: &str) {
    assert!(html.ends_with("</html>"), "it is cut off");
    for wrong in [
        "\"NaN",
        "\"inf",
        "-2147483648",
        "<b>&\"",
        "<i>defect",
        "could not be drawn",
    ] {
        assert!(!html.contains(wrong), "there is {wrong}");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_ledger_has_a_page(
        events in vec((number(), event()), 0..60),
        began in select(vec!["2026-11-27T00:00:00Z", "never", "9999-12-31T23:59:59Z"]),
        log in select(vec![
            "[1] 2026/11/27 00:00:01.000000 [WRN] <i>defect\n",
            "[1] 9999/12/31 23:59:59.999999 [ERR] late\n[1] 0001/01/01 00:00:00.000000 [ERR] early\n",
            "\u{0}[",
        ]),
    ) {
        let home = tempfile::tempdir().unwrap();
        let began = Event::Began {
            scenario: String::from("<i>defect"),
            server: String::from("2.15.1"),
            server_sha256: String::new(),
            runtime: String::from("process"),
            seed: u64::MAX,
            at: began.to_owned(),
        };
        let all = [(0, began)].into_iter().chain(events);
        let lines = all.map(|(at_us, event)| {
            serde_json::to_string(&Stamped { at_us, event }).unwrap() + "\n"
        });
        fs::write(home.path().join("ledger.jsonl"), lines.collect::<String>()).unwrap();
        fs::write(home.path().join("scenario.toml"), SCENARIO).unwrap();
        fs::create_dir_all(home.path().join("nodes/n1")).unwrap();
        fs::write(home.path().join("nodes/n1/server.log"), log).unwrap();
        expect_page(&page_of(home.path()).unwrap().html);
    }

    #[test]
    fn every_matrix_has_a_page(
        figures in vec(prop_oneof![Just(0.0), Just(-1.0), Just(1e308), Just(5e-324), 0.0..100.0_f64], 1..6),
        counts in vec(select(vec![0, 1, 3, u64::MAX]), 4),
        version in name(),
    ) {
        let runs: Vec<Value> = figures.iter().map(|figure| json!({
            "at": "x", "verdict": "broken", "recovery_seconds": figure, "lost": counts[0], "elapsed_seconds": figure,
        })).collect();
        let range = json!({ "least": figures[0], "median": figures[0], "most": figures[figures.len() - 1] });
        let cell = json!({
            "history": runs, "runs": counts[0], "held": counts[1], "broken": counts[2], "inconclusive": counts[3],
            "expected": { "verdict": "held" }, "recovery_seconds": range, "write_outage_seconds": null,
            "lost": range, "elapsed_seconds": null,
        });
        let row = json!({ "scenario": "<i>defect", "promise": "", "about": "", "cells": { "1": cell, version.clone(): cell } });
        let servers = json!([{ "version": "1", "sha256": "" }, { "version": version, "sha256": "" }]);
        let home = tempfile::tempdir().unwrap();
        let table = json!({ "servers": servers, "rows": [row.clone(), row] });
        fs::write(home.path().join("matrix.json"), table.to_string()).unwrap();
        expect_page(&page_of(home.path()).unwrap().html);
    }
}
