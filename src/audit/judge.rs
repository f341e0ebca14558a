//! From what was seen to findings: streams and their backups. Pure, so that it can be tested
//! without a server.

use std::time::Duration;

use time::OffsetDateTime;

use super::backups::Backup;
use super::copies::Agreement;
use super::facts::{Facts, StreamFacts};
use super::finding::{Finding, Kind, Severity};
use super::words::{names, size, span_text};
use super::{judge_consumers, judge_servers};
use crate::model::count;

/// What findings are measured by.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The time.
    pub now: OffsetDateTime,
    /// Older backups do not count as fresh; any age will do without it.
    pub max_age: Option<Duration>,
}

/// What backups save of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover<'a> {
    /// Nobody looked for backups.
    NotLooked,
    /// There is no sealed one.
    None,
    /// Everything up to a moment that is recent enough.
    Fresh(&'a Backup),
    /// Everything up to a moment that is too long ago.
    Stale(&'a Backup),
    /// The backup goes further than the stream: it is of another one, or the stream lost messages.
    Ahead(&'a Backup),
}

impl<'a> Cover<'a> {
    /// The newest sealed backup.
    pub fn backup(self) -> Option<&'a Backup> {
        match self {
            Self::NotLooked | Self::None => None,
            Self::Fresh(backup) | Self::Stale(backup) | Self::Ahead(backup) => Some(backup),
        }
    }

    /// Whether it is recent enough.
    pub fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh(_))
    }
}

/// Judges everything that was seen, the worst first.
pub fn judge(facts: &Facts, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stream in &facts.streams {
        let cover = cover(facts, stream, rules);
        let one = One {
            stream,
            cover,
            rules,
            facts,
        };
        one.copies(&mut findings);
        one.group(&mut findings);
        one.backup(&mut findings);
        judge_consumers::judge(stream, &mut findings);
    }
    judge_servers::judge(facts, &mut findings);
    let key = |finding: &Finding| {
        let severity = std::cmp::Reverse(finding.severity);
        (severity, finding.kind, finding.stream.clone())
    };
    findings.sort_by_key(key);
    findings
}

/// What the backups that were found save of a stream.
pub fn cover<'a>(facts: &'a Facts, stream: &StreamFacts, rules: &Rules) -> Cover<'a> {
    let Some(backups) = &facts.backups else {
        return Cover::NotLooked;
    };
    let Some(backup) = backups.newest.get(&stream.name) else {
        return Cover::None;
    };
    let last_seq = stream.info.as_ref().map(|info| info.state.last_seq);
    if last_seq.is_some_and(|last_seq| last_seq < backup.last_sequence) {
        Cover::Ahead(backup)
    } else if rules.max_age.is_some_and(|most| age(backup, rules) > most) {
        Cover::Stale(backup)
    } else {
        Cover::Fresh(backup)
    }
}

/// How old a backup is; nothing, when the clocks disagree.
pub fn age(backup: &Backup, rules: &Rules) -> Duration {
    Duration::try_from(rules.now - backup.taken_at).unwrap_or_default()
}

/// A stream, and what it is judged by.
struct One<'a> {
    stream: &'a StreamFacts,
    cover: Cover<'a>,
    rules: &'a Rules,
    facts: &'a Facts,
}

