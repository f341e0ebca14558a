//! The checks of a rehearsal by name, each with what its failure means to whoever relies on the backup.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Verdict;

/// What is checked.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    /// The backup is what was written.
    Sound,
    /// It has all that there was.
    Complete,
    /// A server takes it.
    Restored,
    /// Every replica holds every message of it, and no other.
    Equal,
    /// Every consumer is there, and stands where it stood.
    Consumers,
    /// A message can be published and consumed.
    Usable,
    /// It is as young as the policy wants.
    Fresh,
    /// Recovery takes no longer than the policy allows.
    InTime,
}

impl CheckName {
    /// The checks of every stream, in the order in which they are made.
    pub(super) const OF_A_STREAM: [Self; 6] = [
        Self::Sound,
        Self::Complete,
        Self::Restored,
        Self::Equal,
        Self::Consumers,
        Self::Usable,
    ];

    /// Its name as it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Complete => "complete",
            Self::Restored => "restored",
            Self::Equal => "equal",
            Self::Consumers => "consumers",
            Self::Usable => "usable",
            Self::Fresh => "fresh",
            Self::InTime => "in-time",
        }
    }

    /// What it means when it fails, and what to do.
    pub fn failure_means(self) -> &'static str {
        match self {
            Self::Sound => {
                "the backup is not what was written: what is damaged can't be restored from it; take a new \
                 one, and look for what changed its files"
            }
            Self::Complete => {
                "the stream had more than the backup has: a restore brings back less than there was"
            }
            Self::Restored => {
                "the server did not take it: in a disaster it would not come back this way either"
            }
            Self::Equal => {
                "what came back is not what was saved: messages are missing, changed, or could not be \
                 compared"
            }
            Self::Consumers => {
                "consumers are missing or stand elsewhere: applications would get messages again, or \
                 miss some"
            }
            Self::Usable => {
                "it came back and does not work: applications could not publish to it, or not consume"
            }
            Self::Fresh => {
                "the backup is older than the policy allows: a disaster now would cost everything since"
            }
            Self::InTime => "recovery takes longer than the policy allows",
        }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It is so.
    Held,
    /// It is not.
    Broken,
    /// It could not be told.
    Inconclusive,
    /// It was not made, since an earlier one failed.
    NotRun,
    /// It makes no sense here.
    NotApplicable,
}

impl CheckOutcome {
    /// Its name as it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Inconclusive => "inconclusive",
            Self::NotRun => "not run",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// A check that was made, or why it was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was checked.
    pub name: CheckName,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What was seen.
    pub detail: String,
    /// What it means that it is broken, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
}

impl Check {
    /// Whether it was made, and is not held.
    pub fn is_failure(&self) -> bool {
        matches!(
            self.outcome,
            CheckOutcome::Broken | CheckOutcome::Inconclusive
        )
    }

    pub(super) fn held(name: CheckName, detail: impl Into<String>) -> Self {
        Self::of(name, CheckOutcome::Held, detail)
    }

    pub(super) fn broken(name: CheckName, detail: impl Into<String>) -> Self {
        Self::of(name, CheckOutcome::Broken, detail)
    }

    pub(super) fn inconclusive(name: CheckName, detail: impl Into<String>) -> Self {
        Self::of(name, CheckOutcome::Inconclusive, detail)
    }

    pub(super) fn not_applicable(name: CheckName, detail: impl Into<String>) -> Self {
        Self::of(name, CheckOutcome::NotApplicable, detail)
    }

    fn of(name: CheckName, outcome: CheckOutcome, detail: impl Into<String>) -> Self {
        Self {
            name,
            outcome,
            detail: detail.into(),
            means: (outcome == CheckOutcome::Broken).then(|| name.failure_means().to_owned()),
        }
    }
}

/// Adds those checks of a stream that were not made, for the reason that an earlier one failed.
pub(super) fn add_those_not_run(checks: &mut Vec<Check>) {
    let failed = checks.iter().rev().find(|check| check.is_failure());
    let detail = match failed {
        Some(failed) => format!("{} is {}", failed.name, failed.outcome.name()),
        None => String::from("the rehearsal did not come to it"),
    };
    for name in CheckName::OF_A_STREAM {
        if checks.iter().all(|check| check.name != name) {
            checks.push(Check::of(name, CheckOutcome::NotRun, detail.clone()));
        }
    }
    checks.sort_by_key(|check| check.name);
}

/// What follows from checks: one that is broken breaks all, and one that was not made proves nothing.
pub(super) fn verdict<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Verdict {
    let mut verdict = Verdict::Held;
    for check in checks {
        match check.outcome {
            CheckOutcome::Broken => return Verdict::Broken,
            CheckOutcome::Inconclusive | CheckOutcome::NotRun => verdict = Verdict::Inconclusive,
            CheckOutcome::Held | CheckOutcome::NotApplicable => {}
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_made_proves_nothing() {
        let mut checks = vec![
            Check::held(CheckName::Sound, ""),
            Check::inconclusive(CheckName::Restored, "no answer"),
        ];
        assert_eq!(verdict(&checks), Verdict::Inconclusive);
        add_those_not_run(&mut checks);
        let names: Vec<_> = checks.iter().map(|check| check.name).collect();
        assert_eq!(names, CheckName::OF_A_STREAM);
        assert_eq!(checks[3].outcome, CheckOutcome::NotRun);
        assert_eq!(checks[3].detail, "restored is inconclusive");
        checks.push(Check::broken(CheckName::Fresh, "old"));
        assert_eq!(verdict(&checks), Verdict::Broken);
        let fine = [
            Check::held(CheckName::Sound, ""),
            Check::not_applicable(CheckName::Usable, ""),
        ];
        assert_eq!(verdict(&fine), Verdict::Held);
    }
}
