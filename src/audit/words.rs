//! How sizes, spans of time and lists are said in findings.

use std::time::Duration;

/// A span of time as people say it: its two largest units.
pub(super) fn span_text(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut parts = Vec::new();
    let mut left = seconds;
    for (size, unit) in units {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    if parts.is_empty() {
        return String::from("0s");
    }
    parts.truncate(2);
    parts.join(" ")
}

/// A size in the unit that suits it.
pub(super) fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// Names, or what to say when there are none.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let names: Vec<_> = names.into_iter().collect();
    if names.is_empty() {
        none.to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_two_units() {
        for (seconds, said) in [
            (0, "0s"),
            (59, "59s"),
            (120, "2m"),
            (3700, "1h 1m"),
            (90_061, "1d 1h"),
        ] {
            assert_eq!(span_text(Duration::from_secs(seconds)), said);
        }
    }
}
