//! Pages of stored evidence: what is on them, that they need no other file, and what is said where there
//! is no evidence, or half of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::matrix::short;
use crate::support::{Lifeboat, entries};

/// Runs a drill, which must exit with this code, and returns where its evidence is.
pub(crate) fn run(lifeboat: &Lifeboat, scenario: &str, code: i32) -> PathBuf {
    let arguments = ["drill", "run", scenario, "--json", "--no-progress"];
    let called = lifeboat.call(&arguments).expect_code(code);
    let evidence = called.json()["runs"][0]["evidence"].clone();
    assert_eq!(lifeboat.leftovers(), [""; 0], "something was left behind");
    PathBuf::from(evidence.as_str().unwrap())
}

/// A drill that must be broken: the only replica's disk is gone, and nothing may be lost.
pub(crate) fn losing(lifeboat: &Lifeboat) -> String {
    let text = r#"
name = "losing"
promise = "M3"
about = "The only replica's disk is gone."

[cluster]
nodes = 3

[[stream]]
name = "ORDERS"
subjects = ["orders.>"]
replicas = 1
consumers = ["billing"]

[[step]]
publish = { stream = "ORDERS", messages = 300 }

[[step]]
kill = { node = "replica of ORDERS", as = "victim", wipe = true }

[[step]]
peer_remove = { node = "victim" }

[[step]]
wait = { stream = "ORDERS", replicas = 1, within = "60s" }

[[step]]
publish = { stream = "ORDERS", messages = 50 }

[expect]
lost = "nothing"
replicas = 1
"#;
    lifeboat.scenario("losing.toml", text)
}

/// A rehearsal as `drill live` leaves one, with what it can have.
pub(crate) fn rehearsal(lifeboat: &Lifeboat) -> PathBuf {
    let check = |name: &str, outcome: &str, detail: &str| {
        let means = (outcome == "broken").then_some("what came back is not what was saved");
        json!({ "name": name, "outcome": outcome, "detail": detail, "means": means })
    };
    let stream = |name: &str, verdict: &str, equal: Value, seconds: f64| {
        json!({
            "stream": name, "verdict": verdict, "came_back": verdict == "held",
            "checks": [check("sound", "held", "every checksum agrees"), equal],
            "replicas": 3, "messages": u64::MAX, "last_sequence": 7, "bytes": 123_456, "consumers": 2,
            "recovery_seconds": seconds,
            "timing": { "reading_seconds": seconds / 2.0, "sending_seconds": seconds / 3.0, "comparing_seconds": -1.0 },
            "remarks": ["<b>a remark</b>"],
        })
    };
    let long = "ORDERS-OF-A-VERY-LONG-NAME-THAT-NO-PHONE-HAS-ROOM-FOR-IN-ONE-LINE-AT-ALL";
    let written = json!({
        "format": 1, "backup": "/backups/<nightly>", "of_account": true, "server": "2.14.6",
        "server_sha256": "52febb23a8106d2c615d34d2c9653665a8e2afefc578f44f352f9c2c84ad5ed1",
        "runtime": "container", "nodes": 3, "began_at": "2026-11-27T00:00:00Z", "verdict": "broken",
        "sample": { "streams": 3, "of_streams": 4, "bytes": 5, "of_bytes": 9, "seed": 11, "left_out": ["LEFT"] },
        "live": { "backup_seconds": 2.5, "recovery_points": [
            { "stream": "A", "age_seconds": 12.5, "messages_since": u64::MAX }, { "stream": "B", "messages_since": 1 },
        ] },
        "checks": [check("fresh", "held", "young")],
        "streams": [
            stream("A", "held", check("equal", "held", "the same on n1"), 1e300),
            stream(long, "held", check("equal", "held", "the same on n1"), 2.0),
            stream("B", "broken", check("equal", "broken", "n2 lacks one"), 0.0),
        ],
        "recovery_seconds": null, "elapsed_seconds": 9.0, "evidence": "/runs/1",
    });
    let directory = lifeboat.home.path().join("rehearsed");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("rehearsal.json"), written.to_string()).unwrap();
    directory
}

/// A copy of the track record, in a directory of the test's own.
pub(crate) fn track_record(lifeboat: &Lifeboat) -> PathBuf {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/track-record.json");
    let copy = lifeboat.home.path().join("record.json");
    fs::copy(kept, &copy).unwrap();
    copy
}

