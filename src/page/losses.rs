//! The loss by its shape: where lost messages lie among all that were acknowledged. The shape tells the
//! cause.

use maud::{Markup, html};
use plotters::prelude::Rectangle;

use super::ink::{Ink, svg};
use super::words::{counted, from_us, means, name, number, seconds};
use crate::judge::{Figures, FindingKind, Judgement, LostMessage, StreamLosses};

/// Where the strip begins and ends, from above.
const STRIP: (i32, i32) = (0, 90);
/// The height of the drawing.
const HEIGHT: u32 = 92;
/// The strip has columns, each of which is lost, held or in part lost.
const COLUMNS: usize = 380;
/// How wide a column is where all are there.
const COLUMN_WIDTH: i32 = 5;
/// The width of all of them.
const STRIP_WIDTH: u32 = 1900;
/// No more streams than this have a strip.
const MOST_STREAMS: usize = 12;

/// The shapes of loss.
pub(super) const LOST: [FindingKind; 3] = [
    FindingKind::LostHead,
    FindingKind::LostHole,
    FindingKind::LostTail,
];

/// Lost messages of one shape.
#[derive(Debug, PartialEq)]
pub(super) struct Shape<'a> {
    pub(super) kind: FindingKind,
    pub(super) lost: Vec<&'a LostMessage>,
}

/// The lost messages, by shape.
pub(super) fn shapes(losses: &StreamLosses) -> Vec<Shape<'_>> {
    let shapes = LOST.into_iter().map(|kind| Shape {
        kind,
        lost: losses.lost.iter().filter(|one| one.shape == kind).collect(),
    });
    shapes.filter(|shape| !shape.lost.is_empty()).collect()
}

/// How many messages of each column are lost, and how many there are.
pub(super) fn strip(losses: &StreamLosses) -> Vec<(usize, usize)> {
    let all = losses.acknowledged;
    let columns = all.clamp(1, COLUMNS);
    let mut strip = vec![(0, 0); columns];
    // Columns are of equal size, as far as that is possible.
    let of = |order: usize| order.saturating_mul(columns) / all.max(1);
    for order in 0..all {
        if let Some(column) = strip.get_mut(of(order)) {
            column.1 += 1;
        }
    }
    for one in &losses.lost {
        if let Some(column) = strip.get_mut(of(one.order)) {
            column.0 += 1;
        }
    }
    strip
}

/// How much of a column is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Held,
    Some,
    Lost,
}

fn part_of((lost, all): (usize, usize)) -> Part {
    if lost == 0 {
        Part::Held
    } else if lost >= all {
        Part::Lost
    } else {
        Part::Some
    }
}

/// Every stream that lost something; what others lost is not known, since no replica of them was read.
pub(super) fn section(losses: &[StreamLosses], unread: &[&str], judged: &Judgement) -> Markup {
    let lossy: Vec<_> = losses.iter().filter(|one| !one.lost.is_empty()).collect();
    let figures = &judged.figures;
    let mut findings = judged.findings.iter();
    let is_lost = figures.lost > 0 || findings.any(|one| LOST.contains(&one.kind));
    let is_all_known = figures.unread == 0 && unread.is_empty() && !losses.is_empty();
    html! {
        section id="loss" {
            h2 { "What was lost, and where it lay" }
            @if !unread.is_empty() {
                p { "What these lost is not known, since no replica of them was read: " (unread.join(", ")) "." }
            }
            @if lossy.is_empty() {
                @if is_lost { p { "What was lost is told by the findings, and not where it lay." } }
                @else if is_all_known { p { "Nothing: " (whole(figures)) "." } }
                @else if losses.is_empty() { p { "No stream was compared with what it acknowledged." } }
                @else { p { "Of the streams that were compared: nothing." } }
            }
            @for one in lossy.iter().take(MOST_STREAMS) { (of_stream(one)) }
            @if lossy.len() > MOST_STREAMS {
                p .quiet { (counted(lossy.len() - MOST_STREAMS, "more stream")) " lost messages as well." }
            }
        }
    }
}

/// Where every acknowledged message is.
fn whole(figures: &Figures) -> String {
    let mut others = Vec::new();
    if figures.removed > 0 {
        others.push(format!("operators removed {}", number(figures.removed)));
    }
    if figures.evicted > 0 {
        others.push(format!("limits dropped {}", number(figures.evicted)));
    }
    let held = "every acknowledged message is on a replica";
    match others.is_empty() {
        true => held.to_owned(),
        false => format!("{held}, but those of which {}", others.join(" and ")),
    }
}

fn of_stream(losses: &StreamLosses) -> Markup {
    let allowed = losses.lost.iter().filter(|one| one.is_allowed).count();
    html! {
        h3 { (losses.stream) }
        p {
            b { (number(losses.lost.len() as u64)) } " of " (number(losses.acknowledged as u64))
            " acknowledged messages are on no replica"
            @if allowed == losses.lost.len() { ", as the scenario says." }
            @else if allowed > 0 { "; the scenario says so of " (number(allowed as u64)) " of them." }
            @else { "; the scenario allows none." }
        }
        figure .strip {
            (draw(losses))
            p .ends .quiet { span { "1" } span { (number(losses.acknowledged as u64)) } }
            (legend())
        }
        dl .shapes {
            @for shape in shapes(losses) { (of_shape(&shape)) }
        }
    }
}

fn legend() -> Markup {
    html! {
        figcaption .legend {
            "In the order of acknowledgements: "
            span .key { i .held {} "held" } " "
            span .key { i .lost {} "lost" } " "
            span .key { i .part {} "some of these" }
        }
    }
}

