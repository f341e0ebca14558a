//! `lab status`, once or all the time, and `lab list`.

use std::time::Duration;

use lifeboat_harness::wait::pause_for;

use super::Outcome;
use super::lab::status;
use crate::cli::LabName;
use crate::exit::Exit;
use crate::lab::LabPlace;
use crate::model::count;
use crate::report::lab_text;
use crate::ui::{self, Panel};

/// How often what is watched is drawn anew, and printed where it can't be drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(500);
const PRINTED_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(lab: &LabName, watch: bool, json: bool) -> Outcome {
    let place = LabPlace::of(&lab.name)?;
    let mut panel = Panel::new();
    let mut last = None;
    loop {
        let status = match (status(&place).await, &last) {
            (Ok(status), _) => status,
            // Whoever watches it may watch it end.
            (Err(failure), Some(())) => {
                ui::say(&failure.to_string());
                return Ok(Exit::Done);
            }
            (Err(failure), None) => return Err(failure),
        };
        last = Some(());
        if json {
            let text = if watch {
                serde_json::to_string(&status)
            } else {
                serde_json::to_string_pretty(&status)
            };
            ui::print(&text?)?;
        } else if watch && ui::output_is_terminal() {
            panel.draw(&lab_text(&status));
        } else {
            ui::print(&lab_text(&status))?;
        }
        if !watch {
            return Ok(Exit::Done);
        }
        pause_for(if json || !ui::output_is_terminal() {
            PRINTED_EVERY
        } else {
            DRAWN_EVERY
        })
        .await;
    }
}

pub(super) async fn list() -> Outcome {
    let names = LabPlace::names()?;
    if names.is_empty() {
        ui::say("no lab runs; `lifeboat lab up` starts one");
    }
    for name in names {
        let line = match status(&LabPlace::of(&name)?).await {
            Ok(status) => format!(
                "{name}  {} of nats-server {}, up for {:.0} s",
                count(status.seen.nodes.len() as u64, "node"),
                status.server,
                status.up_seconds
            ),
            Err(failure) => format!("{name}  {failure}"),
        };
        ui::print(&line)?;
    }
    Ok(Exit::Done)
}
