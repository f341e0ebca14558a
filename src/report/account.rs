//! Backups of accounts: what is in them, and what is wrong with them.

use serde_json::{Value, json};

use super::backup::{defect_lines, table, verification_json, verification_text};
use crate::model::count;
use crate::offline::{AccountInfo, AccountRecord, AccountReport, Verdict};

/// What a verification of an account's backup found: each stream, then the whole.
pub fn account_verification_text(report: &AccountReport) -> String {
    let mut lines: Vec<String> = report.streams.iter().map(verification_text).collect();
    lines.extend(defect_lines(&report.defects));
    let verdict = match report.verdict {
        Verdict::Sound => "sound",
        Verdict::Incomplete => "incomplete",
        Verdict::Damaged => "damaged",
    };
    let sealed = if report.sealed {
        "sealed"
    } else {
        "not sealed"
    };
    lines.push(format!(
        "{verdict}: {} in {}; {sealed}",
        count(report.streams.len() as u64, "stream"),
        report.path.display()
    ));
    lines.join("\n")
}

/// The same, for tools.
pub fn account_verification_json(report: &AccountReport) -> Value {
    let streams: Vec<Value> = report.streams.iter().map(verification_json).collect();
    json!({
        "path": report.path,
        "verdict": report.verdict,
        "sealed": report.sealed,
        "streams": streams,
        "defects": report.defects.kept(),
        "defects_total": report.defects.total(),
    })
}

/// What is in an account's backup, as a table.
pub fn account_text(info: &AccountInfo) -> String {
    let mut table = table();
    table.set_header([
        "stream",
        "messages",
        "last",
        "consumers",
        "bytes",
        "form",
        "taken",
    ]);
    for (name, manifest) in &info.streams {
        match manifest {
            Some(one) => table.add_row([
                name.clone(),
                one.messages.to_string(),
                one.last_sequence.to_string(),
                one.consumers.len().to_string(),
                one.archive_bytes.to_string(),
                one.form.to_string(),
                one.taken_at.clone(),
            ]),
            None => table.add_row([name, "not sealed: see `lifeboat info` of its directory"]),
        };
    }
    let mut text = table.to_string();
    if let Some(record) = &info.record {
        text.push_str(&format_record(record));
    }
    text
}

fn format_record(record: &AccountRecord) -> String {
    format!(
        "\n\nthe account had {} and {}; streams were saved from {} to {}",
        count(record.had.streams, "stream"),
        count(record.had.consumers, "consumer"),
        record.began_at,
        record.ended_at
    )
}
