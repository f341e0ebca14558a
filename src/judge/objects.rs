//! Buckets with objects: is every object read as it was put?

use std::collections::BTreeMap;

use super::delivery::{counts, equality, read_replicas};
use super::finding::{Figures, Finding, FindingKind};
use super::history::{History, Place, StreamHistory};
use super::{Rules, StreamRules};
use crate::ledger::{BucketObject, Event, LossScope, Stamped};
use crate::model::Digest;

/// Judges the replicas of one such bucket. What is in them only clients can tell.
pub(super) fn judge(
    _: &Rules,
    own: &StreamRules,
    stream: &StreamHistory<'_>,
    _: &History<'_>,
    figures: &mut Figures,
    findings: &mut Vec<Finding>,
) {
    let replicas = read_replicas(own.replicas, stream, figures, findings);
    equality(own, stream, &replicas, findings);
    counts(own, stream, &replicas, findings);
}

/// Judges every reading of one such bucket.
pub(super) fn judge_reading(
    lost: LossScope,
    events: &[Stamped],
    history: &History<'_>,
    stream: &str,
    findings: &mut Vec<Finding>,
) {
    let mut put: BTreeMap<&str, (Place, Digest)> = BTreeMap::new();
    let mut readings = 0;
    for (place, stamped) in events.iter().enumerate() {
        if let Event::ObjectPut {
            stream: of,
            name,
            content,
        } = &stamped.event
        {
            if of == stream {
                put.insert(name, (place, *content));
            }
        } else if let Event::ObjectsRead {
            stream: of,
            objects,
        } = &stamped.event
            && of == stream
        {
            readings += 1;
            let gone = |at: Place| is_lost(lost, history, stream, at, place);
            compare(stream, &put, objects, gone, findings);
        }
    }
    if readings == 0 || put.is_empty() {
        let text = format!("no object of {stream} was put and read again");
        findings.push(Finding::inconclusive(FindingKind::NotChecked, text));
    }
}

/// Whether an object that was put there is gone when it is read.
fn is_lost(lost: LossScope, history: &History<'_>, stream: &str, put: Place, read: Place) -> bool {
    match lost {
        LossScope::Nothing | LossScope::AfterCopy => false,
        LossScope::BeforeFault => history
            .faults
            .iter()
            .any(|fault| put < fault.began && fault.began < read),
        LossScope::AfterBackup => {
            let own = history.streams.get(stream);
            let restoring = own.and_then(|own| own.restoring).map(|(place, _)| place);
            let backup = own.and_then(StreamHistory::restored_backup);
            restoring.zip(backup).is_some_and(|(restoring, backup)| {
                backup.place < put && put < restoring && restoring < read
            })
        }
    }
}

fn compare(
    stream: &str,
    put: &BTreeMap<&str, (Place, Digest)>,
    objects: &[BucketObject],
    gone: impl Fn(Place) -> bool,
    findings: &mut Vec<Finding>,
) {
    let read: BTreeMap<&str, &BucketObject> = objects
        .iter()
        .map(|object| (object.name.as_str(), object))
        .collect();
    let mut wrong = Vec::new();
    for (name, (place, content)) in put {
        match (read.get(name), gone(*place)) {
            (None, true) => {}
            (None, false) => wrong.push(format!("{name} is not there")),
            (Some(_), true) => wrong.push(format!("{name} should be gone and is not")),
            (Some(object), false) => match &object.content {
                Ok(own) if own == content => {}
                Ok(_) => wrong.push(format!("{name} has another content")),
                Err(reason) => wrong.push(format!("{name} can't be read: {reason}")),
            },
        }
    }
    let strange = read.keys().filter(|name| !put.contains_key(*name));
    wrong.extend(strange.map(|name| format!("{name} was never put")));
    if let Some(first) = wrong.first() {
        let text = format!(
            "{} of {} objects of {stream} are not read as they should be ({first})",
            wrong.len(),
            put.len()
        );
        findings.push(Finding::broken(FindingKind::ReadWrong, text));
    }
}