/// Makes a page, and returns where it is and what is in it.
#[track_caller]
pub(crate) fn report(lifeboat: &Lifeboat, evidence: &Path) -> (PathBuf, String) {
    let called = lifeboat.call(&["report".as_ref(), evidence]).expect_code(0);
    let path = PathBuf::from(called.stdout.trim_end());
    let page = fs::read_to_string(&path).unwrap();
    expect_self_contained(&page);
    (path, page)
}

/// Fails with what is printed unless there is no page of this.
#[track_caller]
fn refused(lifeboat: &Lifeboat, evidence: &Path) -> String {
    let called = lifeboat.call(&["report".as_ref(), evidence]).expect_code(2);
    assert_eq!(called.stdout, "");
    called.stderr
}

#[track_caller]
fn expect_self_contained(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.trim_end().ends_with("</html>"), "it is cut off");
    for loads in [
        " src=",
        "@import",
        "<link",
        "<iframe",
        "<object",
        "http-equiv=\"refresh\"",
    ] {
        assert!(!page.contains(loads), "{loads} loads something");
    }
    for value in values(page, " href=\"") {
        assert!(value.starts_with('#'), "a link leads to {value}");
    }
    for value in values(page, "url(") {
        assert!(value.starts_with('#'), "a style loads {value}");
    }
    let named = "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'";
    assert!(
        page.contains(named),
        "nothing keeps it from loading anything"
    );
    for svg in page.split("<svg").skip(1) {
        let tag = svg.split('>').next().unwrap();
        let is_told = tag.contains("role=\"img\"") && tag.contains("aria-label=");
        assert!(is_told || tag.contains("aria-hidden"), "{tag}");
    }
}

fn values<'a>(page: &'a str, before: &str) -> Vec<&'a str> {
    let found = page.split(before).skip(1);
    found
        .map(|rest| rest.split(['"', ')']).next().unwrap())
        .collect()
}

/// A number as pages have it.
fn grouped(number: &Value) -> String {
    let number = number.as_u64().unwrap();
    if number < 1000 {
        return number.to_string();
    }
    format!("{}\u{202f}{:03}", number / 1000, number % 1000)
}

#[track_caller]
fn expect_all(page: &str, wanted: &[&str]) {
    for one in wanted {
        assert!(page.contains(one), "the page lacks `{one}`");
    }
}

/// Evidence stays as it is, and what it was made to say is not taken for true.
fn expect_guarded(lifeboat: &Lifeboat, directory: &Path, path: &Path, page: &str, record: &Value) {
    // A page takes the place of no evidence, and of nothing that is no file.
    let verdict = directory.join("verdict.json");
    let before = fs::read(&verdict).unwrap();
    std::os::unix::fs::symlink(path, directory.join("link.html")).unwrap();
    for target in [
        &verdict,
        &directory.join("link.html"),
        Path::new("/dev/stdout"),
    ] {
        let arguments: [&std::ffi::OsStr; 4] = [
            "report".as_ref(),
            directory.as_ref(),
            "-o".as_ref(),
            target.as_ref(),
        ];
        let called = lifeboat.call(&arguments).expect_code(2);
        assert!(called.stderr.contains("can't write"), "{}", called.stderr);
    }
    assert_eq!(fs::read(&verdict).unwrap(), before);
    let arguments: [&std::ffi::OsStr; 4] = [
        "report".as_ref(),
        directory.as_ref(),
        "-o".as_ref(),
        "-".as_ref(),
    ];
    let called = lifeboat.call(&arguments).expect_code(0);
    assert_eq!(called.stdout.trim_end(), page.trim_end());

    // A verdict that was written by hand is not what the ledger says.
    let mut forged = record.clone();
    forged["judgement"]["figures"]["lost"] = json!(7);
    fs::write(&verdict, forged.to_string()).unwrap();
    let (_, page) = report(lifeboat, directory);
    expect_all(
        &page,
        &["the ledger differ: lost is 7 in the one, and 0 by the other"],
    );
    fs::write(&verdict, before).unwrap();
}

