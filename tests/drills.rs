//! The core drills on real servers, and drills that must not hold.
//!
//! They run on the server version that `LIFEBOAT_SERVER_VERSION` names, the newest unless it is set.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{Called, Lifeboat, entries, expect_valid};

/// Where the drills run: as the program itself decides.
fn runtime() -> String {
    let named = std::env::var("LIFEBOAT_RUNTIME").unwrap_or_default();
    if named.is_empty() {
        String::from("process")
    } else {
        named
    }
}

/// Runs one drill and returns its record; the program must exit with this code.
#[track_caller]
fn run(lifeboat: &Lifeboat, scenario: &str, code: i32) -> Value {
    let arguments = ["drill", "run", scenario, "--json", "--no-progress"];
    let called = lifeboat.call(&arguments).expect_code(code);
    let document = called.json();
    expect_valid("runs", &document);
    let record = document["runs"][0].clone();
    assert_eq!(lifeboat.leftovers(), [""; 0], "something was left behind");
    record
}

/// Runs a core drill, which must hold, and checks what every record must have.
#[track_caller]
fn holds(scenario: &str) -> Value {
    let lifeboat = Lifeboat::new();
    let record = run(&lifeboat, scenario, 0);
    assert_eq!(record["scenario"], scenario);
    assert_eq!(
        (&record["verdict"], &record["expected"]),
        (&"held".into(), &"held".into())
    );
    assert_eq!(record["runtime"], runtime());
    assert!(record["acknowledged"].as_u64().unwrap() >= 2000, "{record}");
    for key in ["duplicated", "altered", "reordered", "unexpected"] {
        assert_eq!(record[key], 0, "{record}");
    }
    let evidence = record["evidence"].as_str().unwrap();
    for name in [
        "scenario.toml",
        "resolved.json",
        "ledger.jsonl",
        "verdict.json",
        "nodes",
    ] {
        assert!(
            entries(evidence.as_ref()).contains(&name.to_owned()),
            "no {name}"
        );
    }
    record
}

#[test]
fn a_followers_replica_is_replaced() {
    let record = holds("r3-follower-replaced");
    assert_eq!(record["lost"], 0);
    assert!(record["recovery_seconds"].as_f64().is_some());
}

#[test]
fn a_leaders_replica_is_replaced() {
    let record = holds("r3-leader-replaced");
    assert_eq!(record["lost"], 0);
    assert!(record["recovery_seconds"].as_f64().is_some());
}

#[test]
fn without_peer_remove_there_is_no_replacement() {
    let record = holds("r3-not-removed");
    assert_eq!(record["lost"], 0);
    assert_eq!(record["recovery_seconds"], Value::Null);
}

#[test]
fn without_a_spare_there_is_no_replacement_until_one_joins() {
    let record = holds("r3-no-spare");
    assert_eq!(record["lost"], 0);
    assert!(record["recovery_seconds"].as_f64().unwrap() > 10.0);
}

#[test]
fn a_leader_that_is_cut_off_is_succeeded_and_loses_nothing() {
    let record = holds("r3-leader-cut-off");
    assert_eq!(record["lost"], 0);
    assert!(record["recovery_seconds"].as_f64().unwrap() > 10.0);
}

/// Runs a drill whose fault not every runtime and machine has: where it can't be injected that
/// is said, and the drill is inconclusive.
#[track_caller]
fn ends(scenario: &str, verdict: &str) -> Option<Value> {
    let lifeboat = Lifeboat::new();
    let arguments = ["drill", "run", scenario, "--json", "--no-progress"];
    let called = lifeboat.call(&arguments);
    let record = called.json()["runs"][0].clone();
    assert_eq!(lifeboat.leftovers(), [""; 0], "something was left behind");
    let refused = record["findings"].to_string().contains("not possible here");
    let _called = called.expect_code(if refused { 11 } else { 0 });
    if refused {
        assert_eq!(record["verdict"], "inconclusive");
        assert_eq!(record["acknowledged"], 0, "nothing runs half-way");
        return None;
    }
    assert_eq!(record["verdict"], verdict, "{record}");
    assert_eq!(record["lost"], 0, "{record}");
    Some(record)
}

#[test]
fn a_full_disk_costs_a_replica_until_its_server_is_restarted() {
    ends("r3-disk-full-restarted", "held");
}

#[test]
fn room_alone_does_not_bring_a_replica_back() {
    ends("r3-disk-full", "broken");
}

#[test]
fn a_store_that_is_read_only_keeps_a_server_down() {
    ends("r3-store-read-only", "held");
}

#[test]
fn a_server_that_runs_out_of_memory_catches_up() {
    let record = ends("r3-out-of-memory", "held");
    assert_eq!(record.is_some(), runtime() == "container");
}

