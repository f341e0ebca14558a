//! What a drill needs of where it runs.

use std::collections::BTreeSet;

use lifeboat_harness::{Fault, Runtime};

use crate::scenario::{ClusterSpec, OperatorStep, Scenario, Step};

/// Why a drill can't be run there, if it can't: a fault of it is not possible.
///
/// # Errors
/// The reason.
pub fn check_runnable(scenario: &Scenario, runtime: Runtime) -> Result<(), String> {
    let mut faults = scenario
        .clusters()
        .flat_map(|cluster| faults_in(scenario, cluster));
    faults
        .try_for_each(|fault| runtime.check_possible(fault))
        .map_err(|error| error.to_string())
}

/// The faults that must be possible in one of the clusters: those of the steps that are about it.
pub(super) fn faults_in(scenario: &Scenario, cluster: &ClusterSpec) -> BTreeSet<Fault> {
    let is_first = std::ptr::eq(cluster, &scenario.cluster);
    let takes_over = |step: &Step| matches!(step, Step::Operator(OperatorStep::FailOver));
    let over = scenario.steps.iter().position(takes_over);
    let over = over.unwrap_or(scenario.steps.len());
    let (before, after) = scenario.steps.split_at(over);
    let steps = if is_first { before } else { after };
    let mixes = !cluster.node_servers.is_empty();
    let by_steps = steps.iter().filter_map(fault_of);
    by_steps
        .chain(mixes.then_some(Fault::OtherServer))
        .collect()
}

/// What a step needs of the runtime.
fn fault_of(step: &Step) -> Option<Fault> {
    match step {
        Step::Cut { .. } | Step::Delay { .. } | Step::Heal { .. } => Some(Fault::Network),
        Step::FillDisk { .. } | Step::FreeDisk { .. } => Some(Fault::FullDisk),
        Step::ReadOnly { .. } | Step::Writable { .. } => Some(Fault::ReadOnlyStore),
        Step::LimitMemory { .. } => Some(Fault::MemoryLimit),
        Step::Publish { .. } | Step::Run { .. } | Step::Kill { .. } | Step::Stop { .. } => None,
        Step::Pause { .. } | Step::Resume { .. } | Step::Start { .. } => None,
        Step::AddNode { .. } | Step::PeerRemove { .. } | Step::StepDown { .. } => None,
        Step::Unavailable { .. } | Step::Wait { .. } | Step::NoReplacement { .. } => None,
        Step::Backup { .. } | Step::DeleteStream { .. } | Step::Restore { .. } => None,
        Step::Elect { .. } | Step::Refuse { .. } => None,
        Step::StartFails { .. } | Step::Ends { .. } => None,
        Step::Operator(OperatorStep::Upgrade { .. }) => Some(Fault::OtherServer),
        Step::Operator(_) | Step::Disk(_) | Step::Transfer(_) | Step::Bucket(_) => None,
    }
}