#[test]
fn a_run_that_held_is_shown_from_its_evidence() {
    let lifeboat = Lifeboat::new();
    let scenario = lifeboat.scenario("short.toml", &short("short"));
    let directory = run(&lifeboat, &scenario, 0);
    let before = entries(&directory).len();
    let (path, page) = report(&lifeboat, &directory);
    assert_eq!(path, directory.join("report.html"));
    assert_eq!(
        entries(&directory).len(),
        before + 1,
        "one file and no other"
    );
    let record = fs::read(directory.join("verdict.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let figures = &record["judgement"]["figures"];
    expect_all(
        &page,
        &[
            "class=\"badge held\"",
            "as expected",
            &format!("<dd>{}</dd>", grouped(&figures["acknowledged"])),
            "None: everything that was promised was seen.",
            "1 faults",
            "▼ kill n",
            "ORDERS whole",
            "publish 100 messages to ORDERS",
            "ORDERS acknowledged nothing for ",
            "Who leads",
            "Replicas behind the furthest",
            "What each replica held at the end",
            "read from its disk",
            "What the servers logged",
            "lifeboat drill run ",
            &format!("--seed {}", record["seed"]),
            "A follower is killed and started again.",
        ],
    );
    let recovery = figures["recovery_seconds"].as_f64().unwrap();
    assert!(
        recovery > 9.9 || page.contains(&format!("<dd>{recovery:.2} s</dd>")),
        "{recovery}"
    );
    assert!(!page.contains("these lost is not known"));
    assert!(!page.contains("verdict.json and the ledger differ"));
    let drawn = format!(
        "Publishes over time: {} acknowledged, {} refused, {} without an answer",
        figures["acknowledged"], figures["refused"], figures["unknown"]
    );
    expect_all(&page, &[&drawn, "Nothing: every acknowledged message"]);

    expect_guarded(&lifeboat, &directory, &path, &page, &record);

    // A matrix that was interrupted has runs, the last of which may be half, and no table.
    let line = json!({
        "scenario": "short", "scenario_digest": "", "server": "2.15.1", "server_sha256": "",
        "runtime": "process", "round": 1, "about": "what it shows", "run": record,
    });
    fs::create_dir(lifeboat.home.path().join("matrix")).unwrap();
    lifeboat.scenario("matrix/results.jsonl", &format!("{line}\n{{\"scen"));
    let (_, matrix) = report(&lifeboat, &lifeboat.home.path().join("matrix"));
    expect_all(
        &matrix,
        &["1 drill on 1 nats-server version", "what it shows"],
    );

    // A ledger of an earlier version has no observations.
    let ledger = directory.join("ledger.jsonl");
    let text = fs::read_to_string(&ledger).unwrap();
    let old = text.lines().filter(|line| !line.contains("\"observed\""));
    fs::write(&ledger, old.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    let (_, page) = report(&lifeboat, &directory);
    expect_all(
        &page,
        &["this ledger has no observations", "Publishes by outcome"],
    );
    assert!(!page.contains("Who leads"));
}

#[test]
fn a_run_that_lost_messages_shows_which_and_half_of_it_is_shown_as_well() {
    let lifeboat = Lifeboat::new();
    let scenario = losing(&lifeboat);
    let directory = run(&lifeboat, &scenario, 10);
    let (_, page) = report(&lifeboat, &directory);
    let record = fs::read(directory.join("verdict.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let lost = &record["judgement"]["figures"]["lost"];
    expect_all(
        &page,
        &[
            "class=\"badge broken\"",
            "not as expected: it should be held",
            "<b>lost-head</b>",
            &format!("<b>{}</b> of ", grouped(lost)),
            "the scenario allows none",
            "First: <code>ORDERS-",
            "Last: <code>ORDERS-",
            "▼ kill and wipe n",
            "url(#absent)",
            "in the order of their acknowledgements",
        ],
    );

    // What came from servers and files is text, whatever is in it.
    let ledger = directory.join("ledger.jsonl");
    let text = fs::read_to_string(&ledger).unwrap();
    let hostile = text.replacen("\"losing\"", "\"</title><script>alert(1)</script>\"", 1);
    fs::write(&ledger, hostile).unwrap();
    let (_, page) = report(&lifeboat, &directory);
    assert!(!page.contains("<script>alert"), "it would run");
    expect_all(&page, &["&lt;script&gt;alert(1)"]);

    // A run that was killed has no verdict, and half a line at the end.
    fs::remove_file(directory.join("verdict.json")).unwrap();
    let middle = text.find("\"event\":\"recovered\"").unwrap();
    fs::write(&ledger, &text[..middle]).unwrap();
    fs::remove_dir_all(directory.join("nodes")).unwrap();
    let (path, page) = report(&lifeboat, &directory);
    expect_all(
        &page,
        &[
            "no verdict",
            "was cut off",
            "ledger.jsonl:",
            "it never ended",
            "There are no logs",
            "these lost is not known",
        ],
    );

    // A line that is whole and no event is no half of one; the page from before stays as it is.
    fs::write(
        &ledger,
        "{\"at_us\":1,\"event\":\"ready\"}\n{\"at_us\":2}\n",
    )
    .unwrap();
    let told = refused(&lifeboat, &directory);
    assert!(
        told.contains("ledger.jsonl:2: not an event: missing field `event`"),
        "{told}"
    );
    assert_eq!(fs::read_to_string(path).unwrap(), page);
}

#[test]
fn a_rehearsal_is_shown_with_what_its_checks_mean() {
    let lifeboat = Lifeboat::new();
    let (path, page) = report(&lifeboat, &rehearsal(&lifeboat));
    assert!(path.ends_with("rehearsed/report.html"));
    expect_all(
        &page,
        &[
            "class=\"badge broken\"",
            "&lt;nightly&gt;",
            "<b>equal</b> of B",
            "what came back is not what was saved",
            "Recovery point by stream",
            "12.5 s",
            "Left out: LEFT",
            "lifeboat drill live --rehearse-on 2.14.6 --runtime container --sample 3 --seed 11",
            "&lt;b&gt;a remark&lt;/b&gt;",
        ],
    );
}

#[test]
fn a_matrix_is_shown_with_every_drill_on_every_version() {
    let lifeboat = Lifeboat::new();
    let record = track_record(&lifeboat);
    let (path, page) = report(&lifeboat, &record);
    assert_eq!(path, record.with_extension("html"));
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let table: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    let rows = table["rows"].as_array().unwrap();
    assert!(rows.len() > 100);
    for row in rows {
        let name = row["scenario"].as_str().unwrap();
        assert!(page.contains(&format!("id=\"drill-{name}\"")), "{name}");
    }
    let cells = rows
        .iter()
        .flat_map(|row| row["cells"].as_object().unwrap());
    assert_eq!(page.matches("data-state=").count(), cells.count());
    expect_all(
        &page,
        &[
            "known, in some runs",
            "From one version to the next",
            "recovery times: ",
        ],
    );

    // A matrix's directory, and somewhere else to write to.
    let directory = lifeboat.home.path().join("matrix");
    fs::create_dir(&directory).unwrap();
    fs::rename(&record, directory.join("matrix.json")).unwrap();
    let (path, again) = report(&lifeboat, &directory);
    assert_eq!(path, directory.join("report.html"));
    assert_eq!(
        again.len(),
        page.len() + "matrix".len() - "record.json".len()
    );
    let called = lifeboat.call(&["report", "matrix", "--output", "page.html"]);
    assert_eq!(called.expect_code(0).stdout, "page.html\n");
    assert!(lifeboat.home.path().join("page.html").exists());
}

#[test]
fn what_is_no_evidence_is_named() {
    let lifeboat = Lifeboat::new();
    let home = lifeboat.home.path();
    let told = refused(&lifeboat, &home.join("nowhere"));
    assert!(
        told.contains("can't read ") && told.contains("nowhere"),
        "{told}"
    );
    let told = refused(&lifeboat, home);
    assert!(
        told.contains("neither a drill's run (ledger.jsonl)"),
        "{told}"
    );
    fs::create_dir_all(home.join("runs/1")).unwrap();
    lifeboat.scenario("runs/1/ledger.jsonl", "");
    let told = refused(&lifeboat, &home.join("runs"));
    assert!(
        told.contains("the last is ") && told.contains("runs/1"),
        "{told}"
    );
    // An empty ledger is one of a run that was killed at once.
    let (_, page) = report(&lifeboat, &home.join("runs/1"));
    expect_all(&page, &["no verdict", "scenario.toml"]);
    lifeboat.scenario("runs/1/verdict.json", "{\"scenario\": 7}");
    let told = refused(&lifeboat, &home.join("runs/1"));
    assert!(
        told.contains("verdict.json: this is no verdict of a run"),
        "{told}"
    );
    assert!(told.contains("line 1 column 14"), "{told}");
    lifeboat.scenario("runs/rehearsal.json", "{\"format\": 1}");
    let told = refused(&lifeboat, &home.join("runs"));
    assert!(told.contains("missing field `backup`"), "{told}");
    let record = track_record(&lifeboat);
    let arguments = [
        "report",
        record.to_str().unwrap(),
        "--output",
        "no/such/page.html",
    ];
    let told = lifeboat.call(&arguments).expect_code(2).stderr;
    assert!(told.contains("can't write no/such/page.html"), "{told}");
}
