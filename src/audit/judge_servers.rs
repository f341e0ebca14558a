//! What the servers themselves, and directories that are no sealed backups, give cause to say.

use std::collections::BTreeMap;

use super::copies::Agreement;
use super::facts::{Facts, ServerFacts, Unchecked};
use super::finding::{Finding, Kind, Severity};
use super::words::{names, span_text};

/// Judges servers and odd directories.
pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    // Servers of a cluster are mostly alike: one finding for those that are.
    let mut alike: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (name, server) in facts.servers.iter().flatten() {
        if let Some(interval) = unsynced(server) {
            alike.entry(interval).or_default().push(name);
        }
    }
    for (interval, servers) in alike {
        let node = match servers[..] {
            [one] => Some(one),
            _ => None,
        };
        let (servers, interval) = (names(servers, ""), span_text(interval));
        let detail = format!(
            "{servers}: written to disk every {interval}, and acknowledged before that. A loss of \
             power takes what was acknowledged meanwhile, of a replicated stream when it takes all its \
             nodes (sync_interval)"
        );
        findings.push(Finding::new(Severity::Note, Kind::SyncInterval, detail).on(node));
    }
    for odd in facts.backups.iter().flat_map(|backups| &backups.odd) {
        // What was sealed and can't be used is what somebody counts on.
        let severity = if odd.kind == Kind::BackupUnusable {
            Severity::Warning
        } else {
            Severity::Note
        };
        let detail = format!("{} does not count: {}", odd.path.display(), odd.reason);
        let mut finding = Finding::new(severity, odd.kind, detail);
        finding.stream.clone_from(&odd.stream);
        findings.push(finding);
    }
}

/// What is added to a stream whose only copy is on that node.
pub(super) fn remark(facts: &Facts, node: Option<&str>) -> String {
    let servers = facts.servers.as_ref();
    let server = node.and_then(|node| servers?.get(node));
    server
        .and_then(unsynced)
        .map_or_else(String::new, |interval| {
            format!("; written to disk every {}", span_text(interval))
        })
}

/// How often a server writes to disk, when it acknowledges before that.
fn unsynced(server: &ServerFacts) -> Option<std::time::Duration> {
    let interval = server.sync_interval?;
    (!server.sync_always && !interval.is_zero()).then_some(interval)
}

/// The streams whose copies changed from look to look.
pub(super) fn too_busy(facts: &Facts) -> Option<Unchecked> {
    let busy = facts.streams.iter();
    let busy = busy.filter(|stream| stream.watch.nodes(Agreement::Busy).next().is_some());
    let busy = names(busy.map(|stream| stream.name.as_str()), "");
    (!busy.is_empty()).then(|| Unchecked {
        what: format!("the copies of streams that are too busy to be compared by counts: {busy}"),
        silent: false,
    })
}
