//! The page of a rehearsal: whether the backup does, what each check saw, and how long it took.

use std::path::Path;

use indicatif::HumanBytes;
use maud::{Markup, html};
use plotters::prelude::{Rectangle, Text};
use plotters::style::text_anchor::HPos;

use super::chart::WIDTH;
use super::document::{Parts, badge, command, document, fact, figure};
use super::ink::{Ink, svg};
use super::timeline_charts::label_at;
use super::words::{class, counted, date, number, seconds};
use crate::rehearsal::{Check, CheckOutcome, Live, Rehearsal, StreamRehearsal};
use crate::report::rehearsal_headline;

/// Streams whose bars are drawn: those that took longest.
const MOST_BARS: usize = 40;
/// The height of a bar with its room.
const BAR: i32 = 48;
/// Where bars begin, and how long the longest may be.
const BARS: (i32, f64) = (420, 1300.0);

/// The page.
pub(super) fn page(rehearsal: &Rehearsal, path: &Path) -> Markup {
    let title = format!(
        "Rehearsal of {}: {}",
        rehearsal.backup.display(),
        rehearsal.verdict
    );
    let body = html! {
        (figures(rehearsal))
        (failures(rehearsal))
        (whole(rehearsal))
        (times(&rehearsal.streams))
        (rehearsal.live.as_ref().map_or_else(|| html! {}, recovery_points))
        (streams(&rehearsal.streams))
        (sample(rehearsal))
        (again(rehearsal))
    };
    document(&Parts {
        title: &title,
        summary: &rehearsal_headline(rehearsal),
        head: head(rehearsal),
        body,
        script: None,
        made_of: path,
    })
}

fn head(rehearsal: &Rehearsal) -> Markup {
    let kind = match (&rehearsal.live, rehearsal.of_account) {
        (Some(_), _) => "a live system's backup, taken for this",
        (None, true) => "the backup of an account",
        (None, false) => "the backup of a stream",
    };
    let name = rehearsal.backup.file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    html! {
        p .kind { "Lifeboat rehearsal · " (kind) }
        h1 { (name) }
        p .verdict { (badge(rehearsal.verdict)) }
        dl .facts {
            (fact("restored on", &html! { "nats-server " (rehearsal.server) }))
            (fact("taken from", &html! { @if let Some(version) = &rehearsal.made_by { "nats-server " (version) } @else { "not told" } }))
            (fact("taken", &html! { @if let Some(at) = &rehearsal.taken_at { (date(at)) } @else { "not told" } }))
            (fact("rehearsed", &html! { (date(&rehearsal.began_at)) }))
            (fact("cluster", &html! { (counted(rehearsal.nodes, "node")) ", " (rehearsal.runtime) }))
            div .whole-row { dt { "backup" } dd .hash { (rehearsal.backup.display()) } }
            div .whole-row { dt { "SHA-256 of the server's binary" } dd .hash { (rehearsal.server_sha256) } }
        }
    }
}

fn figures(rehearsal: &Rehearsal) -> Markup {
    let time = |time: Option<f64>| time.map_or_else(|| String::from("–"), seconds);
    let messages = rehearsal.streams.iter().map(|one| one.messages);
    let messages = messages.fold(0, u64::saturating_add);
    html! {
        section id="figures" {
            h2 { "Figures" }
            dl .figures {
                (figure("recovery time", &time(rehearsal.recovery_seconds), false))
                (figure("streams", &number(rehearsal.streams.len() as u64), false))
                (figure("messages", &number(messages), false))
                (figure("everything took", &seconds(rehearsal.elapsed_seconds), false))
                @if let Some(live) = &rehearsal.live {
                    (figure("recovery point, messages", &live.messages_since().map_or_else(|| String::from("?"), number), false))
                    (figure("recovery point, age", &time(live.age_seconds()), false))
                }
            }
        }
    }
}