#[test]
fn a_replica_that_is_still_cut_off_is_no_recovery() {
    let lifeboat = Lifeboat::new();
    // Before anything is published all replicas hold the same, the one that is cut off too.
    let text = changed(
        "r3-leader-cut-off",
        &[
            (
                "publish = { stream = \"ORDERS\", messages = 2000 }",
                "run = \"200ms\"",
            ),
            ("heal = {}", "run = \"200ms\""),
            (
                "refuse = { node = \"minority\", stream = \"ORDERS\", for = \"10s\" }",
                "run = \"200ms\"",
            ),
            (
                "publish = { stream = \"ORDERS\", messages = 500 }",
                "run = \"200ms\"",
            ),
            ("within = \"150s\"", "within = \"10s\""),
        ],
    );
    let scenario = lifeboat.scenario("never-healed.toml", &text);
    let record = run(&lifeboat, &scenario, 10);
    let findings = record["findings"].to_string();
    assert!(
        findings.contains("2 of 3 replicas within reach"),
        "{record}"
    );
    assert_eq!(record["recovery_seconds"], Value::Null, "{record}");
}

#[test]
fn a_fault_that_is_not_injected_is_noticed() {
    let lifeboat = Lifeboat::new();
    let text = changed(
        "r3-leader-cut-off",
        &[
            (
                "cut = { node = \"leader of ORDERS\", as = \"minority\" }",
                "delay = { node = \"leader of ORDERS\", as = \"minority\", by = \"1ms\" }",
            ),
            ("30s\" }", "3s\" }"),
        ],
    );
    let scenario = lifeboat.scenario("not-cut.toml", &text);
    let record = run(&lifeboat, &scenario, 10);
    assert!(kinds(&record).contains(&"step-failed"), "{record}");
}

#[test]
fn one_replica_comes_back_from_a_backup() {
    let record = holds("r1-restored-from-backup");
    assert!(
        record["recovery_point_messages"].as_u64().unwrap() >= 500,
        "{record}"
    );
    assert!(record["recovery_seconds"].as_f64().is_some());
}

#[test]
fn one_replica_without_a_backup_is_lost() {
    let record = holds("r1-without-backup");
    assert!(record["lost"].as_u64().unwrap() >= 2000, "{record}");
    assert_eq!(record["recovery_seconds"], Value::Null);
}

#[test]
fn a_rotten_bit_on_a_follower_is_seen_by_its_content() {
    let record = ends("r3-flipped-bit-follower", "broken").unwrap();
    assert_eq!(record["as_expected"], true, "{record}");
    let kinds = kinds(&record);
    assert!(kinds.contains(&"replica-lacks"), "{record}");
    assert!(kinds.contains(&"damaged"), "{record}");
}

#[test]
fn a_power_loss_of_all_loses_what_was_never_synced() {
    let record = holds("r3-power-loss-all");
    assert!(record["lost"].as_u64().unwrap() >= 1000, "{record}");
}

#[test]
fn what_an_operator_deletes_is_gone_everywhere_and_nothing_else() {
    let record = holds("purge-and-delete");
    assert!(record["removed"].as_u64().unwrap() >= 1500, "{record}");
    assert_eq!(record["lost"], 0, "{record}");
}

#[test]
fn a_backup_is_extracted_into_a_stopped_server() {
    let record = holds("r1-extracted-into-stopped-node");
    assert!(record["lost"].as_u64().unwrap() >= 500, "{record}");
}

#[test]
fn streams_that_no_disk_shows_are_judged_all_the_same() {
    for scenario in [
        "r3-in-memory-leader-replaced",
        "r3-encrypted-leader-replaced",
    ] {
        let record = holds(scenario);
        assert_eq!(
            (&record["lost"], &record["unread_streams"]),
            (&0.into(), &0.into())
        );
    }
}

#[test]
fn what_makes_room_is_told_from_what_is_lost() {
    let record = holds("r3-limited-leader-replaced");
    assert!(record["evicted"].as_u64().unwrap() >= 1000, "{record}");
    assert_eq!(record["lost"], 0, "{record}");
}

#[test]
fn a_step_that_is_to_be_refused_and_is_not_breaks_the_drill() {
    let lifeboat = Lifeboat::new();
    let text = changed(
        "r1-restored-from-backup",
        &[(
            "peer_remove = { node = \"victim\" }",
            "peer_remove = { node = \"victim\", fails = true }",
        )],
    );
    let scenario = lifeboat.scenario("not-refused.toml", &text);
    let record = run(&lifeboat, &scenario, 10);
    let findings = record["findings"].to_string();
    assert!(findings.contains("it succeeded"), "{record}");
}

