//! `drill list`: the drills that come with the program.

use serde_json::{Value, json};

use super::Outcome;
use crate::exit::Exit;
use crate::scenario::{Catalog, Source};
use crate::ui;

pub(super) fn run(as_json: bool) -> Outcome {
    let catalog = Catalog::built_in()?;
    let text = if as_json {
        let all: Vec<Value> = catalog.all().iter().map(entry).collect();
        serde_json::to_string_pretty(&all)?
    } else {
        let lines: Vec<_> = catalog.all().iter().map(line).collect();
        lines.join("\n")
    };
    ui::print(&text)?;
    Ok(Exit::Done)
}

fn entry(source: &Source) -> Value {
    let scenario = &source.scenario;
    json!({
        "name": scenario.name,
        "promise": scenario.promise,
        "about": scenario.about,
        "core": source.is_core(),
        "servers": scenario.servers.as_ref().map(ToString::to_string),
        "nodes": scenario.cluster.nodes,
        "steps": scenario.steps.len(),
        "digest": source.drill_digest(),
    })
}

fn line(source: &Source) -> String {
    let scenario = &source.scenario;
    let core = if source.is_core() { "core" } else { "" };
    let servers = scenario.servers.as_ref();
    let servers = servers.map(|servers| format!(" (servers {servers})"));
    format!(
        "{:<38} {:<4} {core:<4} {}{}",
        scenario.name,
        scenario.promise,
        scenario.about,
        servers.unwrap_or_default()
    )
}
