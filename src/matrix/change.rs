//! What has changed since an earlier matrix: verdicts, and recoveries that take much longer or shorter.

use super::cell::Cell;
use super::table::Table;
use crate::model::Verdict;

/// A recovery changed when it takes so many times as long, or the other way round, ...
const TIMES: f64 = 2.0;
/// ... and the difference is more than an election takes by chance, in seconds.
const SECONDS: f64 = 5.0;

/// What changed in one cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It was not there before.
    New,
    /// Its runs had another verdict; none when they differed among themselves.
    Verdict(Option<Verdict>),
    /// Recovery took so many seconds, in the median.
    Recovery(f64),
}

impl Cell {
    /// What changed since an earlier cell of the same drill, or one of another version.
    pub fn change_since(&self, then: &Self) -> Option<Change> {
        if self.verdict() != then.verdict() {
            return Some(Change::Verdict(then.verdict()));
        }
        let recovery = |cell: &Self| cell.recovery_seconds.map(|range| range.median);
        let (now, then) = recovery(self).zip(recovery(then))?;
        let (less, more) = (now.min(then), now.max(then));
        (more > less * TIMES && more - less > SECONDS).then_some(Change::Recovery(then))
    }
}

impl Table {
    /// What changed in a cell since an earlier matrix.
    pub fn change_since(&self, earlier: &Self, scenario: &str, version: &str) -> Option<Change> {
        let now = self.cell(scenario, version)?;
        let Some(then) = earlier.cell(scenario, version) else {
            return Some(Change::New);
        };
        now.change_since(then)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::run;
    use super::*;
    use crate::judge::RunRecord;
    use crate::model::Expected;

    fn table(runs: &[RunRecord]) -> Table {
        Table::of(runs.iter().map(|run| ("what it shows", run)))
    }

    #[test]
    fn verdicts_and_slow_recoveries_are_changes() {
        let then = table(&[
            run("2.9.1", Verdict::Held, 4.0),
            run("2.10.1", Verdict::Held, 4.0),
            run("2.10.1", Verdict::Broken, 4.0),
        ]);
        assert_eq!(then.servers[0].version, "2.9.1");
        let now = table(&[
            run("2.9.1", Verdict::Held, 10.0),
            run("2.10.1", Verdict::Held, 4.0),
            run("2.11.1", Verdict::Held, 4.0),
        ]);
        let change = |version| now.change_since(&then, "drill", version);
        assert_eq!(change("2.9.1"), Some(Change::Recovery(4.0)));
        assert_eq!(change("2.10.1"), Some(Change::Verdict(None)));
        assert_eq!(change("2.11.1"), Some(Change::New));
        assert_eq!(now.change_since(&now, "drill", "2.9.1"), None);
    }

    #[test]
    fn what_is_known_to_break_sometimes_may_differ_and_tell_nothing_else() {
        let mut runs = [
            run("2.15.1", Verdict::Held, 3.0),
            run("2.15.1", Verdict::Broken, 5.0),
        ];
        for run in &mut runs {
            run.expected = Expected {
                verdict: Verdict::Broken,
                because: Some(String::from("nats-server#1")),
                sometimes: true,
                findings: Vec::new(),
            };
        }
        assert!(
            table(&runs)
                .cell("drill", "2.15.1")
                .unwrap()
                .is_as_expected()
        );
        runs[0].judgement.verdict = Verdict::Inconclusive;
        assert!(
            !table(&runs)
                .cell("drill", "2.15.1")
                .unwrap()
                .is_as_expected()
        );
    }

    #[test]
    fn a_cell_that_differs_from_run_to_run_is_never_as_expected() {
        let table = table(&[
            run("2.15.1", Verdict::Held, 3.0),
            run("2.15.1", Verdict::Held, 5.0),
            run("2.15.1", Verdict::Inconclusive, 4.0),
        ]);
        let cell = table.cell("drill", "2.15.1").unwrap();
        assert_eq!((cell.held, cell.inconclusive), (2, 1));
        assert_eq!(cell.verdict(), None);
        assert!(!cell.is_as_expected());
        let recovery = cell.recovery_seconds.unwrap();
        assert_eq!(
            (recovery.least, recovery.median, recovery.most),
            (3.0, 4.0, 5.0)
        );
    }
}
