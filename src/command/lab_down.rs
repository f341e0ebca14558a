//! `lab down`: the end of a lab, and its verdict.

use super::Outcome;
use super::drilling::exit_of;
use super::lab::heard;
use crate::cli::LabName;
use crate::exit::Exit;
use crate::lab::{Answer, Call, LabPlace, Question};
use crate::report::{runs_as_json, summary};
use crate::ui;

pub(super) async fn run(lab: &LabName, discard: bool, json: bool) -> Outcome {
    let question = if discard {
        Question::Discard
    } else {
        Question::Down
    };
    let mut call = Call::begin(&LabPlace::of(&lab.name)?, &question).await?;
    loop {
        let answer = call.next().await?;
        if let Answer::Judged { run } = answer {
            let runs = [*run];
            let text = if json {
                serde_json::to_string_pretty(&runs_as_json(&runs))?
            } else {
                summary(&runs)
            };
            ui::print(&text)?;
            return Ok(exit_of(&runs));
        }
        if discard && matches!(answer, Answer::Ended) {
            ui::say("ended, without a verdict");
            return Ok(Exit::Done);
        }
        ui::say(&heard(answer)?);
    }
}
