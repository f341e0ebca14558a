//! `lab up`: starts the process behind a lab, and tells what it says until it is ready.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::drilling::find_server;
use super::lab::heard;
use super::{Failure, Outcome, interruption};
use crate::backup::BackupError;
use crate::cli::LabUp;
use crate::exit::Exit;
use crate::lab::{Answer, LabPlace, LabStatus};
use crate::report::{lab_welcome, summary};
use crate::scenario::{Catalog, Diagnostic, GrowingScenario};
use crate::ui;

/// The nodes when nothing is said.
const NODES: u8 = 3;
/// The load when nothing is said.
const RATE: u32 = 100;
/// The replicas of a stream when nothing is said, if there are as many nodes.
const REPLICAS: u8 = 3;
/// How long a lab that is given up may take to remove what it has started.
const GONE_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn run(options: LabUp) -> Outcome {
    let stop = interruption();
    // What is wrong with what was typed is told before anything starts.
    let place = LabPlace::of(&options.serve.lab.name)?;
    let (path, text) = scenario(&options)?;
    let checked = GrowingScenario::begin(&path, &text);
    checked.map_err(|fault| Diagnostic {
        // Nobody wrote a line of what was made here.
        position: fault.position.filter(|_| options.scenario.is_some()),
        ..fault
    })?;
    let stop = stop.shared();
    let (server, runtime) = tokio::select! {
        found = find_server(&options.serve.server, &options.serve.place) => found?,
        () = stop.clone() => return Err(Failure::from(BackupError::Interrupted)),
    };
    ui::say(&format!("{server} ({runtime}): {}", server.path.display()));
    // Nobody hears what the process says when this one is gone.
    let log = place.make_log()?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["lab", "serve"])
        .args(arguments(&options))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(false)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // When it can't listen, it says why.
        let _written = input.write_all(text.as_bytes()).await;
    }
    let outcome = tokio::select! {
        outcome = hear(&mut child, &place) => outcome,
        () = stop => Err(Failure::from(BackupError::Interrupted)),
    };
    match outcome {
        Ok(status) => {
            let text = if options.json {
                serde_json::to_string_pretty(&status)?
            } else {
                lab_welcome(&status)
            };
            ui::print(&text)?;
            Ok(Exit::Done)
        }
        Err(failure) => {
            end(&mut child).await;
            Err(failure)
        }
    }
}

/// The scenario that the lab begins with.
fn scenario(options: &LabUp) -> Result<(std::path::PathBuf, String), Failure> {
    if let Some(name) = &options.scenario {
        return Ok(Catalog::built_in()?.find_text(name)?);
    }
    let nodes = options.nodes.unwrap_or(NODES);
    let name = &options.serve.lab.name;
    let mut text = format!(
        "name = \"lab-{name}\"\npromise = \"lab\"\nabout = \"What was done by hand in a lab.\"\n\n\
         [cluster]\nnodes = {nodes}\n\n"
    );
    for stream in &options.stream {
        let (name, replicas) = match stream.split_once(':') {
            Some((name, replicas)) => (name, replicas.to_owned()),
            None => (stream.as_str(), REPLICAS.min(nodes).to_string()),
        };
        if !matches!(replicas.parse::<u8>(), Ok(1..=5)) {
            let text = format!("--stream {stream}: `{replicas}` is no number of replicas, 1 to 5");
            return Err(Failure::new(Exit::Usage, text));
        }
        let subject = format!("{name}.>");
        let [name, subject] = [name, &subject].map(|text| toml::Value::from(text).to_string());
        write!(
            text,
            "[[stream]]\nname = {name}\nsubjects = [{subject}]\nreplicas = {replicas}\n\
             consumers = [\"reader\"]\n\n"
        )
        .map_err(|error| Failure::new(Exit::Unexpected, error))?;
    }
    let rate = options.rate.unwrap_or(RATE);
    write!(
        text,
        "[load]\nrate = {rate}\n\n[expect]\nlost = \"nothing\"\nmin_acknowledged = 1\n"
    )
    .map_err(|error| Failure::new(Exit::Unexpected, error))?;
    Ok((Path::new("lab up").to_owned(), text))
}

/// What the process is told as it was told to us.
fn arguments(options: &LabUp) -> Vec<std::ffi::OsString> {
    let serve = &options.serve;
    let mut arguments = Vec::new();
    let mut add = |name: &str, value: &std::ffi::OsStr| {
        arguments.push(name.into());
        arguments.push(value.to_owned());
    };
    add("--name", serve.lab.name.as_ref());
    add("--evidence", serve.evidence.as_os_str());
    add("--runtime", serve.place.runtime.as_ref());
    if let Some(image) = &serve.place.image {
        add("--image", image.as_ref());
    }
    if let Some(path) = &serve.server.server {
        add("--server", path.as_os_str());
    }
    if let Some(version) = &serve.server.server_version {
        add("--server-version", version.as_ref());
    }
    if let Some(seed) = serve.seed {
        add("--seed", seed.to_string().as_ref());
    }
    if serve.server.offline {
        arguments.push("--offline".into());
    }
    arguments
}

/// Hears what a lab says until it is ready.
async fn hear(child: &mut Child, place: &LabPlace) -> Result<LabStatus, Failure> {
    let Some(output) = child.stdout.take() else {
        return Err(Failure::new(Exit::Unexpected, "the lab can't be heard"));
    };
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let answer: Answer = serde_json::from_str(&line)?;
        if let Answer::Status { status } = answer {
            return Ok(*status);
        }
        if let Answer::Judged { run } = answer {
            let text = format!("the lab did not start\n{}", summary(&[*run]));
            return Err(Failure::new(Exit::NotReady, text));
        }
        ui::say(&heard(answer)?);
    }
    let log = std::fs::read_to_string(place.log()).unwrap_or_default();
    let text = format!("the lab ended before it was ready: {}", log.trim());
    Err(Failure::new(Exit::Unexpected, text))
}

/// Ends a lab that is given up; it removes what it has started.
async fn end(child: &mut Child) {
    let own = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(own) = own.and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _asked = kill_process(own, Signal::TERM);
        let _gone = timeout(GONE_WITHIN, child.wait()).await;
    }
}
