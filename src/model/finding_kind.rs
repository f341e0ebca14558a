//! What kinds of things judges find.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of thing was found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Acknowledged messages are gone: everything up to some point.
    LostHead,
    /// Acknowledged messages are gone from the middle.
    LostHole,
    /// Acknowledged messages are gone: everything after some point.
    LostTail,
    /// A replica lacks messages that others have.
    ReplicaLacks,
    /// Replicas hold different things.
    ReplicasDiffer,
    /// Not as many replicas as there should be.
    ReplicaCount,
    /// A mirror, or a stream with sources, lacks what its origin holds.
    OriginHoldsMore,
    /// A replica's store is damaged.
    Damaged,
    /// A message is stored twice.
    Duplicated,
    /// A message is stored at another sequence than was acknowledged.
    Reordered,
    /// A message's subject, headers, payload or time are not what they were.
    Altered,
    /// A message that was refused, never sent, or should be gone.
    Unexpected,
    /// A client reads something else from a bucket than what was acknowledged last.
    ReadWrong,
    /// An acknowledged message was delivered again.
    Redelivered,
    /// A message that is stored was never delivered.
    Skipped,
    /// A consumer stands where it should not.
    Position,
    /// Recovery, or the time without writes, took longer than allowed.
    TooSlow,
    /// A server ended by itself, in a panic.
    ServerPanicked,
    /// A step did not do in its time what it should.
    StepFailed,
    /// A step, or the whole drill, could not be carried out.
    NotCarriedOut,
    /// Something could not be checked.
    NotChecked,
}

impl FindingKind {
    /// Every kind by the name that files and reports have for it.
    pub const ALL: [(&'static str, Self); 21] = [
        ("lost-head", Self::LostHead),
        ("lost-hole", Self::LostHole),
        ("lost-tail", Self::LostTail),
        ("replica-lacks", Self::ReplicaLacks),
        ("replicas-differ", Self::ReplicasDiffer),
        ("replica-count", Self::ReplicaCount),
        ("origin-holds-more", Self::OriginHoldsMore),
        ("damaged", Self::Damaged),
        ("duplicated", Self::Duplicated),
        ("reordered", Self::Reordered),
        ("altered", Self::Altered),
        ("unexpected", Self::Unexpected),
        ("read-wrong", Self::ReadWrong),
        ("redelivered", Self::Redelivered),
        ("skipped", Self::Skipped),
        ("position", Self::Position),
        ("too-slow", Self::TooSlow),
        ("server-panicked", Self::ServerPanicked),
        ("step-failed", Self::StepFailed),
        ("not-carried-out", Self::NotCarriedOut),
        ("not-checked", Self::NotChecked),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_name_that_it_is_written_with() {
        for (name, kind) in FindingKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
    }
}
