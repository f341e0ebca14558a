//! Which streams are meant, by patterns of their names.

use glob::Pattern;

use super::words::meant;

/// A choice of streams by name.
#[derive(Debug, Clone, Default)]
pub struct NameFilter {
    /// Only names like one of these; all when there is none.
    pub include: Vec<Pattern>,
    /// No names like one of these.
    pub exclude: Vec<Pattern>,
}

impl NameFilter {
    /// Whether it chooses a name.
    pub fn chooses(&self, name: &str) -> bool {
        let is_like = |patterns: &[Pattern]| patterns.iter().any(|one| one.matches(name));
        (self.include.is_empty() || is_like(&self.include)) && !is_like(&self.exclude)
    }

    /// What was probably meant by the first name that is asked for: see [`meant`].
    pub fn meant<S: AsRef<str>>(&self, names: &[S]) -> String {
        let first = self.include.first();
        first.map_or_else(String::new, |first| meant(first.as_str(), names))
    }

    /// That none of an account's streams is chosen, in a sentence.
    pub fn chooses_none_of<S: AsRef<str>>(&self, names: &[S]) -> String {
        format!(
            "none of the account's {} streams has a name that is asked for{}",
            names.len(),
            self.meant(names)
        )
    }

    /// Whether it may leave some out.
    pub fn is_choosy(&self) -> bool {
        !self.include.is_empty() || !self.exclude.is_empty()
    }
}
