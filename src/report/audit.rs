//! An audit as lines, the worst first, and as an object.

use serde_json::{Value, json};

use crate::audit::{Facts, Finding, Rules, Severity, StreamFacts, age, cover, messages_since};

/// An audit that was made.
pub struct AuditView<'a> {
    /// What was seen.
    pub facts: &'a Facts,
    /// What was found, the worst first.
    pub findings: &'a [Finding],
    /// What it was measured by.
    pub rules: &'a Rules,
}

/// An audit as lines: every finding, what was not checked, and the sum of it.
pub fn audit_text(view: &AuditView<'_>) -> String {
    let mut lines: Vec<String> = view.findings.iter().map(finding_line).collect();
    for unchecked in &view.facts.unchecked {
        let word = if unchecked.silent {
            "no answer"
        } else {
            "not checked"
        };
        lines.push(format!("{word}: {}", unchecked.what));
    }
    lines.push(summary(view));
    lines.join("\n")
}

fn finding_line(finding: &Finding) -> String {
    let about = match (&finding.stream, &finding.consumer) {
        (Some(stream), Some(consumer)) => format!(" {stream} > {consumer}"),
        (Some(stream), None) => format!(" {stream}"),
        (None, _) => String::new(),
    };
    format!(
        "{:8} {}{about}: {}",
        finding.severity.name(),
        finding.kind,
        finding.detail
    )
}

fn summary(view: &AuditView<'_>) -> String {
    let found = [
        (Severity::Critical, "critical", "critical"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Note, "note", "notes"),
    ];
    let found = found.map(|(severity, one, many)| {
        let found = view.findings.iter();
        counted(
            found.filter(|finding| finding.severity == severity).count(),
            one,
            many,
        )
    });
    let streams = &view.facts.streams;
    format!(
        "{}; {}, {}",
        found.join(", "),
        counted(streams.len(), "stream", "streams"),
        counted(consumers(view.facts), "consumer", "consumers")
    )
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn consumers(facts: &Facts) -> usize {
    let streams = facts.streams.iter();
    streams.map(consumers_of).sum()
}

fn consumers_of(stream: &StreamFacts) -> usize {
    stream.consumers.len() + stream.silent_consumers.len()
}

/// An audit as an object. Keys are only ever added.
pub fn audit_json(view: &AuditView<'_>) -> Value {
    let count = |severity| {
        let found = view.findings.iter();
        found.filter(|finding| finding.severity == severity).count()
    };
    let streams = view.facts.streams.iter();
    json!({
        "critical": count(Severity::Critical),
        "warnings": count(Severity::Warning),
        "notes": count(Severity::Note),
        "findings": view.findings,
        "streams": streams.map(|stream| stream_json(stream, view)).collect::<Vec<_>>(),
        "consumers": consumers(view.facts),
        "unchecked": view.facts.unchecked,
    })
}

fn stream_json(stream: &StreamFacts, view: &AuditView<'_>) -> Value {
    let cover = cover(view.facts, stream, view.rules);
    let state = stream.info.as_ref().map(|info| info.state);
    json!({
        "name": stream.name,
        "reachable": stream.info.is_some(),
        "replicas": stream.replicas(),
        "storage": stream.info.as_ref().map(|info| &info.config["storage"]),
        "leader": stream.leader(),
        "nodes": stream.holders(),
        "messages": state.map(|state| state.messages),
        "bytes": state.map(|state| state.bytes),
        "last_sequence": state.map(|state| state.last_seq),
        "consumers": consumers_of(stream),
        "last_backup": cover.backup().map(|backup| json!({
            "path": backup.path,
            "taken_at": backup.taken_at_text(),
            "age_seconds": age(backup, view.rules).as_secs(),
            "fresh": cover.is_fresh(),
            "messages": backup.messages,
            "last_sequence": backup.last_sequence,
        })),
        "messages_since": messages_since(stream, cover),
    })
}
