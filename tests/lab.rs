//! Labs, as a person with a terminal and a script use them.

use std::process::Stdio;
use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Called, Lifeboat, entries, started_until};

/// What the program promises.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How long a status may take to show what is so.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// A lab of its own, ended with the test.
struct Lab {
    lifeboat: Lifeboat,
    up: Value,
}

impl Lab {
    fn up(arguments: &[&str]) -> Self {
        let lifeboat = Lifeboat::new();
        let all = [&["lab", "up", "--json"], arguments].concat();
        let up = lifeboat.call(&all).expect_code(0).json();
        Self { lifeboat, up }
    }

    fn call(&self, arguments: &[&str]) -> Called {
        self.lifeboat.call(&[&["lab"], arguments].concat())
    }

    fn status(&self) -> Value {
        self.call(&["status", "--json"]).expect_code(0).json()
    }

    fn process(&self) -> Pid {
        let process = self.up["process"].as_i64().unwrap();
        Pid::from_raw(i32::try_from(process).unwrap()).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ended = self.call(&["down", "--discard"]);
    }
}

/// The directories of labs that are left.
fn places(lifeboat: &Lifeboat) -> Vec<String> {
    let user = rustix::process::getuid().as_raw();
    entries(
        &lifeboat
            .scratch
            .path()
            .join(format!("lifeboat-labs-{user}")),
    )
}

