//! Did a consumer get every message, none again that it had acknowledged, and does it stand
//! where it should?

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Figures, Finding, FindingKind};
use super::history::{History, Place, StreamHistory};
use crate::ledger::LossScope;
use crate::model::{ConsumerPosition, Fingerprint, Keeping};

/// One consumer of one stream, and what it is judged by.
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) lost: LossScope,
    pub(super) keeping: &'a Keeping,
    pub(super) stream: &'a StreamHistory<'a>,
    pub(super) history: &'a History<'a>,
}

impl Subject<'_> {
    pub(super) fn judge(&self, figures: &mut Figures, findings: &mut Vec<Finding>) {
        let (consumer, stream) = (self.name, self.stream);
        let restore = restored(consumer, stream);
        self.redelivered(restore, figures, findings);
        skipped(consumer, stream, restore, findings);
        position(consumer, stream, self.keeping, findings);
    }

    /// Deliveries of messages whose acknowledgement the consumer had confirmed. After a restore the
    /// consumer stands where the backup had it, so only what was acknowledged *there* counts.
    fn redelivered(
        &self,
        restore: Option<Restored<'_>>,
        figures: &mut Figures,
        findings: &mut Vec<Finding>,
    ) {
        let (consumer, stream) = (self.name, self.stream);
        // A disk that is put back knows nothing of what was acknowledged to it meanwhile.
        let forgotten = self.history.forgotten();
        let forgotten = forgotten.filter(|_| self.lost == LossScope::AfterCopy);
        let mut wrong = Vec::new();
        for delivery in stream
            .deliveries
            .iter()
            .filter(|one| one.consumer == consumer)
        {
            let message = delivery.message;
            let acks = stream.acks.get(&(consumer, message.id.as_str()));
            let mut acks = acks.into_iter().flatten();
            let Some(acked) = acks.rfind(|acked| **acked < delivery.place) else {
                continue;
            };
            figures.redelivered += 1;
            let between = restore.filter(|one| *acked < one.place && one.place < delivery.place);
            let excused = between.is_some_and(|one| one.position.owes(message.sequence));
            let forgot = forgotten.is_some_and(|(copying, _, put_back)| {
                (copying..put_back).contains(acked) && put_back < delivery.place
            });
            if !excused && !forgot {
                wrong.push(message);
            }
        }
        if let Some(first) = wrong.first() {
            let text = format!(
                "{consumer} of {} was given {} messages again that it had acknowledged ({} at sequence {})",
                stream.name,
                wrong.len(),
                first.id,
                first.sequence
            );
            findings.push(Finding::broken(FindingKind::Redelivered, text));
        }
    }
}

/// Where the consumer stood in the backup that was restored, and when that was.
#[derive(Clone, Copy)]
struct Restored<'a> {
    place: Place,
    position: &'a ConsumerPosition,
}

fn restored<'a>(consumer: &str, stream: &StreamHistory<'a>) -> Option<Restored<'a>> {
    let (place, _) = stream.restoring?;
    let backup = stream.restored_backup()?;
    let position = backup
        .consumers
        .iter()
        .find(|saved| saved.name == consumer)?;
    Some(Restored { place, position })
}

/// Messages that are stored and that the consumer was never given; after a restore, not given
/// again although the backup had them as not acknowledged.
fn skipped(
    consumer: &str,
    stream: &StreamHistory<'_>,
    restore: Option<Restored<'_>>,
    findings: &mut Vec<Finding>,
) {
    let mut last_delivery: BTreeMap<&str, Place> = BTreeMap::new();
    for delivery in stream
        .deliveries
        .iter()
        .filter(|one| one.consumer == consumer)
    {
        last_delivery.insert(&delivery.message.id, delivery.place);
    }
    let held: BTreeMap<u64, &Fingerprint> = stream
        .replicas
        .values()
        .flat_map(|replica| &replica.messages)
        .map(|message| (message.sequence, *message))
        .collect();
    let owed: Vec<_> = held
        .values()
        .filter(
            |message| match (last_delivery.get(message.id.as_str()), restore) {
                (None, _) => true,
                (Some(last), Some(one)) => one.position.owes(message.sequence) && *last < one.place,
                (Some(_), None) => false,
            },
        )
        .collect();
    if let Some(first) = owed.first() {
        let text = format!(
            "{consumer} of {} was never given {} messages that are stored ({} at sequence {})",
            stream.name,
            owed.len(),
            first.id,
            first.sequence
        );
        findings.push(Finding::broken(FindingKind::Skipped, text));
    }
}

/// At the end everything is delivered and acknowledged, so the consumer stands at the stream's end.
fn position(
    consumer: &str,
    stream: &StreamHistory<'_>,
    keeping: &Keeping,
    findings: &mut Vec<Finding>,
) {
    let name = stream.name;
    let Some((position, undelivered)) = stream.positions.get(consumer) else {
        let text = format!("{consumer} of {name} did not say where it stands at the end");
        findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
        return;
    };
    let ends: BTreeSet<u64> = stream
        .replicas
        .values()
        .filter_map(|replica| replica.messages.last())
        .map(|message| message.sequence)
        .collect();
    // Where the last messages may have been removed the leader tells where the stream ends.
    let is_thinned = keeping.drops() || !stream.purges.is_empty() || !stream.removals.is_empty();
    let told = stream.bounds.filter(|_| is_thinned).map(|(_, last)| last);
    let Some(last) = ends.last().copied().max(told).filter(|last| *last > 0) else {
        let text = format!("{consumer} of {name} can't be placed: no replica holds a message");
        findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
        return;
    };
    let (delivered, floor) = (position.delivered.stream, position.ack_floor.stream);
    if delivered > last {
        let text = format!(
            "{consumer} of {name} stands at {delivered}, beyond the stream's end at {last}"
        );
        findings.push(Finding::broken(FindingKind::Position, text));
    } else if *undelivered > 0 || floor != last {
        let text = format!(
            "{consumer} of {name} ended with {undelivered} messages to deliver and its ack floor at {floor} of {last}"
        );
        findings.push(Finding::broken(FindingKind::Position, text));
    }
}
