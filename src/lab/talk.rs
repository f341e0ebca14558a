//! What is said between a lab and whoever talks to it: a question, a line of JSON, and then answers, a line
//! each, until the other side closes.

use serde::{Deserialize, Serialize};

use super::status::LabStatus;
use crate::judge::RunRecord;
use crate::ledger::StepEnd;

/// What is asked of a lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// To carry out a step, written as in a scenario.
    Step {
        /// The step.
        text: String,
    },
    /// How it is.
    Status,
    /// What was done, as a scenario.
    History,
    /// To end and be judged.
    Down,
    /// To end at once.
    Discard,
}

/// What it says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub enum Answer {
    /// A stage begins, such as starting the cluster.
    Stage {
        /// What.
        text: String,
    },
    /// Something that is worth a word.
    Note {
        /// What.
        text: String,
    },
    /// A step ended.
    StepEnded {
        /// How.
        end: StepEnd,
        /// How long it took.
        seconds: f64,
    },
    /// How it is. Also the last word of a lab that was just started.
    Status {
        /// How.
        status: Box<LabStatus>,
    },
    /// What was done.
    History {
        /// A scenario file.
        text: String,
        /// Why no drill can run it, if none can.
        reason: Option<String>,
    },
    /// It has ended and was judged.
    Judged {
        /// The run.
        run: Box<RunRecord>,
    },
    /// It has ended.
    Ended,
    /// It can't be done.
    Refused {
        /// Why not.
        reason: String,
        /// Whether what was asked makes no sense, as a node that is none.
        is_misuse: bool,
    },
}
