//! The opposite of a scenario's expectation: a drill that holds both ways proves nothing.

use super::operator_step::OperatorStep;
use super::resolved::Scenario;
use super::step::Step;
use crate::ledger::LossScope;
use crate::model::Feed;

impl Scenario {
    /// The same drill, expecting what must not be: all is lost where nothing may be, nothing where
    /// all was to be. Where that can't be told apart, a replica too many is expected. What mirrors hold
    /// was never sent.
    #[must_use]
    pub fn inverted(&self) -> Self {
        let mut inverted = self.clone();
        // Without a fault nothing is before it, and what a stream drops, or an operator removes, may
        // be gone anyway.
        let drops = self.streams.iter().any(|stream| stream.keeping.drops());
        let purges = self.steps.iter().any(|step| {
            matches!(
                step,
                Step::Operator(OperatorStep::Purge { .. } | OperatorStep::DeleteMessages { .. })
            )
        });
        // The opposite of a drill about a mirror has to be broken by the mirror.
        let mirrors = self
            .streams
            .iter()
            .any(|one| !one.feed.origins().is_empty());
        let breaks = self.steps.iter().any(Step::is_fault) && !drops && !purges && !mirrors;
        inverted.expect.lost = match self.expect.lost {
            LossScope::Nothing if breaks => LossScope::BeforeFault,
            LossScope::Nothing
            | LossScope::AfterBackup
            | LossScope::AfterCopy
            | LossScope::BeforeFault => LossScope::Nothing,
        };
        if self.expect.lost == LossScope::Nothing && !breaks && !mirrors {
            for stream in &mut inverted.streams {
                stream.replicas += 1;
            }
        }
        let derived = inverted.streams.iter_mut();
        for stream in derived.filter(|stream| !stream.feed.origins().is_empty()) {
            stream.feed = Feed::Sources(Vec::new());
        }
        // How long it takes is no part of it: where all is lost there is no recovery.
        inverted.expect.recovery_time = None;
        inverted.expect.write_outage = None;
        // What is known of the drill says nothing of its opposite.
        inverted.expect.known.clear();
        inverted
    }
}

#[cfg(test)]
mod tests {
    use crate::ledger::LossScope;
    use crate::scenario::Catalog;

    #[test]
    fn every_scenario_has_an_opposite() {
        for source in Catalog::built_in().unwrap().all() {
            let (scenario, inverted) = (&source.scenario, source.scenario.inverted());
            let replicas = |scenario: &crate::scenario::Scenario| -> usize {
                scenario.streams.iter().map(|stream| stream.replicas).sum()
            };
            let feeds = |scenario: &crate::scenario::Scenario| -> Vec<_> {
                let streams = scenario.streams.iter();
                streams.map(|stream| stream.feed.clone()).collect()
            };
            assert!(
                feeds(&inverted) != feeds(scenario)
                    || inverted.expect.lost != scenario.expect.lost
                    || replicas(&inverted) != replicas(scenario),
                "{}",
                scenario.name
            );
            assert_ne!(inverted.expect.lost, LossScope::AfterBackup);
        }
    }
}
