//! `drill prove`: shows that drills can fail, by running the opposite of each.

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::drilling::{Runner, applies, choose, find_server, is_runnable};
use super::{Failure, Outcome};
use crate::cli::DrillProve;
use crate::exit::Exit;
use crate::judge::{FindingKind, RunRecord};
use crate::model::Verdict;
use crate::scenario::Source;
use crate::ui;

pub(super) async fn run(options: DrillProve) -> Outcome {
    let mut sources = choose(&options.scenarios, |_| true)?;
    let (server, runtime) = find_server(&options.server, &options.place).await?;
    ui::say(&format!("{server}: {}", server.path.display()));
    sources.retain(|source| applies(&source.scenario, &server.version));
    sources.retain(|source| is_runnable(&source.scenario, runtime));
    // Where a defect is known the opposite is broken as well, which would prove nothing.
    let (tried, known): (Vec<_>, Vec<_>) = sources.into_iter().partition(|source| {
        let expected = source.scenario.expect.verdict_for(&server.version);
        expected.verdict == Verdict::Held
    });
    let live = ui::can_draw(options.no_progress);
    let runner =
        Runner::new(runtime, options.evidence, options.jobs, live).offline(options.server.offline);
    let opposites: Vec<Source> = tried.iter().map(opposite).collect();
    let runs: Vec<RunRecord> = futures_util::stream::iter(&opposites)
        .map(|source| runner.run(source, &server, &source.scenario.name))
        .buffered(opposites.len().max(1))
        .try_collect()
        .await?;
    let mut lines: Vec<_> = runs.iter().map(line).collect();
    lines.extend(known.iter().map(|source| {
        format!(
            "{}: not tried, it does not hold in every run on this version",
            source.scenario.name
        )
    }));
    ui::print(&lines.join("\n"))?;
    exit_of(&runs)
}

fn opposite(source: &Source) -> Source {
    Source {
        scenario: source.scenario.inverted(),
        ..source.clone()
    }
}

fn line(run: &RunRecord) -> String {
    let name = &run.scenario;
    if let Some(why) = refuted(run) {
        return format!("{name}: its opposite is broken: {why}");
    }
    match run.judgement.findings.first() {
        None => format!("{name}: holds whatever is expected of it, and proves nothing"),
        Some(why) => format!(
            "{name}: its opposite is {}, which proves nothing: {}",
            run.verdict(),
            why.text
        ),
    }
}

/// What shows that an opposite is not so: a step that failed by itself would be no proof.
fn refuted(run: &RunRecord) -> Option<&str> {
    use FindingKind as Kind;
    let mut findings = run.judgement.findings.iter();
    let finding = findings.find(|finding| match finding.kind {
        Kind::LostHead | Kind::LostHole | Kind::LostTail => true,
        Kind::Unexpected | Kind::ReplicaCount | Kind::ReadWrong => true,
        Kind::ReplicaLacks | Kind::ReplicasDiffer | Kind::Damaged | Kind::Duplicated => false,
        Kind::Reordered | Kind::Altered | Kind::Redelivered | Kind::Skipped => false,
        Kind::Position | Kind::TooSlow | Kind::StepFailed => false,
        Kind::OriginHoldsMore | Kind::ServerPanicked => false,
        Kind::NotCarriedOut | Kind::NotChecked => false,
    })?;
    Some(&finding.text)
}

/// Every opposite has to be broken.
fn exit_of(runs: &[RunRecord]) -> Outcome {
    if runs.iter().any(|run| run.verdict() == Verdict::Held) {
        Ok(Exit::Broken)
    } else if runs.iter().any(|run| refuted(run).is_none()) {
        Ok(Exit::Inconclusive)
    } else if runs.is_empty() {
        Err(Failure::new(Exit::Usage, "there is no drill to prove"))
    } else {
        Ok(Exit::Done)
    }
}