async fn gone(lifeboat: &Lifeboat) {
    until(GONE_WITHIN, || async {
        let mut left = lifeboat.leftovers();
        left.retain(|name| !name.starts_with("lifeboat-labs-"));
        if left.is_empty() {
            Probe::Ready(())
        } else {
            Probe::Pending(format!("{left:?}"))
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_failure_made_by_hand_is_exported_and_comes_again() {
    let lab = Lab::up(&["--nodes", "4", "--stream", "ORDERS:1", "--rate", "200"]);
    let _published = lab.call(&["publish", "ORDERS", "300"]).expect_code(0);
    let killed = lab
        .call(&["kill", "leader of ORDERS", "--wipe"])
        .expect_code(0);
    assert!(
        killed.stderr.contains("the leader of ORDERS is n"),
        "{}",
        killed.stderr
    );
    let status = lab.status();
    let stopped = status["seen"]["nodes"].as_array().unwrap().iter();
    let stopped: Vec<_> = stopped.filter(|seen| seen["state"] == "stopped").collect();
    let victim = stopped[0]["node"].as_str().unwrap();
    // Without its disk, the only replica comes back empty.
    let _started = lab.call(&["start", victim]).expect_code(0);
    let shown = until(SHOWN_WITHIN, || async {
        let status = lab.status();
        match status["streams"][0]["missing"].as_u64() {
            // Of 300 and more: what came since the look before is not counted.
            Some(missing) if missing >= 150 => Probe::Ready(()),
            _ => Probe::Pending(status["streams"].to_string()),
        }
    });
    shown.await.unwrap();
    let text = lab.call(&["status"]).expect_code(0).stdout;
    assert!(
        text.contains("at least") && text.contains("of ORDERS"),
        "{text}"
    );

    let path = lab.lifeboat.home.path().join("failure.toml");
    let path = path.to_str().unwrap();
    let _written = lab.call(&["history", "--write", path]).expect_code(0);
    let again = lab.call(&["history", "--write", path]).expect_code(15);
    assert!(again.stderr.contains("can't write"), "{}", again.stderr);
    let history = std::fs::read_to_string(path).unwrap();
    let named = format!("as = \"was-{victim}\"");
    assert!(history.contains("node = \"leader of ORDERS\""), "{history}");
    assert!(history.contains(&named), "{history}");
    let killed = format!("kill = {{ node = \"was-{victim}\", wipe = true }}");
    assert!(history.contains(&killed), "{history}");

    let down = lab.call(&["down", "--json"]).expect_code(10).json();
    let (run, figures) = (&down["runs"][0], &down["runs"][0]["lost"]);
    assert_eq!(run["verdict"], "broken");
    assert!(figures.as_u64().unwrap() >= 300, "{run}");
    assert_eq!(places(&lab.lifeboat), [""; 0]);
    gone(&lab.lifeboat).await;

    let replayed = ["drill", "run", path, "--json", "--no-progress"];
    let replayed = lab.lifeboat.call(&replayed).expect_code(10).json();
    let run = &replayed["runs"][0];
    assert_eq!(run["verdict"], "broken");
    assert!(run["lost"].as_u64().unwrap() >= 300, "{run}");
}

#[tokio::test]
async fn what_makes_no_sense_is_told_and_is_no_part_of_the_verdict() {
    let lab = Lab::up(&["--stream", "ORDERS", "--name", "other"]);
    let other = |arguments: &[&str]| lab.call(&[arguments, &["--name", "other"]].concat());
    let missing = lab.call(&["status"]).expect_code(2);
    assert!(
        missing
            .stderr
            .contains("there is no lab `lab`, but there is other"),
        "{}",
        missing.stderr
    );
    let taken = other(&["up"]).expect_code(15);
    assert!(taken.stderr.contains("runs already"), "{}", taken.stderr);
    let unknown = other(&["kill", "n9"]).expect_code(2);
    assert!(
        unknown.stderr.contains("`n9` is no node"),
        "{}",
        unknown.stderr
    );
    let _killed = other(&["kill", "n2"]).expect_code(0);
    let twice = other(&["kill", "n2"]).expect_code(15);
    assert!(twice.stderr.contains("not carried out"), "{}", twice.stderr);
    let late = other(&["wait", "ORDERS", "--replicas", "3", "--within", "1s"]).expect_code(10);
    assert!(late.stderr.contains("broken: "), "{}", late.stderr);
    let _wiped = other(&["wipe", "n2"]).expect_code(0);
    let _started = other(&["start", "n2"]).expect_code(0);
    let _whole = other(&["wait", "ORDERS"]).expect_code(0);
    let _cut = other(&["cut", "n1", "--clients"]).expect_code(0);
    let _delayed = other(&["delay", "n1", "n3", "--by", "5ms"]).expect_code(0);
    let _healed = other(&["heal"]).expect_code(0);
    let _any = other(&["step", "step_down = { stream = \"ORDERS\" }"]).expect_code(0);
    let steps = other(&["status", "--json"]).expect_code(0).json();
    assert_eq!(steps["steps"].as_array().unwrap().len(), 10, "{steps}");
    let history = other(&["history"]).expect_code(0).stdout;
    assert!(history.contains("# Not carried out: kill"), "{history}");
    assert!(history.contains("wipe = {"), "{history}");
    let down = other(&["down", "--json"]).expect_code(10).json();
    let findings = &down["runs"][0]["findings"];
    assert_eq!(findings.as_array().unwrap().len(), 1, "{findings}");
    assert_eq!(findings[0]["kind"], "step-failed");
}

/// Every verb, by real names and by roles; and all of it again, where other nodes lead.
#[tokio::test]
async fn what_was_done_by_names_is_done_again_by_roles() {
    let lab = Lab::up(&["--nodes", "4", "--stream", "ORDERS"]);
    let seen = lab.status()["seen"].clone();
    let replicas = seen["streams"][0]["replicas"].as_array().unwrap().clone();
    let named = |leads: bool| {
        let mut found = replicas.iter();
        let found = found.find(|one| (one["leads"] == true) == leads).unwrap();
        found["node"].as_str().unwrap().to_owned()
    };
    let (leader, follower) = (named(true), named(false));
    let _cut = lab
        .call(&["cut", "leader of ORDERS", "--clients"])
        .expect_code(0);
    let elect = format!("elect = {{ stream = \"ORDERS\", not = \"{leader}\", within = \"30s\" }}");
    let _elected = lab.call(&["step", &elect]).expect_code(0);
    let _healed = lab.call(&["heal", &leader]).expect_code(0);
    let _whole = lab.call(&["wait", "ORDERS"]).expect_code(0);
    for verb in ["pause", "resume", "stop"] {
        let _done = lab.call(&[verb, &follower]).expect_code(0);
    }
    let corrupted = [
        "corrupt", &follower, "--stream", "ORDERS", "--what", "index", "--how", "remove",
    ];
    let _corrupted = lab.call(&corrupted).expect_code(0);
    let _started = lab.call(&["start", &follower]).expect_code(0);
    let _whole = lab.call(&["wait", "ORDERS"]).expect_code(0);
    let _killed = lab.call(&["kill", &follower, "--wipe"]).expect_code(0);
    let _removed = lab.call(&["remove", &follower]).expect_code(0);
    let _added = lab.call(&["add"]).expect_code(0);
    assert_eq!(lab.status()["urls"].as_array().unwrap().len(), 5);
    let _whole = lab
        .call(&["wait", "ORDERS", "--replicas", "3"])
        .expect_code(0);
    let listed = lab.call(&["list"]).expect_code(0).stdout;
    assert!(listed.contains("lab  5 nodes"), "{listed}");

    let path = lab.lifeboat.home.path().join("again.toml");
    let path = path.to_str().unwrap();
    let _written = lab.call(&["history", "--write", path]).expect_code(0);
    let history = std::fs::read_to_string(path).unwrap();
    let steps: Vec<_> = history
        .lines()
        .filter(|line| line.contains("node = "))
        .collect();
    for node in ["n1", "n2", "n3", "n4"] {
        let outright = format!("\"{node}\"");
        assert!(
            !steps.iter().any(|step| step.contains(&outright)),
            "{history}"
        );
    }
    let down = lab.call(&["down", "--json"]).expect_code(0).json();
    assert_eq!(down["runs"][0]["verdict"], "held", "{down}");
    let replayed = ["drill", "run", path, "--json", "--no-progress"];
    let replayed = lab.lifeboat.call(&replayed).expect_code(0).json();
    assert_eq!(replayed["runs"][0]["verdict"], "held", "{replayed}");
}

#[tokio::test]
async fn a_drill_that_was_begun_and_not_ended_tells_nothing() {
    let lab = Lab::up(&["--scenario", "r3-not-removed"]);
    let _done = lab.call(&["next"]).expect_code(0);
    let down = lab.call(&["down", "--json"]).expect_code(11).json();
    let findings = down["runs"][0]["findings"].to_string();
    assert!(findings.contains("were not carried out"), "{findings}");
}

#[tokio::test]
async fn a_step_under_way_is_waited_for_and_a_lab_nobody_can_reach_ends() {
    let lab = Lab::up(&["--stream", "ORDERS"]);
    let mut running = lab
        .lifeboat
        .command(&["lab", "step", "run = \"3s\""])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let shown = until(SHOWN_WITHIN, || async {
        match lab.status()["steps"].as_array().unwrap().len() {
            1 => Probe::Ready(()),
            count => Probe::Pending(format!("{count} steps")),
        }
    });
    shown.await.unwrap();
    let refused = lab.call(&["kill", "n1"]).expect_code(15);
    assert!(
        refused.stderr.contains("another step is under way"),
        "{}",
        refused.stderr
    );
    let down = lab.call(&["down"]).expect_code(0);
    assert!(
        down.stderr.contains("waiting for the step"),
        "{}",
        down.stderr
    );
    assert!(running.wait().unwrap().success());

    let _again = lab.call(&["up"]).expect_code(0);
    let user = rustix::process::getuid().as_raw();
    let place = lab
        .lifeboat
        .scratch
        .path()
        .join(format!("lifeboat-labs-{user}"));
    std::fs::remove_dir_all(place).unwrap();
    gone(&lab.lifeboat).await;
}

#[tokio::test]
async fn a_drill_is_stepped_through() {
    let lab = Lab::up(&["--scenario", "r3-leader-replaced", "--seed", "7"]);
    let planned = lab.up["planned"].as_array().unwrap().len();
    for left in (0..planned).rev() {
        let _done = lab.call(&["next"]).expect_code(0);
        assert_eq!(lab.status()["planned"].as_array().unwrap().len(), left);
    }
    let over = lab.call(&["next"]).expect_code(2);
    assert!(
        over.stderr.contains("no step of a scenario is left"),
        "{}",
        over.stderr
    );
    let down = lab.call(&["down"]).expect_code(0);
    assert!(down.stdout.contains("held"), "{}", down.stdout);
}

#[tokio::test]
async fn the_context_of_a_lab_is_one() {
    let lab = Lab::up(&["--nodes", "1", "--stream", "ORDERS"]);
    let home = lab.up["nats_config_home"].as_str().unwrap();
    // Selected, as the `nats` CLI finds it too.
    let saved = lab
        .lifeboat
        .command(&["config", "save", "saved", "--no-progress"])
        .env("XDG_CONFIG_HOME", home)
        .output()
        .unwrap();
    let _saved = Called::from(saved).expect_code(0);
    assert!(lab.lifeboat.home.path().join("saved").exists());
}

#[tokio::test]
async fn a_killed_lab_leaves_nothing_and_its_name_is_free() {
    let lab = Lab::up(&["--stream", "ORDERS"]);
    kill_process(lab.process(), Signal::KILL).unwrap();
    gone(&lab.lifeboat).await;
    let lost = lab.call(&["status"]).expect_code(2);
    assert!(
        lost.stderr.contains("there is no lab `lab`"),
        "{}",
        lost.stderr
    );
    let again = lab.call(&["up", "--json"]).expect_code(0).json();
    let process = i32::try_from(again["process"].as_i64().unwrap()).unwrap();
    // As at the end of a session, politely.
    kill_process(Pid::from_raw(process).unwrap(), Signal::TERM).unwrap();
    gone(&lab.lifeboat).await;
    let ended = until(GONE_WITHIN, || async {
        match places(&lab.lifeboat).as_slice() {
            [] => Probe::Ready(()),
            left => Probe::Pending(format!("{left:?}")),
        }
    });
    ended.await.unwrap();
}

#[tokio::test]
async fn ctrl_c_while_a_lab_starts_leaves_no_lab() {
    let lifeboat = Lifeboat::new();
    let mut command = lifeboat.command(&["lab", "up", "--nodes", "5"]);
    let mut child = started_until(&mut command, "starting 5 nodes");
    let process = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(process, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    gone(&lifeboat).await;
    assert_eq!(places(&lifeboat), [""; 0]);
}