/// What did not hold, with what that means.
fn failures(rehearsal: &Rehearsal) -> Markup {
    let failed: Vec<_> = rehearsal
        .all_checks()
        .filter(|(_, check)| check.is_failure())
        .collect();
    html! {
        section id="findings" {
            h2 { "What did not hold" }
            @if failed.is_empty() { p { "Nothing: every check that was made held." } }
            ul .findings {
                @for (stream, check) in failed {
                    li .broken[check.outcome == CheckOutcome::Broken] {
                        p .kind { b { (check.name) } " of " (stream.unwrap_or("the backup")) " " span .quiet { (check.outcome.name()) } }
                        p .said { (check.detail) }
                        @if let Some(means) = &check.means { p .quiet { (means) } }
                    }
                }
            }
        }
    }
}

fn whole(rehearsal: &Rehearsal) -> Markup {
    html! {
        @if !rehearsal.checks.is_empty() {
            section id="whole" { h2 { "Checks of the whole" } (checks(&rehearsal.checks)) }
        }
    }
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        div .scroll {
            table {
                thead { tr { th { "check" } th { "ended" } th { "what was seen" } } }
                tbody { @for check in checks {
                    tr {
                        td .nowrap { (check.name) }
                        td .nowrap { span class=(outcome_class(check.outcome)) { (check.outcome.name()) } }
                        td .said { (check.detail) }
                    }
                } }
            }
        }
    }
}

fn outcome_class(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Held => "held-word",
        CheckOutcome::Broken => "broken-word",
        CheckOutcome::Inconclusive | CheckOutcome::NotRun => "inconclusive-word",
        CheckOutcome::NotApplicable => "quiet",
    }
}

/// How long each stream took, by its parts.
fn times(streams: &[StreamRehearsal]) -> Markup {
    let mut back: Vec<_> = streams.iter().filter(|one| one.came_back).collect();
    back.sort_by(|a, b| b.recovery_seconds.total_cmp(&a.recovery_seconds));
    let left_out = back.len().saturating_sub(MOST_BARS);
    back.truncate(MOST_BARS);
    html! {
        section id="times" {
            h2 { "Recovery time by stream" }
            @if back.is_empty() { p .quiet { "No stream came back." } }
            @else {
                p .legend {
                    span .key { i .reading {} "reading the backup" } " "
                    span .key { i .sending {} "sending it" } " "
                    span .key { i .comparing {} "comparing every replica" }
                }
                div .scroll .wide tabindex="0" aria-label="Recovery times, scrolls sideways" { (bars(&back)) }
            }
            @if left_out > 0 { p .quiet { (counted(left_out, "faster stream")) " not drawn; they are in the table." } }
        }
    }
}

fn bars(streams: &[&StreamRehearsal]) -> Markup {
    let slowest = streams.iter().map(|one| one.recovery_seconds);
    let slowest = slowest
        .filter(|time| time.is_finite())
        .fold(0.001, f64::max);
    let height = u32::try_from(streams.len())
        .unwrap_or(1)
        .saturating_mul(BAR.unsigned_abs());
    let told = streams
        .iter()
        .map(|one| format!("{}: {}", one.stream, seconds(one.recovery_seconds)));
    let label = told.collect::<Vec<_>>().join(", ");
    svg((WIDTH, height), &label, |canvas| {
        let mut y = 0;
        for one in streams {
            let middle = y + BAR / 2;
            canvas.draw(&label_at(&one.stream, (BARS.0 - 16, middle), HPos::Right))?;
            let mut from = 0.0;
            let parts = [
                (one.timing.reading_seconds, Ink::Quiet),
                (one.timing.sending_seconds, Ink::Series(0)),
                (one.timing.comparing_seconds, Ink::Unknown),
            ];
            for (part, ink) in parts {
                let to = from + part.max(0.0);
                let place = |time: f64| BARS.0 + pixels(time / slowest);
                let corners = [(place(from), y + 8), (place(to), y + BAR - 8)];
                canvas.draw(&Rectangle::new(corners, ink.fill()))?;
                from = to;
            }
            let end = BARS.0 + pixels(from.max(one.recovery_seconds) / slowest) + 14;
            let text = seconds(one.recovery_seconds);
            canvas.draw(&Text::new(text, (end, middle), Ink::Text.text(HPos::Left)))?;
            y += BAR;
        }
        Ok(())
    })
}