/// The core drill of that name, with some of its text replaced.
fn changed(name: &str, changes: &[(&str, &str)]) -> String {
    let path = format!("{}/scenarios/core/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let mut text = fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

fn kinds(record: &Value) -> Vec<&str> {
    let findings = record["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect()
}

#[test]
fn a_loss_that_was_not_expected_breaks_the_drill_and_keeps_the_stores() {
    let lifeboat = Lifeboat::new();
    let text = changed("r1-without-backup", &[("before-fault", "nothing")]);
    let scenario = lifeboat.scenario("broken.toml", &text);
    let record = run(&lifeboat, &scenario, 10);
    assert_eq!(record["verdict"], "broken");
    assert!(kinds(&record).contains(&"lost-head"), "{record}");
    let evidence = record["evidence"].as_str().unwrap();
    assert!(entries(evidence.as_ref()).contains(&String::from("stores")));
}

#[test]
fn a_disk_that_was_not_wiped_is_no_loss_and_breaks_a_drill_that_says_so() {
    let lifeboat = Lifeboat::new();
    let text = changed(
        "r1-without-backup",
        &[
            ("wipe = true", "wipe = false"),
            (
                "peer_remove = { node = \"victim\" }",
                "start = { node = \"victim\" }",
            ),
        ],
    );
    let scenario = lifeboat.scenario("not-wiped.toml", &text);
    let record = run(&lifeboat, &scenario, 10);
    assert_eq!(record["lost"], 0, "{record}");
    assert!(kinds(&record).contains(&"unexpected"), "{record}");
}

#[test]
fn a_defect_that_is_known_is_as_expected_and_one_that_is_gone_is_not() {
    let lifeboat = Lifeboat::new();
    let known = |verdict: &str| {
        format!(
            "\n[[expect.known]]\nserver = \">=2.10\"\nverdict = \"{verdict}\"\nbecause = \"a test\"\n"
        )
    };
    let broken = changed("r1-without-backup", &[("before-fault", "nothing")]) + &known("broken");
    let scenario = lifeboat.scenario("known.toml", &broken);
    let record = run(&lifeboat, &scenario, 0);
    assert_eq!(
        (&record["verdict"], &record["because"]),
        (&"broken".into(), &"a test".into())
    );

    let gone = changed("r1-without-backup", &[]) + &known("broken");
    let scenario = lifeboat.scenario("gone.toml", &gone);
    assert_eq!(run(&lifeboat, &scenario, 10)["verdict"], "held");
}

#[test]
fn servers_that_do_not_come_up_make_a_drill_inconclusive() {
    let lifeboat = Lifeboat::new();
    let server = lifeboat.home.path().join("nats-server");
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && echo nats-server: v2.15.1 && exit 0\necho no luck\nexit 3\n";
    fs::write(&server, script).unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = [
        "drill",
        "run",
        "r3-no-spare",
        "--json",
        "--server",
        server.to_str().unwrap(),
    ];
    let mut command = lifeboat.command(&arguments);
    let command = command.env_remove("LIFEBOAT_SERVER_VERSION");
    let output = command.env("LIFEBOAT_RUNTIME", "process").output();
    let called = Called::from(output.unwrap()).expect_code(11);
    let record = called.json()["runs"][0].clone();
    assert_eq!(record["verdict"], "inconclusive");
    assert!(
        record["findings"].to_string().contains("no luck"),
        "{record}"
    );
}

#[test]
fn reports_are_written_beside_the_table() {
    let lifeboat = Lifeboat::new();
    let arguments = [
        "drill",
        "run",
        "r1-without-backup",
        "--junit",
        "junit.xml",
        "--markdown",
        "summary.md",
        "--metrics",
        "lifeboat.prom",
        "--no-progress",
    ];
    let called = lifeboat.call(&arguments).expect_code(0);
    assert!(
        called.stdout.contains("1 of 1 as expected"),
        "{}",
        called.stdout
    );
    assert!(called.stdout.contains("evidence: "), "{}", called.stdout);
    let report = fs::read_to_string(lifeboat.home.path().join("junit.xml")).unwrap();
    assert!(
        report.contains("tests=\"1\" skipped=\"0\" failures=\"0\" errors=\"0\""),
        "{report}"
    );
    let summary = fs::read_to_string(lifeboat.home.path().join("summary.md")).unwrap();
    assert!(summary.contains("1 of 1 as expected"), "{summary}");
    assert!(summary.contains("| r1-without-backup "), "{summary}");
    let metrics = fs::read_to_string(lifeboat.home.path().join("lifeboat.prom")).unwrap();
    assert!(
        metrics.contains("lifeboat_drill_lost_messages{drill=\"r1-without-backup\""),
        "{metrics}"
    );
    let nowhere = [
        "drill",
        "run",
        "--metrics",
        "no/such/directory/lifeboat.prom",
    ];
    let called = lifeboat.call(&nowhere).expect_code(2);
    assert!(
        called.stderr.contains("no/such/directory"),
        "{}",
        called.stderr
    );
}
