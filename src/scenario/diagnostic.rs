//! What is wrong with a scenario file: where, what, and what was probably meant.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::model::meant;

/// A fault in a scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub path: PathBuf,
    /// Line and column, both from 1; none when the file could not be read at all.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// Points into one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Pointer<'_> {
    pub(super) fn at(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Diagnostic {
            path: self.path.to_owned(),
            position: Some((line, column)),
            message: message.into(),
        }
    }

    /// What the TOML reader said, with what was probably meant.
    pub(super) fn toml(&self, error: &toml::de::Error) -> Diagnostic {
        let message = error.message().trim_end().to_owned();
        let message = match (
            quoted(&message, "unknown"),
            quoted_all(&message, "expected"),
        ) {
            (Some(unknown), expected) if !expected.is_empty() => {
                format!("{message}{}", meant(&unknown, &expected))
            }
            _ => message,
        };
        self.at(error.span().unwrap_or(0..0), message)
    }
}

/// The first word in backticks after a keyword.
fn quoted(message: &str, after: &str) -> Option<String> {
    quoted_all(message, after).into_iter().next()
}

/// Every word in backticks after a keyword.
fn quoted_all(message: &str, after: &str) -> Vec<String> {
    let rest = message.split_once(after).map_or("", |(_, rest)| rest);
    rest.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
