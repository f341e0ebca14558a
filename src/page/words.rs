//! Numbers and times as pages show them, and what each kind of finding means to a reader who has not
//! seen it before.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::judge::FindingKind;
use crate::model::Verdict;

/// Seconds with as many digits as help.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds.is_finite() && seconds.abs() < 9.95 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.1} s")
    }
}

/// A number with thin spaces between thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// How many of something, in one form for one and another for several.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = match what.split_once(" or ") {
        Some((one, other)) => format!("{one}s or {other}s"),
        None => format!("{what}s"),
    };
    let what = if count == 1 { what } else { &plural };
    format!("{} {what}", number(count as u64))
}

/// The first so many characters of a text, with a sign where something is left out.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let kept = text.chars().take(longest.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// A time of the wall clock, as evidence has it.
pub(super) fn parsed(rfc3339: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(rfc3339, &Rfc3339).ok()
}

/// The same to the second, for people; what can't be read is shown as it is.
pub(super) fn date(rfc3339: &str) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    in_utc(rfc3339, format)
}

/// The same to the minute, where there is little room.
pub(super) fn minute(rfc3339: &str) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    in_utc(rfc3339, format)
}

fn in_utc(rfc3339: &str, format: &[BorrowedFormatItem<'_>]) -> String {
    let formatted = parsed(rfc3339)
        .and_then(|time| time.checked_to_offset(time::UtcOffset::UTC))
        .and_then(|time| time.format(format).ok());
    formatted.unwrap_or_else(|| rfc3339.to_owned())
}

/// A figure, of which nobody counts beyond 2^53, as plots have it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a plot has fewer points than a float has digits"
)]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

/// The share of a whole.
pub(super) fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    100.0 * float(part as u64) / float(whole as u64)
}

/// Microseconds as seconds.
pub(super) fn from_us(microseconds: u64) -> f64 {
    float(microseconds) / 1e6
}

/// The class of a verdict in the style sheet.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "held",
        Verdict::Broken => "broken",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// A sign that tells verdicts apart where there is no colour.
pub(super) fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "✓",
        Verdict::Broken => "✗",
        Verdict::Inconclusive => "?",
    }
}

/// The name that files and reports have for a kind.
pub(super) fn name(kind: FindingKind) -> &'static str {
    let all = FindingKind::ALL.iter();
    let mut named = all.filter(|(_, one)| *one == kind);
    named.next().map_or("", |(name, _)| *name)
}

/// What a kind of finding means.
pub(super) fn means(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::LostHead => {
            "Everything acknowledged up to some point is gone, as when a stream begins anew in an empty store."
        }
        FindingKind::LostHole => {
            "Acknowledged messages are gone from the middle: older and newer ones are there."
        }
        FindingKind::LostTail => {
            "Everything acknowledged after some point is gone, as when a store is set back or its end was cut off."
        }
        FindingKind::ReplicaLacks => {
            "Others still have these messages. They are lost as soon as this replica leads, or is all that is left."
        }
        FindingKind::ReplicasDiffer => {
            "Which messages a client reads depends on which replica leads."
        }
        FindingKind::ReplicaCount => {
            "The stream bears fewer failures than its configuration promises, or is not there at all."
        }
        FindingKind::OriginHoldsMore => {
            "What is made of another stream did not get all that its origin has."
        }
        FindingKind::Damaged => "What lies on the disk is not what the server wrote.",
        FindingKind::Duplicated => {
            "A consumer gets the same message more than once, and counts it twice."
        }
        FindingKind::Reordered => {
            "A sequence that a client was told now stands for another message."
        }
        FindingKind::Altered => "A consumer gets another message than was published.",
        FindingKind::Unexpected => {
            "Messages are there that were refused, never sent, or should be gone: deleted data came back."
        }
        FindingKind::ReadWrong => "A client reads something else than was acknowledged last.",
        FindingKind::Redelivered => "Work whose completion was confirmed is handed out again.",
        FindingKind::Skipped => "A consumer will never be given a message that the stream has.",
        FindingKind::Position => {
            "The consumer stands elsewhere than where its acknowledgements led: it repeats or misses messages."
        }
        FindingKind::TooSlow => "It came back, later than the scenario allows.",
        FindingKind::ServerPanicked => {
            "A server that panics on what lies on its disk does so again each time it is started."
        }
        FindingKind::StepFailed => "Something that should have happened in its time did not.",
        FindingKind::NotCarriedOut => {
            "The drill was not carried out as written, so it says nothing about how it should have ended."
        }
        FindingKind::NotChecked => "What was not checked proves nothing.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_are_for_people() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(999), "999");
        assert_eq!(counted(1, "line"), "1 line");
        assert_eq!(counted(2, "warning or error"), "2 warnings or errors");
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(
            date("2026-11-27T01:36:37.5+01:00"),
            "2026-11-27 00:36:37 UTC"
        );
        assert_eq!(minute("2026-11-27T01:36:37.5+01:00"), "2026-11-27 00:36");
        assert_eq!(date("yesterday"), "yesterday");
        assert_eq!(seconds(f64::NAN), "NaN s");
    }

    #[test]
    fn every_kind_has_a_name_and_a_meaning() {
        for (known, kind) in FindingKind::ALL {
            assert_eq!(name(kind), known);
            assert!(means(kind).ends_with('.'), "{known}");
        }
    }
}
