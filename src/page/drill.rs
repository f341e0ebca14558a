//! The page of a drill's run: the verdict, what it rests on, and how to run it again.

use maud::{Markup, html};

use super::document::{Parts, badge, command, document, fact, figure};
use super::evidence::RunEvidence;
use super::seen::Seen;
use super::timeline::{StepSpan, Timeline};
use super::words::{counted, date, name, number, parsed, seconds};
use super::{agreement, findings, logs, losses, replicas, timeline_panels};
use crate::drill::rules;
use crate::judge::{Figures, FindingKind, Judgement, RunRecord, judge, losses as losses_of};
use crate::ledger::{Event, Stamped, StepEnd};
use crate::model::Verdict;
use crate::report::headline;
use crate::scenario::{Catalog, StreamSpec};

/// How a run began, as the ledger's first event tells.
#[derive(Default)]
struct Beginning {
    scenario: String,
    server: String,
    server_sha256: String,
    runtime: String,
    seed: u64,
    at: String,
}

/// The page.
pub(super) fn page(run: &RunEvidence) -> Markup {
    let mut beginning = beginning(&run.events);
    if let Some(record) = run.record.as_ref().filter(|_| beginning.server.is_empty()) {
        beginning = of_record(record);
    }
    if beginning.scenario.is_empty() {
        // A ledger without its first event has at least a place.
        let name = run.directory.file_name().unwrap_or_default();
        beginning.scenario = name.to_string_lossy().into_owned();
    }
    let timeline = Timeline::of(&run.events, run.scenario.as_ref());
    let seen = Seen::of(&run.events, timeline.end);
    let judged = judged(run);
    let began = parsed(&beginning.at);
    let title = format!(
        "{} on nats-server {}: {}",
        beginning.scenario,
        beginning.server,
        run.record
            .as_ref()
            .map_or(String::from("no verdict"), |record| record
                .verdict()
                .to_string())
    );
    let summary = run.record.as_ref().map(headline);
    let body = html! {
        (remarks(run))
        (figures(judged.as_ref()))
        @if let Some(record) = &run.record { (findings::section(&record.judgement.findings)) }
        (timeline_panels::section(&timeline, seen.as_ref()))
        @if let Some(judged) = &judged { (loss_section(run, judged)) }
        (replicas::section(&run.events))
        (steps(&timeline))
        (logs::section(&run.logs, began, ready_us(&run.events), &timeline))
        (scenario(run))
        (again(run, &beginning))
    };
    document(&Parts {
        title: &title,
        summary: summary
            .as_deref()
            .unwrap_or("no verdict: the run did not end"),
        head: head(run, &beginning, &timeline),
        body,
        script: None,
        made_of: &run.directory,
    })
}

/// What the judges say; of a run that did not end only what was counted.
fn judged(run: &RunEvidence) -> Option<Judgement> {
    let record = run.record.as_ref();
    record.map(|record| record.judgement.clone()).or_else(|| {
        let scenario = run.scenario.as_ref()?;
        let mut judgement = judge(&rules(scenario), &run.events);
        judgement.verdict = Verdict::Inconclusive;
        Some(judgement)
    })
}

fn ready_us(events: &[Stamped]) -> Option<u64> {
    let mut events = events.iter();
    let ready = events.find(|stamped| stamped.event == Event::Ready);
    ready.map(|stamped| stamped.at_us)
}

fn beginning(events: &[Stamped]) -> Beginning {
    let began = events.iter().find_map(|stamped| {
        let Event::Began {
            scenario,
            server,
            server_sha256,
            runtime,
            seed,
            at,
        } = &stamped.event
        else {
            return None;
        };
        Some(Beginning {
            scenario: scenario.clone(),
            server: server.clone(),
            server_sha256: server_sha256.clone(),
            runtime: runtime.clone(),
            seed: *seed,
            at: at.clone(),
        })
    });
    began.unwrap_or_default()
}

/// A ledger may lack its first event; its verdict tells the same.
fn of_record(record: &RunRecord) -> Beginning {
    Beginning {
        scenario: record.scenario.clone(),
        server: record.server.clone(),
        server_sha256: record.server_sha256.clone(),
        runtime: record.runtime.clone(),
        seed: record.seed,
        at: record.began_at.clone(),
    }
}

