//! What should have become of each acknowledged message: whether the faults of a drill took it, an
//! operator removed it, or it must be there.

use super::history::{Acknowledged, History, Place, StreamHistory};
use crate::ledger::LossScope;

/// What should have become of an acknowledged message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Held,
    Lost,
    /// An operator removed it, and it must be nowhere.
    Removed,
    /// It was sent or acknowledged while one was turning into the other.
    Either,
}

impl History<'_> {
    /// What should have become of an acknowledged message.
    pub(super) fn fate(
        &self,
        scope: LossScope,
        stream: &StreamHistory<'_>,
        message: Acknowledged<'_>,
    ) -> Fate {
        let fate = self.fate_by_faults(scope, stream, message);
        match stream.removed_at(message) {
            None => fate,
            // What is gone twice is gone.
            Some(_) if fate == Fate::Lost => fate,
            Some(at) if self.may_have_come_back(stream, at) => Fate::Either,
            Some(_) => Fate::Removed,
        }
    }

    /// Whether what was removed there may have come back: from a backup, or with an old disk.
    fn may_have_come_back(&self, stream: &StreamHistory<'_>, removed: Place) -> bool {
        let restored = stream.restoring.is_some_and(|(place, _)| place > removed);
        let rolled_back = self.rolling_back.is_some_and(|(place, _)| place > removed);
        restored || rolled_back
    }

    fn fate_by_faults(
        &self,
        scope: LossScope,
        stream: &StreamHistory<'_>,
        message: Acknowledged<'_>,
    ) -> Fate {
        match (scope, self.faults.last()) {
            (LossScope::Nothing, _) | (LossScope::BeforeFault, None) => Fate::Held,
            (LossScope::BeforeFault, Some(fault)) => {
                if message.place < fault.began {
                    Fate::Lost
                } else if fault.over.is_none_or(|over| message.sent < over) {
                    Fate::Either
                } else {
                    Fate::Held
                }
            }
            (LossScope::AfterBackup, _) => self.fate_after_backup(stream, message),
            (LossScope::AfterCopy, _) => self.fate_after_copy(message),
        }
    }

    fn fate_after_backup(&self, stream: &StreamHistory<'_>, message: Acknowledged<'_>) -> Fate {
        let (Some((restoring, _)), Some(backup)) = (stream.restoring, stream.restored_backup())
        else {
            return Fate::Held;
        };
        let deleted = stream.deleting.filter(|place| *place > backup.place);
        let deleting = deleted.unwrap_or(restoring);
        // A stream that is replaced takes messages until the backup is in its place.
        let in_place = match deleted {
            Some(_) => restoring,
            None => stream.restored.unwrap_or(Place::MAX),
        };
        let fault = self.faults.iter().find(|fault| fault.began > backup.place);
        // Here the stream that was backed up ends. Until it is deleted an empty one of the
        // same name may take messages, whose sequences say nothing.
        let ended = fault
            .and_then(|fault| fault.over)
            .map_or(deleting, |over| over.min(deleting));
        if message.place < ended {
            if message.sequence <= backup.last_sequence {
                Fate::Held
            } else {
                Fate::Lost
            }
        } else if message.place < deleting {
            Fate::Lost
        } else if message.sent < in_place {
            Fate::Either
        } else {
            Fate::Held
        }
    }

    /// The disks know what was acknowledged before they were copied, and nothing of what came until
    /// they were put back.
    fn fate_after_copy(&self, message: Acknowledged<'_>) -> Fate {
        let Some((copying, copied, put_back)) = self.forgotten() else {
            return Fate::Held;
        };
        if message.place < copying || message.sent > put_back {
            Fate::Held
        } else if message.sent > copied && message.place < put_back {
            Fate::Lost
        } else {
            Fate::Either
        }
    }

    /// What disks that were put back know nothing of: from where copying them began and was over,
    /// to where they were put back.
    pub(super) fn forgotten(&self) -> Option<(Place, Place, Place)> {
        let (put_back, copy) = self.rolling_back?;
        let (copying, copied) = self.copies.get(copy).copied()?;
        Some((copying, copied?, put_back))
    }
}

impl StreamHistory<'_> {
    /// Where an operator removed a message, by a purge or by its sequence.
    fn removed_at(&self, message: Acknowledged<'_>) -> Option<Place> {
        let restoring = self.restoring.map(|(place, _)| place);
        // What a backup holds is in the restored stream, at the same sequence.
        let is_in_backup = self
            .restored_backup()
            .is_some_and(|backup| message.sequence <= backup.last_sequence);
        let came_back = |place: Place| {
            restoring.is_some_and(|restoring| {
                is_in_backup && message.place < restoring && restoring < place
            })
        };
        let is_meant = |place: Place| {
            // Another stream of that name uses the same sequences again.
            let mut others = [self.deleting, restoring].into_iter().flatten();
            let is_other = others.any(|other| message.place < other && other < place);
            message.sent < place && (!is_other || came_back(place))
        };
        let sequence = message.sequence;
        let purged = self.purges.iter();
        let purged = purged.filter(|(place, below)| sequence < *below && is_meant(*place));
        let removed = self.removals.iter().filter(|(place, sequences)| {
            sequences.binary_search(&sequence).is_ok() && is_meant(*place)
        });
        let purged = purged.map(|(place, _)| *place);
        let places = purged.chain(removed.map(|(place, _)| *place));
        places.max()
    }
}