fn of_shape(shape: &Shape<'_>) -> Markup {
    let ends = [shape.lost.first(), shape.lost.last()];
    let same = shape.lost.len() == 1;
    html! {
        div {
            dt { (name(shape.kind)) ": " (counted(shape.lost.len(), "message")) }
            dd {
                p .quiet { (means(shape.kind)) }
                @for (index, one) in ends.into_iter().flatten().enumerate() {
                    @if index == 0 || !same {
                        p {
                            @if same { "It is " } @else if index == 0 { "First: " } @else { "Last: " }
                            code { (one.id) } " at sequence " (number(one.sequence))
                            ", acknowledged " (seconds(from_us(one.acknowledged_at_us))) " after the drill began"
                        }
                    }
                }
            }
        }
    }
}

fn draw(losses: &StreamLosses) -> Markup {
    let strip = strip(losses);
    let label = format!(
        "{}: {} of {} acknowledged messages lost, in the order of their acknowledgements",
        losses.stream,
        losses.lost.len(),
        losses.acknowledged
    );
    svg((STRIP_WIDTH, HEIGHT), &label, |canvas| {
        let wide = i32::try_from(strip.len()).unwrap_or(1).max(1);
        // Fewer messages than columns get wider ones.
        let each = (i32::try_from(COLUMNS).unwrap_or(1) * COLUMN_WIDTH / wide).max(1);
        let (top, bottom) = STRIP;
        let mut x = 0;
        // Neighbours of a kind are one rectangle: between many thin ones the page would shine through.
        for run in strip.chunk_by(|one, next| part_of(*one) == part_of(*next)) {
            let to = x + each * i32::try_from(run.len()).unwrap_or(1);
            let (ink, from) = match run.first().map(|one| part_of(*one)) {
                Some(Part::Lost) => (Ink::Bad.fill(), top),
                Some(Part::Some) => (Ink::Refused.fill(), top + 8),
                Some(Part::Held) | None => (Ink::Good.shade(0.55), top + 20),
            };
            canvas.draw(&Rectangle::new([(x, from), (to, bottom)], ink))?;
            x = to;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;

    fn losses(acknowledged: usize, lost: &[(usize, FindingKind)]) -> StreamLosses {
        let lost = lost.iter().map(|(order, shape)| LostMessage {
            id: format!("S-{order}"),
            sequence: *order as u64 + 1,
            acknowledged_at_us: 1,
            order: *order,
            shape: *shape,
            is_allowed: false,
        });
        StreamLosses {
            stream: String::from("S"),
            acknowledged,
            lost: lost.collect(),
        }
    }

    fn judged(lost: u64, unread: u64) -> Judgement {
        Judgement {
            verdict: Verdict::Inconclusive,
            findings: Vec::new(),
            figures: Figures {
                lost,
                unread,
                evicted: 7,
                ..Figures::default()
            },
        }
    }

    #[test]
    fn nothing_is_said_to_be_lost_only_where_everything_was_checked() {
        let held = [losses(4, &[])];
        let told = |losses: &[StreamLosses], unread: &[&str], judged: &Judgement| {
            section(losses, unread, judged).into_string()
        };
        let page = told(&held, &[], &judged(0, 0));
        assert!(page.contains("Nothing: every"), "{page}");
        assert!(page.contains("limits dropped 7"), "{page}");
        for page in [
            told(&[], &[], &judged(0, 0)),
            told(&held, &["M"], &judged(0, 0)),
            told(&held, &[], &judged(0, 1)),
            told(&held, &[], &judged(2, 0)),
        ] {
            assert!(!page.contains("Nothing: every"), "{page}");
        }
    }

    #[test]
    fn losses_are_sorted_by_shape_and_lie_where_they_lay() {
        use FindingKind::{LostHead, LostTail};
        let losses = losses(4, &[(0, LostHead), (2, LostTail), (3, LostTail)]);
        let shapes = shapes(&losses);
        let told: Vec<_> = shapes
            .iter()
            .map(|one| (one.kind, one.lost.len()))
            .collect();
        assert_eq!(told, [(LostHead, 1), (LostTail, 2)]);
        assert_eq!(strip(&losses), [(1, 1), (0, 1), (1, 1), (1, 1)]);
        let page = section(&[losses], &[], &judged(3, 0)).into_string();
        assert!(page.contains("the scenario allows none"), "{page}");
        assert!(page.contains("lost-tail: 2 messages"), "{page}");
    }

    #[test]
    fn a_strip_has_a_column_for_many_messages() {
        let lost: Vec<_> = (0..500)
            .map(|order| (order, FindingKind::LostHead))
            .collect();
        let strip = strip(&losses(1000, &lost));
        assert_eq!(strip.len(), COLUMNS);
        assert_eq!(strip.iter().map(|(lost, _)| lost).sum::<usize>(), 500);
        assert_eq!(strip.iter().map(|(_, all)| all).sum::<usize>(), 1000);
        assert_eq!((strip[0].0, strip[COLUMNS - 1].0), (strip[0].1, 0));
    }

    #[test]
    fn nothing_is_drawn_as_nothing() {
        assert_eq!(strip(&losses(0, &[])), [(0, 0)]);
        // More was lost than there was: no ledger says so, and no page fails on it.
        let odd = losses(1, &[(7, FindingKind::LostHole)]);
        assert_eq!(strip(&odd), [(0, 1)]);
        assert!(
            section(&[odd], &[], &judged(1, 0))
                .into_string()
                .contains("<svg")
        );
    }
}
