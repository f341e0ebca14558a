//! Why a step fails: a promise that was not kept, or something that could not be done at all.

use lifeboat_harness::Error as HarnessError;

use crate::backup::BackupError;

/// Why a step did not end as it should.
pub(super) enum Failure {
    Broken(String),
    Impossible(String),
}

impl Failure {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Broken(reason) | Self::Impossible(reason) => reason,
        }
    }
}

/// What should have worked and did not.
#[expect(
    clippy::needless_pass_by_value,
    reason = "errors come by value from `map_err`"
)]
pub(super) fn broken(error: impl ToString) -> Failure {
    Failure::Broken(error.to_string())
}

/// What could not be done, which says nothing about the servers' promises.
#[expect(
    clippy::needless_pass_by_value,
    reason = "errors come by value from `map_err`"
)]
pub(super) fn impossible(error: impl ToString) -> Failure {
    Failure::Impossible(error.to_string())
}

/// An error of the harness: what the servers refused or did not do in time breaks a promise,
/// what this machine could not do says nothing.
pub(super) fn by_harness(error: HarnessError) -> Failure {
    if matches!(
        error,
        HarnessError::Timeout { .. } | HarnessError::Refused { .. }
    ) {
        broken(error)
    } else {
        impossible(error)
    }
}

/// An error of an operator's request, which is made once: no answer is no success either.
pub(super) fn by_operator(error: HarnessError) -> Failure {
    if matches!(error, HarnessError::NoAnswer { .. }) {
        broken(error)
    } else {
        by_harness(error)
    }
}

/// An error of the engine; a disk of ours that is full is no server's fault.
pub(super) fn by_engine(error: BackupError) -> Failure {
    if matches!(
        error,
        BackupError::Io { .. } | BackupError::NotCompared { .. }
    ) {
        impossible(error)
    } else {
        broken(error)
    }
}
