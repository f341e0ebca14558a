//! A lab as people read it.

use std::time::Duration;

use super::cluster::{Row, cluster_rows, load_rows};
use crate::lab::{LabStatus, StepStatus, StreamStatus};
use crate::ledger::StepEnd;

/// So many of the latest steps are shown.
const LATEST_STEPS: usize = 6;
/// How wide what a line is about is, at least.
const LABEL_WIDTH: usize = 8;

/// How a lab is.
pub fn lab_text(status: &LabStatus) -> String {
    let mut lines = vec![format!(
        "lab `{}` · nats-server {} · {} · up for {}",
        status.name,
        status.server,
        status.runtime,
        humantime::format_duration(Duration::from_secs(whole(status.up_seconds)))
    )];
    let mut rows = cluster_rows(&status.seen);
    if !status.streams.is_empty() {
        rows.extend(load_rows(&status.load));
        let missing: Vec<_> = status.streams.iter().map(missing).collect();
        rows.push(Row::new("missing", missing.join(", ")));
    }
    if let Some(fault) = &status.fault {
        let ago = fault.seconds_ago;
        let text = format!("{} of {}, {ago:.1} s ago", fault.what, fault.node);
        rows.push(Row::new("fault", text));
    }
    let width = Row::label_width(&rows, LABEL_WIDTH);
    lines.extend(rows.iter().map(|row| format!("  {}", row.line(width))));
    let earlier = status.steps.len().saturating_sub(LATEST_STEPS);
    if earlier > 0 {
        lines.push(format!("  … {earlier} earlier steps"));
    }
    lines.extend(status.steps.iter().skip(earlier).map(step));
    if let Some(next) = status.planned.first() {
        lines.push(format!("  next: {}", one_line(next)));
    }
    lines.join("\n")
}

/// What a lab that was just started has to say.
pub fn lab_welcome(status: &LabStatus) -> String {
    let name = if status.name == "lab" {
        String::new()
    } else {
        format!(" --name {}", status.name)
    };
    let urls = status.urls.join(",");
    [
        lab_text(status),
        format!("  clients   {urls}"),
        format!("  login     {} / {}", status.user, status.password),
        format!("  system    {} / {}", status.system_user, status.system_password),
        format!(
            "  nats CLI  XDG_CONFIG_HOME={} nats stream ls",
            status.nats_config_home.display()
        ),
        format!("  evidence  {}", status.evidence.display()),
        format!(
            "Try: lifeboat lab status --watch{name}, lifeboat lab kill n1{name}, lifeboat lab down{name}"
        ),
    ]
    .join("\n")
}

fn missing(stream: &StreamStatus) -> String {
    let what = match stream.missing {
        None => String::from("not known"),
        Some(0) => String::from("none seen"),
        Some(count) => format!("at least {count}"),
    };
    format!("{what} of {}", stream.stream)
}

fn step(step: &StepStatus) -> String {
    let (mark, more) = match &step.end {
        None => ("…", String::new()),
        Some(StepEnd::Done) => ("✓", String::new()),
        Some(StepEnd::Broken { reason }) => ("✗", format!(": {reason}")),
        Some(StepEnd::Impossible { reason } | StepEnd::Withdrawn { reason }) => {
            ("?", format!(": {reason}"))
        }
    };
    format!("  {mark} {}{more}", one_line(&step.text))
}

/// A step's text without its line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Seconds without their fraction.
fn whole(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds).map_or(0, |time| time.as_secs())
}