/// A share of the longest bar.
#[expect(clippy::cast_possible_truncation, reason = "it is within the drawing")]
fn pixels(share: f64) -> i32 {
    (share.clamp(0.0, 1.0) * BARS.1) as i32
}

/// What would have been lost, had the live system been lost when its backup was complete.
fn recovery_points(live: &Live) -> Markup {
    html! {
        section id="recovery-points" {
            h2 { "Recovery point by stream" }
            p .quiet { "What a disaster would have cost when the backup was complete, which took " (seconds(live.backup_seconds)) "." }
            div .scroll {
                table {
                    thead { tr { th { "stream" } th .right { "messages since" } th .right { "age of its backup" } } }
                    tbody { @for point in &live.recovery_points {
                        tr {
                            td { (point.stream) }
                            td .right { (point.messages_since.map_or_else(|| String::from("not known"), number)) }
                            td .right { (point.age_seconds.map_or_else(|| String::from("not known"), seconds)) }
                        }
                    } }
                }
            }
        }
    }
}

fn streams(streams: &[StreamRehearsal]) -> Markup {
    html! {
        section id="streams" {
            h2 { "Streams" }
            div .scroll {
                table {
                    thead { tr {
                        th { "stream" } th { "verdict" } th .right { "messages" } th .right { "bytes" }
                        th .right { "consumers" } th .right { "replicas" } th .right { "recovery" }
                    } }
                    tbody { @for one in streams {
                        tr {
                            td { (one.stream) }
                            td { span class=(format!("{}-word", class(one.verdict))) { (one.verdict) } }
                            td .right { (number(one.messages)) }
                            td .right .nowrap { (HumanBytes(one.bytes)) }
                            td .right { (number(one.consumers as u64)) }
                            td .right { (number(one.replicas)) }
                            td .right .nowrap { @if one.came_back { (seconds(one.recovery_seconds)) } @else { "–" } }
                        }
                    } }
                }
            }
            @for one in streams { (of_stream(one)) }
        }
    }
}

/// A stream's checks, open where one of them did not hold.
fn of_stream(one: &StreamRehearsal) -> Markup {
    html! {
        details .log open[one.checks.iter().any(Check::is_failure)] {
            summary { b { (one.stream) } " " (counted(one.checks.len(), "check")) ", " (one.verdict) }
            (checks(&one.checks))
            @for remark in &one.remarks { p .quiet { (remark) } }
        }
    }
}

fn sample(rehearsal: &Rehearsal) -> Markup {
    html! {
        @if let Some(sample) = &rehearsal.sample {
            section id="sample" {
                h2 { "What was not rehearsed" }
                p {
                    "A sample: " (sample.streams) " of " (counted(sample.of_streams, "stream")) ", "
                    (HumanBytes(sample.bytes)) " of " (HumanBytes(sample.of_bytes)) ", seed " (sample.seed) "."
                }
                p .quiet { "Left out: " (sample.left_out.join(", ")) }
            }
        }
    }
}

fn again(rehearsal: &Rehearsal) -> Markup {
    let backup = rehearsal.backup.display().to_string();
    let mut words = match rehearsal.live {
        Some(_) => vec!["drill", "live", "--rehearse-on", &rehearsal.server],
        None => vec![
            "drill",
            "backup",
            &backup,
            "--server-version",
            &rehearsal.server,
        ],
    };
    if rehearsal.runtime == "container" {
        words.extend(["--runtime", "container"]);
    }
    let sample = rehearsal.sample.as_ref();
    let sample = sample.map(|sample| (sample.streams.to_string(), sample.seed.to_string()));
    if let Some((streams, seed)) = &sample {
        words.extend(["--sample", streams, "--seed", seed]);
    }
    html! {
        section id="again" {
            h2 { "Rehearse it again" }
            pre { (command(&words)) }
            p .quiet {
                "A policy (" code { "--max-age" } ", " code { "--max-recovery-time" } ") and where a live system is are not in the record: give them as before."
            }
        }
    }
}
