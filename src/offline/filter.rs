//! Which messages are wanted: by subject, sequence and time.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::archive::Message;

/// A subject with wildcards, as subscribers use them: `*` for one token, `>` for all that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectPattern {
    tokens: Vec<String>,
}

impl FromStr for SubjectPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tokens: Vec<_> = text.split('.').map(str::to_owned).collect();
        if tokens.iter().any(String::is_empty) {
            return Err("a subject has no empty tokens");
        }
        let is_last = |at: usize| at + 1 == tokens.len();
        if tokens
            .iter()
            .enumerate()
            .any(|(at, token)| token == ">" && !is_last(at))
        {
            return Err("`>` stands at the end of a subject alone");
        }
        Ok(Self { tokens })
    }
}

impl SubjectPattern {
    /// Whether a subject can be one of both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut pairs = self.tokens.iter().zip(&other.tokens);
        let differ = |one: &String, other: &String| one != other && one != "*" && other != "*";
        for (one, other) in pairs.by_ref() {
            if one == ">" || other == ">" {
                return true;
            }
            if differ(one, other) {
                return false;
            }
        }
        self.tokens.len() == other.tokens.len()
    }

    /// Whether a subject is one of those.
    pub fn matches(&self, subject: &[u8]) -> bool {
        let mut tokens = subject.split(|byte| *byte == b'.');
        for pattern in &self.tokens {
            if pattern == ">" {
                return tokens.next().is_some();
            }
            match tokens.next() {
                Some(token) if pattern == "*" || pattern.as_bytes() == token => {}
                Some(_) | None => return false,
            }
        }
        tokens.next().is_none()
    }
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tokens.join("."))
    }
}

/// Which messages are wanted. By default all are.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Any of these subjects; none means all.
    pub subjects: Vec<SubjectPattern>,
    /// From this sequence to that.
    pub sequences: RangeInclusive<u64>,
    /// From this time to that, in nanoseconds since 1970.
    pub times_ns: RangeInclusive<i64>,
    /// At most so many.
    pub limit: u64,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            subjects: Vec::new(),
            sequences: 0..=u64::MAX,
            times_ns: i64::MIN..=i64::MAX,
            limit: u64::MAX,
        }
    }
}

impl Filter {
    /// Whether a message is wanted.
    pub fn takes(&self, message: &Message<'_>) -> bool {
        self.sequences.contains(&message.sequence)
            && self.times_ns.contains(&message.time_ns)
            && (self.subjects.is_empty()
                || self
                    .subjects
                    .iter()
                    .any(|pattern| pattern.matches(message.subject)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_for_subscribers() {
        let matches = |pattern: &str, subject: &str| {
            pattern
                .parse::<SubjectPattern>()
                .unwrap()
                .matches(subject.as_bytes())
        };
        assert!(matches("a.b", "a.b") && !matches("a.b", "a") && !matches("a.b", "a.b.c"));
        assert!(matches("a.*", "a.b") && !matches("a.*", "a.b.c") && !matches("*", "a.b"));
        assert!(matches("a.>", "a.b.c") && matches(">", "a") && !matches("a.>", "a"));
        let overlap = |one: &str, other: &str| {
            let parse = |text: &str| text.parse::<SubjectPattern>().unwrap();
            assert_eq!(
                parse(one).overlaps(&parse(other)),
                parse(other).overlaps(&parse(one))
            );
            parse(one).overlaps(&parse(other))
        };
        assert!(overlap("a.b", "a.b") && overlap("a.*", "*.b") && overlap("a.>", "a.b.c"));
        assert!(!overlap("a.b", "a.c") && !overlap("a.*", "a.b.c") && !overlap("a.>", "a"));
        for wrong in ["", "a..b", "a.>.b", "."] {
            assert!(wrong.parse::<SubjectPattern>().is_err(), "{wrong}");
        }
    }
}
