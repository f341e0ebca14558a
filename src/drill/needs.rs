//! What a drill needs of where it runs.

use lifeboat_harness::{Fault, Runtime};

use crate::scenario::{OperatorStep, Scenario, Step};

/// Why a drill can't be run there, if it can't: a fault of it is not possible.
///
/// # Errors
/// The reason.
pub fn check_runnable(scenario: &Scenario, runtime: Runtime) -> Result<(), String> {
    let mut faults = faults_of(scenario);
    faults
        .try_for_each(|fault| runtime.check_possible(fault))
        .map_err(|error| error.to_string())
}

/// The faults that must be possible.
pub(super) fn faults_of(scenario: &Scenario) -> impl Iterator<Item = Fault> {
    let mixes = scenario
        .clusters()
        .any(|cluster| !cluster.node_servers.is_empty());
    let by_steps = scenario.steps.iter().filter_map(fault_of);
    by_steps.chain(mixes.then_some(Fault::OtherServer))
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
