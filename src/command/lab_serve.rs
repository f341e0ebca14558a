//! `lab serve`: the process behind a lab, started by `lab up`, which hands it the scenario and hears from it
//! until it is ready.

use std::io::Read as _;
use std::path::Path;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use super::drilling::find_server;
use super::{Failure, Outcome, interruption};
use crate::backup::BackupError;
use crate::cli::LabServe;
use crate::drill::DrillSettings;
use crate::exit::Exit;
use crate::lab::{Answer, LabPlace, Served, serve};
use crate::scenario::GrowingScenario;
use crate::ui;

pub(super) async fn run(options: LabServe) -> Outcome {
    // The terminal it was started from may be closed.
    let _own = rustix::process::setsid();
    let stop = interruption();
    let (say, mut said) = mpsc::unbounded_channel();
    let telling = tokio::spawn(async move {
        while let Some(answer) = said.recv().await {
            if let Ok(line) = serde_json::to_string::<Answer>(&answer) {
                // Who started it may be gone.
                let _told = ui::print(&line);
            }
        }
    });
    let outcome = work(options, say.clone(), stop).await;
    if let Err(failure) = &outcome {
        let _told = say.send(Answer::Refused {
            reason: failure.to_string(),
            is_misuse: failure.exit == Exit::Usage,
        });
    }
    drop(say);
    let _told = telling.await;
    outcome
}

async fn work(
    options: LabServe,
    starting: mpsc::UnboundedSender<Answer>,
    stop: impl Future<Output = ()>,
) -> Outcome {
    let place = LabPlace::of(&options.lab.name)?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let (scenario, planned) = GrowingScenario::begin(Path::new("lab.toml"), &text)?;
    let stop = stop.shared();
    let (server, runtime) = tokio::select! {
        found = find_server(&options.server, &options.place) => found?,
        () = stop.clone() => return Err(Failure::from(BackupError::Interrupted)),
    };
    let settings = DrillSettings {
        server,
        runtime,
        evidence_root: options.evidence,
        seed: options.seed,
        offline: options.server.offline,
    };
    let last = starting.clone();
    let served = serve(&place, scenario, planned, &settings, starting, stop).await;
    match served? {
        Served::Judged(run) => {
            // Heard only where it never became ready.
            let _heard = last.send(Answer::Judged { run });
        }
        Served::Discarded => {
            let _heard = last.send(Answer::Ended);
        }
    }
    Ok(Exit::Done)
}
