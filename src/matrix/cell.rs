//! A cell of a matrix: the runs of one drill on one server version, and their sum.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::judge::RunRecord;
use crate::model::{Expected, FindingKind, Verdict};

/// A drill on a server version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// The digest of what the drill does: runs of another say nothing of it.
    #[serde(default)]
    pub drill_digest: String,
    /// Every run, oldest first.
    #[serde(default)]
    pub history: Vec<Brief>,
    /// How many runs there were.
    pub runs: usize,
    /// How many of them held.
    pub held: usize,
    /// How many of them were broken.
    pub broken: usize,
    /// How many of them told nothing.
    pub inconclusive: usize,
    /// The verdict the scenario states for this version, and the known defect that explains it.
    pub expected: Expected,
    /// Seconds from the first fault to the stream being whole, where that was measured.
    pub recovery_seconds: Option<Range>,
    /// The longest time without an acknowledged message, in seconds.
    pub write_outage_seconds: Option<Range>,
    /// Acknowledged messages that were lost; none where that is not known.
    pub lost: Option<Range>,
    /// Seconds that a run took.
    pub elapsed_seconds: Option<Range>,
    /// Why the first run that was not as expected, or else the first that was not held, was not:
    /// its worst finding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Where that run's evidence is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub evidence: Option<PathBuf>,
}

/// A run in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Brief {
    /// When it began (RFC 3339).
    pub at: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What kinds of findings broke it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub broken_by: Vec<FindingKind>,
    /// Seconds from the first fault to the stream being whole, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recovery_seconds: Option<f64>,
    /// The longest time without an acknowledged message, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub write_outage_seconds: Option<f64>,
    /// Acknowledged messages that were lost; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lost: Option<u64>,
    /// Seconds that it took.
    pub elapsed_seconds: f64,
}

impl Brief {
    fn of(run: &RunRecord) -> Self {
        let figures = &run.judgement.figures;
        // A thousandth of a second is more than anybody measures here.
        let rounded = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        Self {
            at: run.began_at.clone(),
            verdict: run.verdict(),
            broken_by: run.broken_by(),
            recovery_seconds: figures.recovery_seconds.map(rounded),
            write_outage_seconds: figures.write_outage_seconds.map(rounded),
            lost: (figures.unread == 0).then_some(figures.lost),
            elapsed_seconds: rounded(run.elapsed_seconds),
        }
    }
}

/// The least, the middle and the most of several figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// The least.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The most.
    pub most: f64,
}

impl Range {
    /// Of figures that were measured; of none there is none.
    fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Some(Self {
            least: *figures.first()?,
            median: figures[figures.len() / 2],
            most: *figures.last()?,
        })
    }

    /// One figure when all are the same, else the least and the most with `between` between them.
    pub fn text(self, digits: usize, between: &str) -> String {
        let least = format!("{:.digits$}", self.least);
        let most = format!("{:.digits$}", self.most);
        if least == most {
            least
        } else {
            format!("{least}{between}{most}")
        }
    }
}

impl Cell {
    /// The verdicts that there were, and how often.
    pub fn verdicts(&self) -> impl Iterator<Item = (Verdict, usize)> {
        let counts = [
            (Verdict::Held, self.held),
            (Verdict::Broken, self.broken),
            (Verdict::Inconclusive, self.inconclusive),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0)
    }

    /// The verdict of all runs; none when they differ.
    pub fn verdict(&self) -> Option<Verdict> {
        let all = self.verdicts().find(|(_, count)| *count == self.runs);
        all.map(|(verdict, _)| verdict)
    }

    /// Whether every run had the verdict to be expected.
    pub fn is_as_expected(&self) -> bool {
        // Tables of earlier versions have no history.
        let mut verdicts = self.verdicts();
        let mut history = self.history.iter();
        history.all(|run| self.expected.is_met_by(run.verdict, &run.broken_by))
            && verdicts.all(|(verdict, _)| self.expected.is_met_by(verdict, &[]))
    }

    /// Of the runs of one drill on one version; of none there is none.
    pub(super) fn of(runs: &[&RunRecord]) -> Option<Self> {
        let told = runs
            .iter()
            .find(|run| !run.is_as_expected())
            .or_else(|| runs.iter().find(|run| run.verdict() != Verdict::Held));
        let last = runs.last()?;
        let reason = told.and_then(|run| {
            let worst = run.judgement.findings.first()?;
            Some(worst.text.clone())
        });
        let mut cell = Self::summed(
            runs.iter().map(|run| Brief::of(run)).collect(),
            last.expected.clone(),
        );
        cell.drill_digest.clone_from(&last.drill_digest);
        cell.reason = reason;
        cell.evidence = told.map(|run| run.evidence.clone());
        Some(cell)
    }

    /// The same with later runs, if they are of the same drill; else the later ones alone.
    pub(super) fn joined_with(self, later: Self) -> Self {
        if self.drill_digest != later.drill_digest {
            return later;
        }
        let told = |cell: &Self| (cell.reason.clone(), cell.evidence.clone());
        // What is not as expected is told rather than what is known.
        let is_unexpected = !self.history.iter().all(|run| {
            let expected = &later.expected;
            expected.is_met_by(run.verdict, &run.broken_by)
        });
        let (reason, evidence) = match (told(&self), told(&later)) {
            (earlier @ (Some(_), _), later) if is_unexpected || later.0.is_none() => earlier,
            (_, later) => later,
        };
        let mut history = self.history;
        // The same run may be given twice: the one directory merged again, with more in it.
        let is_new = |run: &Brief| !history.contains(run);
        let new: Vec<_> = later.history.into_iter().filter(is_new).collect();
        history.extend(new);
        history.sort_by(|a, b| a.at.cmp(&b.at));
        let mut cell = Self::summed(history, later.expected);
        cell.drill_digest = later.drill_digest;
        (cell.reason, cell.evidence) = (reason, evidence);
        cell
    }

    fn summed(history: Vec<Brief>, expected: Expected) -> Self {
        let count = |verdict| history.iter().filter(|run| run.verdict == verdict).count();
        let figure =
            |figure: fn(&Brief) -> Option<f64>| Range::of(history.iter().filter_map(figure));
        Self {
            drill_digest: String::new(),
            runs: history.len(),
            held: count(Verdict::Held),
            broken: count(Verdict::Broken),
            inconclusive: count(Verdict::Inconclusive),
            expected,
            recovery_seconds: figure(|run| run.recovery_seconds),
            write_outage_seconds: figure(|run| run.write_outage_seconds),
            lost: figure(|run| run.lost.map(|lost| lost as f64)),
            elapsed_seconds: figure(|run| Some(run.elapsed_seconds)),
            reason: None,
            evidence: None,
            history,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::run;
    use super::*;

    #[test]
    fn runs_are_added_to_those_of_the_same_drill_only() {
        let cell = |digest: &str, verdict| {
            let mut run = run("2.15.1", verdict, 1.0);
            run.drill_digest = digest.to_owned();
            Cell::of(&[&run]).unwrap()
        };
        let twice = cell("a", Verdict::Held).joined_with(cell("a", Verdict::Held));
        assert_eq!(twice.runs, 1);
        let both = cell("a", Verdict::Held).joined_with(cell("a", Verdict::Broken));
        assert_eq!((both.runs, both.held, both.broken), (2, 1, 1));
        assert_eq!(both.verdict(), None);
        let other = cell("a", Verdict::Held).joined_with(cell("b", Verdict::Broken));
        assert_eq!((other.runs, other.broken), (1, 1));
        let mut old = cell("a", Verdict::Broken);
        old.history.clear();
        assert!(!old.is_as_expected());
    }
}
