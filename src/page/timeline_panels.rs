//! The timeline of a drill's page: panels one above the other, on one axis of time.

use std::time::Duration;

use maud::{Markup, html};

use super::chart::Frame;
use super::seen::Seen;
use super::timeline::Timeline;
use super::{seen_charts, step_chart, timeline_charts};

/// Every panel, with its name and what is drawn how.
pub(super) fn section(timeline: &Timeline, seen: Option<&Seen>) -> Markup {
    let frame = Frame {
        end: timeline.end,
        faults: timeline.faults.iter().map(|mark| mark.at).collect(),
        recovered: timeline.recovered.iter().map(|mark| mark.at).collect(),
    };
    html! {
        section id="timeline" {
            h2 { "Timeline" }
            p .quiet .legend {
                "Seconds since the drill began, one axis for all. "
                span .key { i .fault {} "a fault begins" } " "
                span .key { i .whole {} "a stream is whole again" }
            }
            p .quiet .hint { "It scrolls sideways, all panels together." }
            div .scroll .wide tabindex="0" aria-label="Timeline, scrolls sideways" {
                (panel("Steps and faults", &html! {}, &step_chart::panel(&frame, timeline)))
                (panel(
                    "Publishes by outcome",
                    &outcome_legend(timeline),
                    &timeline_charts::outcomes(&frame, timeline),
                ))
                @if let Some(seen) = seen { (seen_panels(&frame, seen)) }
                @if !timeline.progress.is_empty() {
                    (panel(
                        "Consumers",
                        &legend(&[
                            ("line", "distinct messages the consumer acknowledged"),
                            ("area", "messages the stream acknowledged"),
                        ]),
                        &timeline_charts::consumers(&frame, &timeline.progress),
                    ))
                }
            }
            @if seen.is_none() {
                p .quiet {
                    "Leaders, replicas and nodes over time are not shown: this ledger has no observations, as those of "
                    "earlier versions."
                }
            }
        }
    }
}

fn seen_panels(frame: &Frame, seen: &Seen) -> Markup {
    let leads = [
        ("absent", "no leader"),
        ("lag", "several say so"),
        ("unknown", "not known: a node that holds it does not answer"),
    ];
    let states = [
        ("running", "runs"),
        ("unknown", "does not answer"),
        ("lag", "paused"),
        ("absent", "stopped"),
    ];
    let behind = [
        ("lag", "sequences behind"),
        ("there", "a replica is there"),
        ("unknown", "not known: its node does not answer"),
    ];
    html! {
        (panel("Who leads", &legend(&leads), &seen_charts::leaders(frame, seen)))
        @if !seen.lags.is_empty() {
            (panel("Replicas behind the furthest", &legend(&behind), &seen_charts::lags(frame, seen)))
        }
        (panel("Nodes", &legend(&states), &seen_charts::states(frame, seen)))
    }
}

/// What is drawn in which way: a class of the style sheet, and its meaning.
fn legend(keys: &[(&str, &str)]) -> Markup {
    html! {
        @for (class, meaning) in keys { span .key { i class=(class) {} (meaning) } " " }
    }
}

fn panel(name: &str, legend: &Markup, drawn: &Markup) -> Markup {
    html! {
        figure .panel {
            figcaption .keep { h3 { (name) } span .legend { (legend) } }
            (drawn)
        }
    }
}

fn outcome_legend(timeline: &Timeline) -> Markup {
    let gap = match &timeline.gap {
        Some(gap) => format!("longest time in which {} acknowledged nothing", gap.stream),
        None => String::from("longest time without an acknowledged message"),
    };
    let width = Duration::try_from_secs_f64(timeline.outcomes.width).unwrap_or_default();
    html! {
        "in " (humantime::format_duration(width).to_string()) ": "
        (legend(&[
            ("held", "acknowledged"),
            ("refused", "refused"),
            ("unknown", "no answer"),
            ("gap", &gap),
        ]))
    }
}
