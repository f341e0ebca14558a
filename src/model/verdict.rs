//! How a drill ends. Three ways, because a check that did not run proves nothing.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding_kind::FindingKind;

/// The outcome of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that was promised was seen.
    Held,
    /// Something that was promised was seen not to be so.
    Broken,
    /// It can't be told: a check did not run, or the drill could not be set up.
    Inconclusive,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// The verdict a scenario states for the server version at hand, with the known defect that
/// explains it when it is not `held`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// The verdict.
    pub verdict: Verdict,
    /// The known defect, such as `nats-server#2792`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Whether it holds as well: what is known shows in some runs only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sometimes: bool,
    /// What kinds of findings the defect shows itself by; any when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingKind>,
}

impl Expected {
    /// Whether a verdict is the one to be expected, or one of the two, and what broke it is what is
    /// known: another defect in the same drill is no known one.
    pub fn is_met_by(&self, verdict: Verdict, broken: &[FindingKind]) -> bool {
        if self.sometimes && verdict == Verdict::Held {
            return true;
        }
        let is_known = |kind: &FindingKind| self.findings.contains(kind);
        verdict == self.verdict && (self.findings.is_empty() || broken.iter().all(is_known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_that_is_known_excuses_no_other() {
        let known = |sometimes, findings: &[FindingKind]| Expected {
            verdict: Verdict::Broken,
            because: Some(String::from("nats-server#1")),
            sometimes,
            findings: findings.to_vec(),
        };
        let (lost, damaged) = ([FindingKind::LostTail], [FindingKind::Damaged]);
        let expected = known(true, &lost);
        assert!(expected.is_met_by(Verdict::Broken, &lost));
        assert!(expected.is_met_by(Verdict::Held, &[]));
        assert!(!expected.is_met_by(Verdict::Broken, &[lost, damaged].concat()));
        assert!(!expected.is_met_by(Verdict::Inconclusive, &[]));
        assert!(!known(false, &lost).is_met_by(Verdict::Held, &[]));
        assert!(known(false, &[]).is_met_by(Verdict::Broken, &damaged));
    }
}