fn head(run: &RunEvidence, beginning: &Beginning, timeline: &Timeline) -> Markup {
    let record = run.record.as_ref();
    let promise = run
        .scenario
        .as_ref()
        .map(|scenario| scenario.promise.clone());
    let about = run.scenario.as_ref().map_or("", |scenario| &scenario.about);
    let elapsed = record.map_or(timeline.end, |record| record.elapsed_seconds);
    html! {
        p .kind { "Lifeboat drill" @if let Some(promise) = &promise { " · promise " (promise) } }
        h1 { (beginning.scenario) }
        p .about { (about) }
        p .verdict {
            @if let Some(record) = record {
                (badge(record.verdict())) " " (expected(record))
            } @else {
                span .badge .inconclusive { "? no verdict" } " "
                "The run did not end: it was interrupted, and nobody judged it."
            }
        }
        dl .facts {
            (fact("server", &html! { "nats-server " (beginning.server) }))
            (fact("runtime", &html! { (beginning.runtime) }))
            (fact("seed", &html! { (beginning.seed) }))
            (fact("began", &html! { time datetime=(beginning.at) { (date(&beginning.at)) } }))
            (fact("took", &html! { (seconds(elapsed)) }))
            div .whole-row { dt { "SHA-256 of the server's binary" } dd .hash { (beginning.server_sha256) } }
        }
    }
}

/// Whether the verdict is the one to be expected, and what is known.
fn expected(record: &RunRecord) -> Markup {
    let expected = &record.expected;
    html! {
        @if record.is_as_expected() { "as expected" }
        @else { b { "not as expected: " (unexpected(record)) } }
        @if let Some(because) = &expected.because {
            ". Known" @if expected.sometimes { ", in some runs" } ": " (because)
        }
    }
}

/// What was seen that should not be: another verdict, or one for another reason than is known.
fn unexpected(record: &RunRecord) -> String {
    let expected = &record.expected;
    if record.verdict() != expected.verdict {
        return format!("it should be {}", expected.verdict);
    }
    let names = |kinds: &[FindingKind]| {
        let names: Vec<_> = kinds.iter().map(|kind| name(*kind)).collect();
        names.join(", ")
    };
    let by = names(&record.broken_by());
    format!(
        "{} by {by}; known is {}",
        record.verdict(),
        names(&expected.findings)
    )
}

/// What is wrong with the evidence itself.
fn remarks(run: &RunEvidence) -> Markup {
    let differences = agreement::differences(run);
    let all: Vec<_> = run.remarks.iter().chain(&differences).collect();
    html! {
        @if !all.is_empty() {
            section .remarks {
                h2 { "About this evidence" }
                ul { @for remark in all { li { (remark) } } }
            }
        }
    }
}

fn figures(judged: Option<&Judgement>) -> Markup {
    let Some(judged) = judged else {
        return html! {};
    };
    let figures = &judged.figures;
    let time = |time: Option<f64>| time.map_or_else(|| String::from("–"), seconds);
    let lost = match figures.unread {
        0 => number(figures.lost),
        _ => String::from("?"),
    };
    // A figure is as bad as what was found about it: much of it may be what the scenario says.
    let is_broken = |kinds: &[FindingKind]| {
        let mut findings = judged.findings.iter();
        findings.any(|one| one.verdict == Verdict::Broken && kinds.contains(&one.kind))
    };
    let slow = is_broken(&[FindingKind::TooSlow]);
    html! {
        section id="figures" {
            h2 { "Figures" }
            dl .figures {
                (figure("acknowledged", &number(figures.acknowledged), false))
                (figure("refused", &number(figures.refused), false))
                (figure("unknown fate", &number(figures.unknown), false))
                (figure("lost (recovery point)", &lost, is_broken(&losses::LOST)))
                (figure("recovery time", &time(figures.recovery_seconds), slow))
                (figure("longest write outage", &time(figures.write_outage_seconds), slow))
                @for (name, count, kinds) in others(figures) {
                    @if count > 0 { (figure(name, &number(count), is_broken(kinds))) }
                }
            }
        }
    }
}

/// Figures that are nothing in most runs, and the findings that make them bad.
fn others(figures: &Figures) -> [(&'static str, u64, &'static [FindingKind]); 9] {
    [
        ("removed by operators", figures.removed, &[]),
        ("dropped by limits", figures.evicted, &[]),
        ("on mirrors only", figures.ahead, &[]),
        (
            "behind their origin",
            figures.behind,
            &[FindingKind::OriginHoldsMore],
        ),
        ("duplicated", figures.duplicated, &[FindingKind::Duplicated]),
        ("out of place", figures.reordered, &[FindingKind::Reordered]),
        ("altered", figures.altered, &[FindingKind::Altered]),
        ("unexpected", figures.unexpected, &[FindingKind::Unexpected]),
        (
            "delivered again",
            figures.redelivered,
            &[FindingKind::Redelivered],
        ),
    ]
}

