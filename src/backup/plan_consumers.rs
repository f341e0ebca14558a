//! Which consumers a restored stream will have, and where they will stand.

use super::plan::RestorePlan;
use super::source::StreamBackup;
use crate::offline::{Why, is_mirror};

impl RestorePlan {
    /// The archive's consumers, with those that were saved beside it in their place.
    pub(super) fn choose_consumers(&mut self, backup: &StreamBackup, reset: bool) {
        let last = backup.survey.last_sequence;
        self.consumers.clone_from(&backup.survey.consumers);
        for saved in &backup.saved_consumers {
            saved.take_place(&mut self.consumers, last);
            self.lacks.retain(|lack| !saved.mends(lack));
            self.remarks.push(match saved.why {
                Why::LeftOut => format!(
                    "consumer {} is restored from what was saved beside the archive",
                    saved.name
                ),
                Why::Ahead | Why::RolledBack => saved.explanation(),
            });
        }
        let is_mirror = is_mirror(&self.config);
        for consumer in &mut self.consumers {
            let place = format!("consumer {}:", consumer.name);
            if consumer.is_beyond(last) && reset {
                consumer.set_back(last);
                self.lacks.retain(|lack| !lack.starts_with(&place));
                self.remarks.push(format!(
                    "consumer {} was ahead of the stream and is set back to its end, {last}",
                    consumer.name
                ));
            } else if consumer.is_beyond(backup.survey.indexed_sequence) {
                self.obstacles.push(format!(
                    "consumer {} is ahead of the stream, and would not deliver what is published \
                     next; --reset-consumers sets it back",
                    consumer.name
                ));
            } else if is_mirror && consumer.is_beyond(last) {
                self.remarks.push(format!(
                    "consumer {} is ahead of what the mirror holds, {last}: where its origin was set \
                     back too it would not deliver what comes next; --reset-consumers sets it back",
                    consumer.name
                ));
            }
        }
    }
}
