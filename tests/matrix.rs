//! Matrices: drills on several versions, resumed, in parts, merged, and held against an earlier one.

use std::fs;

use serde_json::Value;

use crate::support::{Called, Lifeboat, entries, expect_valid};

/// As short as a drill can be that has a fault and a recovery.
pub(crate) fn short(name: &str) -> String {
    format!(
        r#"
name = "{name}"
promise = "M2"
about = "A follower is killed and started again."

[[stream]]
name = "ORDERS"
subjects = ["orders.>"]
replicas = 3

[[step]]
publish = {{ stream = "ORDERS", messages = 100 }}

[[step]]
kill = {{ node = "follower of ORDERS", as = "victim" }}

[[step]]
start = {{ node = "victim" }}

[[step]]
wait = {{ stream = "ORDERS", replicas = 3, within = "60s" }}

[expect]
lost = "nothing"
"#
    )
}

fn matrix(lifeboat: &Lifeboat, arguments: &[&str]) -> Called {
    let command = ["drill", "matrix", "--no-progress", "--json"];
    lifeboat.call(&[&command, arguments].concat())
}

/// The verdicts in a table, as drill, version and counts.
fn cells(table: &Value) -> Vec<(String, String, u64, u64)> {
    let mut cells = Vec::new();
    for row in table["rows"].as_array().unwrap() {
        for (version, cell) in row["cells"].as_object().unwrap() {
            cells.push((
                row["scenario"].as_str().unwrap().to_owned(),
                version.clone(),
                cell["runs"].as_u64().unwrap(),
                cell["held"].as_u64().unwrap(),
            ));
        }
    }
    cells
}

#[test]
fn a_matrix_is_run_once_resumed_in_parts_and_merged() {
    let lifeboat = Lifeboat::new();
    let (one, two) = ("one.toml", "two.toml");
    lifeboat.scenario(one, &short("one"));
    lifeboat.scenario(two, &short("two"));
    let both = [one, two, "--server", "2.12.8,2.15.1"];
    for (part, out) in [("1/2", "first"), ("2/2", "second")] {
        let file = format!("{out}.prom");
        let more = ["--partition", part, "--out", out, "--metrics", &file];
        let called = matrix(&lifeboat, &[&both[..], &more].concat()).expect_code(0);
        assert_eq!(cells(&called.json()).len(), 2, "{}", called.stdout);
        expect_valid("matrix", &called.json());
    }
    let home = lifeboat.home.path();
    assert!(home.join("first.prom").exists() && home.join("second.prom").exists());
    let merged = lifeboat
        .call(&[
            "drill",
            "merge",
            "first",
            "second",
            "--out",
            "all",
            "--json",
            "--metrics",
            "all.prom",
        ])
        .expect_code(0);
    let cell = |name: &str, version: &str| (name.to_owned(), version.to_owned(), 1, 1);
    let expected = [
        cell("one", "2.12.8"),
        cell("one", "2.15.1"),
        cell("two", "2.12.8"),
        cell("two", "2.15.1"),
    ];
    assert_eq!(cells(&merged.json()), expected);
    let written = ["junit.xml", "matrix.json", "matrix.md"];
    let mut found = entries(&home.join("all"));
    found.sort();
    assert_eq!(found, written);
    let metrics = fs::read_to_string(home.join("all.prom")).unwrap();
    let held = metrics.matches("verdict=\"held\"} 1.0").count();
    assert!(held == 4 && metrics.ends_with("# EOF\n"), "{metrics}");
    let markdown = fs::read_to_string(home.join("all/matrix.md")).unwrap();
    assert!(markdown.contains("| one   | M2      | held "), "{markdown}");

    // Nothing is run again, and half a line, which a killed program leaves, is no run.
    let results = home.join("first/results.jsonl");
    let mut text = fs::read_to_string(&results).unwrap();
    assert_eq!(text.lines().count(), 2);
    let whole = text.clone();
    text.push_str("{\"scenario\":\"one\",\"scen");
    fs::write(&results, text).unwrap();
    let part = ["--partition", "1/2", "--out", "first", "--resume"];
    let against = ["--against", "all"];
    let resumed = matrix(&lifeboat, &[&both[..], &part, &against].concat()).expect_code(0);
    assert!(
        resumed.stderr.contains("part 1/2, 2 of them done already"),
        "{}",
        resumed.stderr
    );
    assert_eq!(fs::read_to_string(&results).unwrap(), whole);
    assert_eq!(lifeboat.leftovers(), [""; 0], "something was left behind");
}

