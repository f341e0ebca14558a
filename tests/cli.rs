//! The command line without servers: help, lists, errors, exit codes.

use crate::support::{Called, Lifeboat};

const SCENARIO: &str = include_str!("../scenarios/core/r3-follower-replaced.toml");

#[test]
fn help_teaches_every_command() {
    let lifeboat = Lifeboat::new();
    for arguments in [
        &["--help"][..],
        &["drill", "--help"],
        &["drill", "run", "--help"],
        &["drill", "matrix", "--help"],
        &["drill", "merge", "--help"],
        &["servers", "--help"],
        &["backup", "stream", "--help"],
        &["restore", "stream", "--help"],
        &["audit", "--help"],
        &["report", "--help"],
    ] {
        let called = lifeboat.call(arguments).expect_code(0);
        assert!(called.stdout.contains("Usage: lifeboat"), "{arguments:?}");
    }
    let run = lifeboat.call(&["drill", "run", "--help"]).expect_code(0);
    assert!(
        run.stdout
            .contains("11  a drill or a rehearsal could not tell"),
        "{}",
        run.stdout
    );
}

#[test]
fn drill_list_is_an_array_with_name_promise_and_about() {
    let list = Lifeboat::new()
        .call(&["drill", "list", "--json"])
        .expect_code(0);
    let list = list.json();
    let drills = list.as_array().unwrap();
    let core = drills.iter().filter(|drill| drill["core"] == true);
    assert_eq!(core.count(), 7);
    let rescued = drills
        .iter()
        .find(|drill| drill["name"] == "r3-meta-quorum-lost-rescued");
    assert_eq!(rescued.unwrap()["servers"], ">=2.15");
    for drill in drills {
        for key in ["name", "promise", "about"] {
            assert!(
                drill[key].as_str().is_some_and(|text| !text.is_empty()),
                "{drill}"
            );
        }
    }
}

#[test]
fn drill_list_shows_those_that_are_asked_for() {
    let lifeboat = Lifeboat::new();
    let lines = |arguments: &[&str]| -> Vec<String> {
        let called = lifeboat.call(&[&["drill", "list"], arguments].concat());
        let stdout = called.expect_code(0).stdout;
        stdout.lines().map(str::to_owned).collect()
    };
    let all = lines(&[]);
    assert!(
        all[0].starts_with("drill ") && all[0].contains("promise"),
        "{}",
        all[0]
    );
    let core = lines(&["core"]);
    assert_eq!(core.len(), 8, "{core:?}");
    let some = lines(&["nats-*", "r1-without-backup", "nats-2792-rolling-wipe"]);
    assert!(some.len() > 5 && some.len() < all.len(), "{some:?}");
    let names = some
        .iter()
        .filter(|line| line.starts_with("nats-2792-rolling-wipe"));
    assert_eq!(names.count(), 1, "{some:?}");
    let called = lifeboat.call(&["drill", "list", "nots-*"]).expect_code(2);
    assert!(called.stderr.contains("drill list"), "{}", called.stderr);
}

#[test]
fn drill_check_reads_and_starts_nothing() {
    let lifeboat = Lifeboat::new();
    let good = lifeboat.scenario("good.toml", SCENARIO);
    let called = lifeboat.call(&["drill", "check", &good]).expect_code(0);
    assert!(
        called
            .stdout
            .contains("2. kill a follower of ORDERS and wipe its disk")
    );

    let bad = lifeboat.scenario("bad.toml", &SCENARIO.replace("peer_remove", "peer_remov"));
    let called = lifeboat.call(&["drill", "check", &bad]).expect_code(2);
    assert!(
        called
            .stderr
            .contains("bad.toml:21:1: unknown variant `peer_remov`"),
        "{}",
        called.stderr
    );
    assert!(
        called.stderr.contains("did you mean `peer_remove`?"),
        "{}",
        called.stderr
    );
    assert_eq!(lifeboat.leftovers(), [""; 0]);
}

#[test]
fn a_drill_about_other_servers_is_skipped_and_said_so() {
    let lifeboat = Lifeboat::new();
    let text = SCENARIO.replace("[cluster]", "servers = \"<1.0\"\n\n[cluster]");
    let old = lifeboat.scenario("old.toml", &text);
    let called = lifeboat.call(&["drill", "run", &old, "--json"]);
    // What did not run tells nothing.
    let called = called.expect_code(11);
    assert_eq!(called.json()["runs"], serde_json::json!([]));
    let said = "r3-follower-replaced: skipped, it is about nats-server <1.0";
    assert!(called.stderr.contains(said), "{}", called.stderr);
    let check = lifeboat.call(&["drill", "check", &old]);
    let _check = check.expect_code(0);
}

