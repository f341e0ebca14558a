//! `drill list`: the drills that come with the program.

use serde_json::{Value, json};

use super::Outcome;
use super::drilling::choose;
use crate::exit::Exit;
use crate::report::drills_text;
use crate::scenario::Source;
use crate::ui;

pub(super) fn run(names: &[String], as_json: bool) -> Outcome {
    let sources = choose(names, |_| true)?;
    let text = if as_json {
        let all: Vec<Value> = sources.iter().map(entry).collect();
        serde_json::to_string_pretty(&all)?
    } else {
        drills_text(&sources)
    };
    ui::print(&text)?;
    Ok(Exit::Done)
}

fn entry(source: &Source) -> Value {
    let scenario = &source.scenario;
    json!({
        "name": scenario.name,
        "promise": scenario.promise,
        "group": source.group(),
        "about": scenario.about,
        "core": source.is_core(),
        "servers": scenario.servers.as_ref().map(ToString::to_string),
        "nodes": scenario.cluster.nodes,
        "steps": scenario.steps.len(),
        "digest": source.drill_digest(),
    })
}