fn loss_section(run: &RunEvidence, judged: &Judgement) -> Markup {
    let Some(scenario) = &run.scenario else {
        return html! {};
    };
    let known = losses_of(&rules(scenario), &run.events);
    // Mirrors, sources and buckets have no losses of their own to tell, but can be unread as well.
    let read = replicas::read_to_their_end(&run.events);
    let is_read = |stream: &&StreamSpec| match stream.feed.is_published() {
        true => known.iter().any(|one| one.stream == stream.name),
        false => read.contains(stream.name.as_str()),
    };
    let streams = scenario.streams.iter();
    let unread = streams.filter(|stream| !is_read(stream));
    let unread: Vec<_> = unread.map(|stream| stream.name.as_str()).collect();
    losses::section(&known, &unread, judged)
}

fn steps(timeline: &Timeline) -> Markup {
    html! {
        section id="steps" {
            h2 { "Steps" }
            div .scroll {
                table {
                    thead { tr { th .right { "#" } th { "step" } th .right { "began" } th .right { "took" } th { "ended" } } }
                    tbody { @for step in &timeline.steps { (step_row(step)) } }
                }
            }
            @if !timeline.notes.is_empty() {
                h3 { "Noted on the way" }
                ol .lines {
                    @for note in &timeline.notes {
                        li { span .at { (seconds(note.at)) } " " span .text { (note.text) } }
                    }
                }
            }
        }
    }
}

fn step_row(step: &StepSpan) -> Markup {
    let (is_bad, end) = match &step.end {
        Some(StepEnd::Done) => (false, String::from("done")),
        Some(StepEnd::Broken { reason }) => (true, format!("✗ failed: {reason}")),
        Some(StepEnd::Impossible { reason }) => (true, format!("? not carried out: {reason}")),
        Some(StepEnd::Withdrawn { reason }) => {
            (false, format!("– not carried out, and withdrawn: {reason}"))
        }
        None => (true, String::from("? it never ended")),
    };
    html! {
        tr {
            td .right { (step.number) }
            td { (step.text) }
            td .right .nowrap { (seconds(step.from)) }
            td .right .nowrap { @if let Some(to) = step.to { (seconds(to - step.from)) } @else { "–" } }
            td .bad[is_bad] { (end) }
        }
    }
}

fn scenario(run: &RunEvidence) -> Markup {
    html! {
        section id="scenario" {
            h2 { "The scenario" }
            @if run.scenario_text.is_empty() { p .quiet { "It is not there." } }
            @else { pre { (run.scenario_text) } }
        }
    }
}

/// How to run it again: by its name where the program still has the same drill.
fn again(run: &RunEvidence, beginning: &Beginning) -> Markup {
    let built_in = Catalog::built_in().ok().and_then(|catalog| {
        let mut all = catalog.all().iter();
        let same = all.find(|source| {
            source.scenario.name == beginning.scenario && source.text == run.scenario_text
        });
        same.map(|source| source.scenario.name.clone())
    });
    let is_built_in = built_in.is_some();
    let is_known = !beginning.server.is_empty();
    let directory = run.directory.canonicalize();
    let directory = directory.as_ref().unwrap_or(&run.directory);
    let file = directory.join("scenario.toml").display().to_string();
    let (name, seed) = (built_in.unwrap_or(file), beginning.seed.to_string());
    let mut words = vec![
        "drill",
        "run",
        &name,
        "--server-version",
        &beginning.server,
        "--seed",
        &seed,
    ];
    if beginning.runtime == "container" {
        words.extend(["--runtime", "container"]);
    }
    html! {
        section id="again" {
            h2 { "Run it again" }
            @if is_known { pre { (command(&words)) } }
            p .quiet {
                @if is_known {
                    "The seed makes the same choices; what servers and networks do in between is their own. "
                    @if !is_built_in { "The scenario is the one that lies beside the ledger. " }
                } @else { "Neither the ledger nor a verdict tells on which server it ran, and with which seed. " }
                "The whole evidence, " (counted(run.events.len(), "event")) ", is in "
                code { (directory.display()) } "."
            }
        }
    }
}