#[test]
fn every_bad_file_is_told_of() {
    let lifeboat = Lifeboat::new();
    let one = lifeboat.scenario("one.toml", "nonsense");
    let two = lifeboat.scenario("two.toml", &SCENARIO.replace("M2", ""));
    let called = lifeboat
        .call(&["drill", "check", &one, &two, "no-such"])
        .expect_code(2);
    for name in [
        "one.toml:1:",
        "two.toml:2:11: a promise is missing",
        "no-such: neither",
    ] {
        assert!(called.stderr.contains(name), "{name}: {}", called.stderr);
    }
}

#[test]
fn a_scenario_that_is_wrong_stops_the_run_before_it_starts() {
    let lifeboat = Lifeboat::new();
    let called = lifeboat
        .call(&["drill", "run", "r3-no-spare", "r3-no-spar"])
        .expect_code(2);
    assert!(
        called.stderr.contains("did you mean `r3-no-spare`?"),
        "{}",
        called.stderr
    );
    assert!(!lifeboat.home.path().join("lifeboat-runs").exists());
}

#[test]
fn usage_errors_exit_with_two() {
    let lifeboat = Lifeboat::new();
    for arguments in [
        &["drill"][..],
        &["drill", "run", "--jobs", "0"],
        &["drill", "run", "--server-version", "latest"],
        &["drill", "check"],
        &["servers", "fetch", "newest"],
        &["restore", "stream", "x", "--replicas", "9"],
    ] {
        let _called = lifeboat.call(arguments).expect_code(2);
    }
}

#[test]
fn offline_without_a_cached_server_says_how_to_supply_one() {
    let lifeboat = Lifeboat::new();
    let mut command = lifeboat.command(&["drill", "run", "--offline"]);
    let output = command
        .env("LIFEBOAT_CACHE", lifeboat.home.path())
        .env_remove("LIFEBOAT_SERVER")
        .env("PATH", "/nonexistent")
        .output();
    let called = crate::support::Called::from(output.unwrap()).expect_code(14);
    assert!(called.stderr.contains("--server PATH"), "{}", called.stderr);
}

#[test]
fn a_version_that_is_none_is_told_before_any_is_fetched() {
    let lifeboat = Lifeboat::new();
    let mut command = lifeboat.command(&["servers", "fetch", "2.15.1", "2.99"]);
    let empty = lifeboat.home.path().join("cache");
    let command = command.env("LIFEBOAT_CACHE", &empty);
    let called =
        crate::support::Called::from(command.env("LIFEBOAT_OFFLINE", "1").output().unwrap());
    let called = called.expect_code(2);
    assert_eq!(called.stdout, "");
    assert!(
        called.stderr.contains("`2.99` is not a server version"),
        "{}",
        called.stderr
    );
}

#[test]
fn servers_list_shows_the_default_and_what_is_cached() {
    let list = Lifeboat::new()
        .call(&["servers", "list", "--json"])
        .expect_code(0);
    let list = list.json();
    let default = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|server| server["default"] == true);
    let versions: Vec<_> = default
        .map(|server| server["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, [lifeboat_harness::DEFAULT_VERSION.to_string()]);
}

#[test]
fn no_server_to_connect_to_is_not_ready() {
    let lifeboat = Lifeboat::new();
    let nowhere = [
        "backup",
        "stream",
        "S",
        "there",
        "--server",
        "nats://127.0.0.1:1",
    ];
    let called = lifeboat.call(&nowhere).expect_code(14);
    assert!(
        called.stderr.contains("nats://127.0.0.1:1"),
        "{}",
        called.stderr
    );
    assert!(!lifeboat.home.path().join("there").exists());
}

#[test]
fn without_a_container_engine_the_program_says_what_it_tried() {
    let lifeboat = Lifeboat::new();
    let arguments = ["drill", "run", "--runtime", "container", "--offline"];
    let mut command = lifeboat.command(&arguments);
    let output = command.env("DOCKER_HOST", "tcp://127.0.0.1:1").output();
    let called = Called::from(output.unwrap()).expect_code(14);
    assert!(
        called
            .stderr
            .contains("no container engine answers (tried: DOCKER_HOST=tcp://127.0.0.1:1)"),
        "{}",
        called.stderr
    );
    assert_eq!(called.stdout, "");
}

#[test]
fn an_image_needs_containers() {
    let lifeboat = Lifeboat::new();
    let arguments = ["drill", "run", "--image", "nats:2.12-alpine"];
    let mut command = lifeboat.command(&arguments);
    let output = command.env_remove("LIFEBOAT_RUNTIME").output();
    let called = Called::from(output.unwrap()).expect_code(2);
    assert!(
        called.stderr.contains("--runtime container"),
        "{}",
        called.stderr
    );
}
