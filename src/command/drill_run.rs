//! `drill run`: the main job.

use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::Outcome;
use super::drilling::{Runner, applies, choose, exit_of, find_server, is_runnable, name_of_run};
use super::reports::{ReportFiles, Texts};
use crate::cli::DrillRun;
use crate::judge::RunRecord;
use crate::report::{runs_as_json, runs_as_junit, runs_as_metrics, runs_markdown, summary};
use crate::scenario::Source;
use crate::ui;

pub(super) async fn run(options: DrillRun) -> Outcome {
    // Everything that can be wrong with what was typed is found before anything starts.
    let mut sources = choose(&options.scenarios, Source::is_core)?;
    let (server, runtime) = find_server(&options.server, &options.place).await?;
    ui::say(&format!("{server}: {}", server.path.display()));
    sources.retain(|source| {
        let scenario = &source.scenario;
        // What was named is tried, and says itself why it can't be; of many the others are run.
        let is_it = |typed: &String| *typed == scenario.name || Path::new(typed) == source.path;
        let is_named = options.scenarios.iter().any(is_it);
        applies(scenario, &server.version) && (is_named || is_runnable(scenario, runtime))
    });
    // A report that can't be written is told of before hours of drills, not after.
    let reports = ReportFiles::create(&options.reports)?;
    let live = ui::can_draw(options.no_progress);
    let runner = Runner::new(runtime, options.evidence, options.jobs, live)
        .with_seed(options.seed)
        .offline(options.server.offline);
    let rounds = usize::from(options.repeat);
    let all = (1..=rounds).flat_map(|round| sources.iter().map(move |source| (source, round)));
    let runs: Vec<RunRecord> = futures_util::stream::iter(all)
        .map(|(source, round)| {
            let (runner, server) = (&runner, &server);
            let name = name_of_run(&source.scenario.name, round, rounds);
            async move { runner.run(source, server, &name).await }
        })
        // The room decides how many there are at once.
        .buffered((sources.len() * rounds).max(1))
        .try_collect()
        .await?;
    let text = if options.json {
        serde_json::to_string_pretty(&runs_as_json(&runs))?
    } else {
        summary(&runs)
    };
    ui::print(&text)?;
    reports.write(|| Texts {
        junit: runs_as_junit(&runs),
        markdown: runs_markdown(&runs),
        metrics: runs_as_metrics(&runs),
    })?;
    Ok(exit_of(&runs))
}
