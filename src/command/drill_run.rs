//! `drill run`: the main job.

use std::io::Write as _;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::drilling::{Runner, applies, choose, create_report, exit_of, find_server};
use super::{Failure, Outcome};
use crate::cli::DrillRun;
use crate::exit::Exit;
use crate::judge::RunRecord;
use crate::report::{runs_as_json, runs_as_junit, summary};
use crate::scenario::Source;
use crate::ui;

pub(super) async fn run(options: DrillRun) -> Outcome {
    // Everything that can be wrong with what was typed is found before anything starts.
    let mut sources = choose(&options.scenarios, Source::is_core)?;
    let (server, runtime) = find_server(&options.server, &options.place).await?;
    ui::say(&format!("{server}: {}", server.path.display()));
    sources.retain(|source| applies(&source.scenario, &server.version));
    // A report that can't be written is told of before hours of drills, not after.
    let junit = options.junit.as_deref().map(create_report).transpose()?;
    let live = ui::can_draw(options.no_progress);
    let runner = Runner::new(runtime, options.evidence, options.jobs, live)
        .with_seed(options.seed)
        .offline(options.server.offline);
    let rounds = usize::from(options.repeat);
    let all = std::iter::repeat_n(&sources, rounds).flatten();
    let runs: Vec<RunRecord> = futures_util::stream::iter(all)
        .map(|source| runner.run(source, &server, &source.scenario.name))
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
    if let Some(mut file) = junit {
        let report = runs_as_junit(&runs).map_err(|error| Failure::new(Exit::Unexpected, error))?;
        file.write_all(report.as_bytes())?;
    }
    Ok(exit_of(&runs))
}