impl One<'_> {
    fn found(&self, severity: Severity, kind: Kind, node: Option<&str>, detail: String) -> Finding {
        Finding::new(severity, kind, detail)
            .of(&self.stream.name)
            .on(node)
    }

    /// Worse without a fresh backup.
    fn unless_saved(&self, with: Severity, without: Severity) -> Severity {
        if self.cover.is_fresh() { with } else { without }
    }

    /// What is at stake, and what a backup saves of it.
    fn stake(&self) -> String {
        let held = self.stream.info.as_ref().map(|info| info.state);
        let held = held.unwrap_or_default();
        let messages = count(held.messages, "message");
        format!("{messages}, {}; {}", size(held.bytes), self.saved())
    }

    /// What backups save.
    fn saved(&self) -> String {
        let of = |backup: &Backup| {
            let age = span_text(age(backup, self.rules));
            match self.since() {
                Some(since) => format!("a backup {age} old, {} since", count(since, "message")),
                None => format!("a backup {age} old"),
            }
        };
        match self.cover {
            Cover::NotLooked => String::from("backups were not looked for"),
            Cover::None => String::from("no sealed backup"),
            Cover::Fresh(backup) => of(backup),
            Cover::Stale(backup) => format!("{}, which is too old", of(backup)),
            Cover::Ahead(_) => String::from("its backup is not of what it holds now"),
        }
    }

    /// Messages since the newest backup: what would be lost with all copies.
    fn since(&self) -> Option<u64> {
        messages_since(self.stream, self.cover)
    }

    /// How many copies there are, where, and of what sort.
    fn copies(&self, findings: &mut Vec<Finding>) {
        use Severity::{Critical, Note, Warning};
        let stream = self.stream;
        let Some(replicas) = stream.replicas() else {
            let answering = self.facts.servers.as_ref();
            let nowhere = answering.map_or_else(
                || String::from("a node that is not known"),
                |servers| {
                    let servers = names(servers.keys().map(String::as_str), "none");
                    format!("no server that answers ({servers})")
                },
            );
            let nodes = names(stream.holders(), &nowhere);
            let detail = format!(
                "it does not answer, so that nobody can use it: it is on {nodes}; {}; {}",
                stream.silence,
                self.saved()
            );
            let found = self.found(Critical, Kind::StreamUnreachable, stream.node(), detail);
            findings.push(found);
            return;
        };
        let node = stream.node();
        let place = node.unwrap_or("a node that is not told");
        let finding = match (replicas, stream.is_in_memory()) {
            (1, true) => {
                let detail = format!(
                    "only copy is in the memory of {place}: lost when its server ends; {}",
                    self.stake()
                );
                let severity = self.unless_saved(Warning, Critical);
                self.found(severity, Kind::MemoryStream, node, detail)
            }
            (1, false) => {
                let remark = judge_servers::remark(self.facts, node);
                let detail = format!(
                    "only copy is on {place}: lost with its disk; {}{remark}",
                    self.stake()
                );
                let severity = self.unless_saved(Warning, Critical);
                self.found(severity, Kind::R1Stream, node, detail)
            }
            (_, true) => {
                let holders = names(stream.holders(), "no node that is known");
                let detail = format!(
                    "it is kept in memory, on {holders}: lost when all these servers end; {}",
                    self.stake()
                );
                let severity = self.unless_saved(Note, Warning);
                self.found(severity, Kind::MemoryStream, None, detail)
            }
            (2, false) => {
                let holders = names(stream.holders(), "no node that is known");
                let detail = format!(
                    "two replicas, on {holders}: with either of them down there is no quorum, and \
                     nothing can be written"
                );
                self.found(Warning, Kind::R2Stream, None, detail)
            }
            _ => return,
        };
        findings.push(finding);
    }

    /// Whether the group is as it should be, by its leader's word and by the copies.
    fn group(&self, findings: &mut Vec<Finding>) {
        use Severity::{Critical, Warning};
        let stream = self.stream;
        let (Some(replicas), Some(info)) = (stream.replicas(), &stream.info) else {
            return;
        };
        if info.cluster.is_some() && stream.leader().is_none() {
            let holders = names(stream.holders(), "no node that is known");
            let detail = format!(
                "no leader, so that nobody can use it: its replicas are on {holders}; {}",
                self.stake()
            );
            findings.push(self.found(Critical, Kind::NoLeader, None, detail));
            return;
        }
        let followers = stream.followers();
        let peers = followers.len() as u64 + 1;
        if peers < replicas {
            let holders = names(stream.holders(), "no node that is known");
            let detail = format!("{peers} of {replicas} replicas, on {holders}");
            findings.push(self.found(Warning, Kind::UnderReplicated, None, detail));
        }
        for gone in followers.iter().filter(|one| one.offline) {
            let name = gone.name.as_str();
            let detail = format!("its replica on {name} is offline");
            findings.push(self.found(Warning, Kind::ReplicaOffline, Some(name), detail));
        }
        for late in stream.behind() {
            let name = late.name.as_str();
            let detail = if late.lag > 0 {
                format!(
                    "its replica on {name} is {} behind",
                    count(late.lag, "operation")
                )
            } else {
                format!("its replica on {name} is not current")
            };
            findings.push(self.found(Warning, Kind::ReplicaBehind, Some(name), detail));
        }
        self.unequal(findings);
    }

    /// Copies that hold something else than the leader's.
    fn unequal(&self, findings: &mut Vec<Finding>) {
        let stream = self.stream;
        let copy = |node: &str| match stream.copies.get(node) {
            Some(copy) if copy.last_seq > 0 => format!(
                "{} in {}..{}, {} deleted",
                count(copy.messages, "message"),
                copy.first_seq,
                copy.last_seq,
                copy.num_deleted
            ),
            _ => String::from("nothing"),
        };
        let leader = stream.leader().unwrap_or_default();
        for node in stream.watch.nodes(Agreement::Unequal) {
            let mut flags = stream.followers().iter();
            let is_told = flags.any(|one| one.name == node && (one.offline || !one.current));
            // One that calls itself whole and is not may lead next, and then that is what there is.
            let severity = if is_told {
                Severity::Warning
            } else {
                self.unless_saved(Severity::Warning, Severity::Critical)
            };
            let detail = format!(
                "its replica on {node} has {}; the leader's on {leader} has {}{}",
                copy(node),
                copy(leader),
                if is_told {
                    ""
                } else {
                    ", and calls it current"
                }
            );
            findings.push(self.found(severity, Kind::ReplicasUnequal, Some(node), detail));
        }
    }

    /// What its newest backup is worth.
    fn backup(&self, findings: &mut Vec<Finding>) {
        use Severity::{Note, Warning};
        match self.cover {
            Cover::NotLooked => return,
            Cover::None => {
                let detail = String::from("no sealed backup was found");
                findings.push(self.found(Warning, Kind::BackupMissing, None, detail));
            }
            Cover::Fresh(_) => {}
            Cover::Stale(backup) => {
                let (path, most) = (
                    backup.path.display(),
                    self.rules.max_age.unwrap_or_default(),
                );
                let detail = format!(
                    "{}, and may be {} old: {path}",
                    self.saved().replace(", which is too old", ""),
                    span_text(most)
                );
                findings.push(self.found(Warning, Kind::BackupStale, None, detail));
            }
            Cover::Ahead(backup) => {
                let last_seq = self.stream.info.as_ref().map(|info| info.state.last_seq);
                let detail = format!(
                    "its backup goes to sequence {}, the stream only to {}: it was made anew, or \
                     lost messages; {}",
                    backup.last_sequence,
                    last_seq.unwrap_or_default(),
                    backup.path.display()
                );
                findings.push(self.found(Warning, Kind::BackupAhead, None, detail));
            }
        }
        let Some(backup) = self.cover.backup() else {
            return;
        };
        if self.is_younger_than(backup) {
            let detail = format!(
                "the stream was made after its newest backup was taken: unless it was restored \
                 from it, the backup is of an earlier stream; {}",
                backup.path.display()
            );
            findings.push(self.found(Note, Kind::BackupOfEarlierStream, None, detail));
        }
        for lack in &backup.lacks {
            let detail = format!("its newest backup lacks something: {lack}");
            findings.push(self.found(Note, Kind::BackupIncomplete, None, detail));
        }
    }

    /// Whether the stream was made after the backup was taken.
    fn is_younger_than(&self, backup: &Backup) -> bool {
        use time::format_description::well_known::Rfc3339;
        let info = self.stream.info.as_ref();
        let created = info.and_then(|info| info.created.as_deref());
        let created = created.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        created.is_some_and(|created| created > backup.taken_at)
    }
}

/// Messages that a stream took since its newest backup; none when that can't be told.
pub fn messages_since(stream: &StreamFacts, cover: Cover<'_>) -> Option<u64> {
    match cover {
        Cover::NotLooked | Cover::None | Cover::Ahead(_) => None,
        Cover::Fresh(backup) | Cover::Stale(backup) => {
            let last_seq = stream.info.as_ref()?.state.last_seq;
            Some(last_seq - backup.last_sequence)
        }
    }
}
