//! The values that stand in scenario files: names, numbers, times, sizes, words to choose from.
//! Each is checked where it stands, and a fault points there.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::diagnostic::{Diagnostic, Pointer};
use crate::model::meant;

type Result<T> = std::result::Result<T, Diagnostic>;

/// How long a wait lasts when nothing is said.
const WITHIN: Duration = Duration::from_secs(60);
/// Units of time, in milliseconds.
const TIME_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
/// Units of size, in bytes.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("B", 1),
];

impl Pointer<'_> {
    pub(super) fn within(&self, text: Option<&Spanned<String>>) -> Result<Duration> {
        text.map_or(Ok(WITHIN), |text| self.time(text))
    }

    pub(super) fn time(&self, text: &Spanned<String>) -> Result<Duration> {
        self.quantity(text, &TIME_UNITS, "a time such as `500ms`, `30s` or `2m`")
            .map(Duration::from_millis)
    }

    pub(super) fn size(&self, text: &Spanned<String>) -> Result<usize> {
        let bytes = self.quantity(text, &SIZE_UNITS, "a size such as `512B`, `1KiB` or `1MiB`")?;
        usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes <= 8 << 20)
            .ok_or_else(|| self.value(text, "a message of more than 8 MiB is none"))
    }

    /// A size of something larger than a message.
    pub(super) fn bytes(&self, text: &Spanned<String>) -> Result<u64> {
        self.quantity(text, &SIZE_UNITS, "a size such as `64MiB` or `1GiB`")
    }

    fn quantity(&self, text: &Spanned<String>, units: &[(&str, u64)], what: &str) -> Result<u64> {
        let written = text.get_ref().trim();
        let digits = written
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(written.len());
        let (number, unit) = written.split_at(digits);
        let factor = units.iter().find(|(name, _)| *name == unit.trim());
        let value = number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, (_, factor))| number.checked_mul(*factor));
        value
            .filter(|value| *value > 0)
            .ok_or_else(|| self.value(text, format!("`{written}` is not {what}, more than zero")))
    }

    pub(super) fn count(
        &self,
        number: &Spanned<i64>,
        range: RangeInclusive<i64>,
        what: &str,
    ) -> Result<usize> {
        let value = *number.get_ref();
        usize::try_from(value)
            .ok()
            .filter(|_| range.contains(&value))
            .ok_or_else(|| {
                let (least, most) = range.clone().into_inner();
                self.value(
                    number,
                    format!("{value} {what}; expected {least} to {most}"),
                )
            })
    }

    pub(super) fn choice<T: Copy>(
        &self,
        text: &Spanned<String>,
        choices: &[(&str, T)],
        what: &str,
    ) -> Result<T> {
        let written = text.get_ref();
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let found = choices.iter().find(|(name, _)| name == written);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known = names.join(", ");
            self.value(
                text,
                format!(
                    "`{written}` is not {what}; expected {known}{}",
                    meant(written, &names)
                ),
            )
        })
    }

    pub(super) fn text(&self, text: &Spanned<String>, what: &str) -> Result<String> {
        let written = text.get_ref().trim();
        if written.is_empty() {
            return Err(self.value(text, format!("{what} is missing")));
        }
        Ok(written.to_owned())
    }

    /// A name that can stand in subjects, file names and command lines.
    pub(super) fn word(&self, text: &Spanned<String>, what: &str) -> Result<String> {
        let written = self.text(text, what)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if written.chars().all(plain) {
            return Ok(written);
        }
        Err(self.value(
            text,
            format!("`{written}` can't be {what}; use letters, digits, `-` and `_`"),
        ))
    }

    /// A fault of a value.
    pub(super) fn value<T>(&self, place: &Spanned<T>, message: impl Into<String>) -> Diagnostic {
        self.at(place.span(), message)
    }
}