#[test]
fn a_track_record_is_given_what_it_lacks() {
    let lifeboat = Lifeboat::new();
    lifeboat.scenario("one.toml", &short("one"));
    let arguments = ["one.toml", "--server", "2.15.1", "--record", "record.json"];
    let path = lifeboat.home.path().join("record.json");
    let record = || fs::read_to_string(&path).unwrap();
    let runs = || cells(&serde_json::from_str(&record()).unwrap());
    let add = |more: &[&str]| matrix(&lifeboat, &[&arguments[..], more].concat()).expect_code(0);
    let _made = add(&["--out", "first"]);
    let cell = |runs| vec![(String::from("one"), String::from("2.15.1"), runs, runs)];
    assert_eq!(runs(), cell(1));

    let added = add(&["--out", "second", "--repeat", "2"]);
    assert!(
        added.stderr.contains("1 run of 1 drill on 1 version"),
        "{}",
        added.stderr
    );
    assert_eq!(runs(), cell(2));
    let kept = record();
    let idle = add(&["--out", "third", "--repeat", "2"]);
    assert!(idle.stderr.contains("nothing to run"), "{}", idle.stderr);
    assert_eq!(record(), kept);

    // What it does now is another drill, of which there is no run.
    let changed = short("one").replace("messages = 100", "messages = 90");
    lifeboat.scenario("one.toml", &changed);
    let _changed = add(&["--out", "fourth"]);
    assert_eq!(runs(), cell(1));
}

#[test]
fn what_is_wrong_with_a_matrix_is_told_before_anything_runs() {
    let lifeboat = Lifeboat::new();
    let wrong = [
        (&["r3-no-spar"][..], "did you mean `r3-no-spare`?"),
        (&["--server", "2.99"], "2.99"),
        (&["--partition", "4/3"], "`4/3` is no part such as 1/3"),
        (
            &["--against", "nothing.json"],
            "nothing.json: this is no matrix",
        ),
        (
            &["--record", "no/such/record.json"],
            "can't write no/such/record.json",
        ),
        (
            &["--metrics", "no/such/file.prom"],
            "can't write no/such/file.prom",
        ),
    ];
    for (arguments, expected) in wrong {
        let called = matrix(&lifeboat, arguments).expect_code(2);
        assert!(called.stderr.contains(expected), "{}", called.stderr);
    }
    fs::create_dir(lifeboat.home.path().join("torn")).unwrap();
    lifeboat.scenario("torn/results.jsonl", "{}\n");
    let called = lifeboat.call(&["drill", "merge", "torn"]).expect_code(2);
    assert!(
        called
            .stderr
            .contains("results.jsonl:1: this is no run of a matrix"),
        "{}",
        called.stderr
    );
    assert!(!lifeboat.home.path().join("lifeboat-matrix").exists());
}

#[test]
fn the_opposite_of_a_drill_is_broken() {
    let lifeboat = Lifeboat::new();
    lifeboat.scenario("sound.toml", &short("sound"));
    let arguments = ["drill", "prove", "--no-progress"];
    let called = lifeboat.call(&[&arguments[..], &["sound.toml"]].concat());
    let called = called.expect_code(0);
    assert!(
        called.stdout.contains("sound: its opposite is broken"),
        "{}",
        called.stdout
    );
    // What was there before the fault was purged: it makes no difference whether it is lost.
    let publish = "publish = { stream = \"ORDERS\", messages = 100 }";
    let idle = short("idle")
        .replace(
            publish,
            "run = \"300ms\"\n[[step]]\npurge = { stream = \"ORDERS\" }",
        )
        .replace("[expect]\n", "[expect]\nmin_acknowledged = 1\n")
        + "[load]\nrate = 1\n";
    lifeboat.scenario("idle.toml", &idle);
    // Then a replica too many is expected.
    let called = lifeboat.call(&[&arguments[..], &["idle.toml"]].concat());
    let called = called.expect_code(0);
    assert!(called.stdout.contains("expected 4"), "{}", called.stdout);
    assert_eq!(lifeboat.leftovers(), [""; 0], "something was left behind");
}

#[test]
fn the_catalogue_is_as_the_scenarios_and_the_last_matrix_are() {
    let lifeboat = Lifeboat::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let kept = fs::read_to_string(root.join("README.md")).unwrap();
    let page = lifeboat.scenario("README.md", &kept);
    let record = root.join("track-record.json");
    let arguments = ["drill", "catalogue", "--matrix", record.to_str().unwrap()];
    let _written = lifeboat
        .call(&[&arguments[..], &["--write", &page]].concat())
        .expect_code(0);
    assert!(
        fs::read_to_string(&page).unwrap() == kept,
        "write it anew: lifeboat drill catalogue --matrix scenarios/track-record.json --write scenarios/README.md"
    );
    let nowhere = lifeboat.scenario("nowhere.md", "# No catalogue here\n");
    let called = lifeboat.call(&[&arguments[..], &["--write", &nowhere]].concat());
    assert!(
        called
            .expect_code(2)
            .stderr
            .contains("it has no `<!-- catalogue -->`")
    );
}
