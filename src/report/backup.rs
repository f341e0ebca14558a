//! Backups as people and tools read them: what is in one, what is wrong with it, its messages.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde_json::{Map, Value, json};

use crate::archive::{Defect, Defects, Level, Message, Packing, Severity, time_text};
use crate::model::count;
use crate::offline::{Info, Report, Verdict};

/// So many defects are shown; `--json` has more.
const MOST_DEFECTS: usize = 50;

/// A verification as lines: every defect, then the verdict.
pub fn verification_text(report: &Report) -> String {
    let mut lines = defect_lines(&report.defects);
    lines.push(verdict_line(report));
    lines.join("\n")
}

/// A line for each defect, up to a number that can be read.
pub(super) fn defect_lines(defects: &Defects) -> Vec<String> {
    let shown = defects.kept().iter().take(MOST_DEFECTS);
    let mut lines: Vec<String> = shown.map(defect_line).collect();
    let more = defects.total().saturating_sub(MOST_DEFECTS as u64);
    if more > 0 {
        lines.push(format!("and {more} more (--json has up to 1000)"));
    }
    lines
}

fn defect_line(defect: &Defect) -> String {
    let severity = match defect.severity {
        Severity::Damage => "damage",
        Severity::Lack => "lack",
        Severity::Remark => "remark",
    };
    format!("{severity:7} {defect}")
}

fn verdict_line(report: &Report) -> String {
    let verdict = match report.verdict {
        Verdict::Sound => "sound",
        Verdict::Incomplete => "incomplete",
        Verdict::Damaged => "damaged",
    };
    let stream = report
        .stream
        .as_deref()
        .unwrap_or("a stream without a name");
    let held = report.read.map_or_else(String::new, |read| {
        format!(
            ": {} up to sequence {}, {}; {}{}",
            count(read.messages, "message"),
            read.last_sequence,
            count(read.consumers as u64, "consumer"),
            read.form,
            packing_text(read.packing)
        )
    });
    let sealed = if report.sealed {
        "sealed"
    } else {
        "not sealed"
    };
    let depth = match report.level {
        Level::Structure => " (structure only)",
        Level::Checksums => " (structure and checksums only)",
        Level::Content => "",
    };
    format!("{verdict}{depth}: {stream}{held}; {sealed}")
}

fn packing_text(packing: Packing) -> &'static str {
    match packing {
        Packing::S2 => "",
        Packing::Gzip => ", gzipped",
        Packing::None => ", not compressed",
    }
}

/// A verification as an object.
pub fn verification_json(report: &Report) -> Value {
    json!({
        "path": report.path,
        "verdict": report.verdict,
        "level": report.level,
        "sealed": report.sealed,
        "stream": report.stream,
        "read": report.read,
        "defects": report.defects.kept(),
        "defects_total": report.defects.total(),
    })
}

/// What is in a backup, as an object. So many subjects are kept.
///
/// # Errors
/// When it can't be put into JSON.
pub fn info_json(info: &mut Info, subjects: usize) -> serde_json::Result<String> {
    let total = info.totals.subjects.len();
    info.totals.subjects.truncate(subjects);
    let mut value = serde_json::to_value(&*info)?;
    value["totals"]["subjects_total"] = Value::from(total);
    value["totals"]["first_time"] = Value::from(time_text(info.totals.sums.first_time_ns));
    value["totals"]["last_time"] = Value::from(time_text(info.totals.sums.last_time_ns));
    serde_json::to_string_pretty(&value)
}

/// What is in a backup, as tables.
pub fn info_text(info: &Info, subjects: usize) -> String {
    let mut parts = vec![facts(info).to_string()];
    if !info.totals.subjects.is_empty() {
        parts.push(subjects_table(info, subjects));
    }
    if !info.consumers.is_empty() {
        parts.push(consumers_table(info).to_string());
    }
    parts.join("\n\n")
}

pub(super) fn table() -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table
}

fn facts(info: &Info) -> Table {
    let totals = &info.totals;
    let mut table = table();
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row(
        "stream",
        info.stream
            .clone()
            .unwrap_or_else(|| String::from("not told")),
    );
    let form = format!("{}{}", info.form, packing_text(info.packing));
    row("archive", form);
    let size = match info.archive_bytes {
        0 => bytes_text(info.content_bytes),
        packed => format!(
            "{}, {} unpacked",
            bytes_text(packed),
            bytes_text(info.content_bytes)
        ),
    };
    row("size", size);
    let sealed = match (&info.taken_at, info.sealed) {
        (Some(time), true) => format!("yes, taken at {time}"),
        _ => String::from("no: nothing proves that it is all that the stream had"),
    };
    row("sealed", sealed);
    if info.replaced {
        let what = "the stream that a restore replaced, as it was then";
        row("taken of", what.to_owned());
    }
    if let Some(server) = &info.server {
        row("server", server.clone());
    }
    let text = |key: &str| {
        info.config
            .get(key)
            .map(plain)
            .filter(|text| !text.is_empty())
    };
    for key in [
        "subjects",
        "retention",
        "storage",
        "num_replicas",
        "compression",
    ] {
        if let Some(value) = text(key) {
            row(key, value);
        }
    }
    row(
        "messages",
        format!("{}, {}", totals.messages, bytes_text(totals.sums.bytes)),
    );
    let range = format!("{} to {}", totals.first_sequence, info.last_sequence);
    row("sequences", format!("{range}, {} deleted", info.deleted));
    if totals.messages > 0 {
        let (first, last) = (
            time_text(totals.sums.first_time_ns),
            time_text(totals.sums.last_time_ns),
        );
        row("times", format!("{first} to {last}"));
    }
    row("consumers", info.consumers.len().to_string());
    table
}

/// A value of a configuration as people write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Null => String::new(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => other.to_string(),
    }
}

fn subjects_table(info: &Info, shown: usize) -> String {
    let subjects = &info.totals.subjects;
    let mut table = table();
    table.set_header(["subject", "messages"]);
    for (subject, count) in subjects.iter().take(shown) {
        table.add_row([subject.clone(), count.to_string()]);
    }
    align_right(&mut table, 1..2);
    let mut text = table.to_string();
    let more = subjects.len().saturating_sub(shown);
    if more > 0 {
        text.push_str(
            &format_args!("\n and {more} more subjects (--subjects 0 shows all)").to_string(),
        );
    }
    if !info.totals.subjects_complete {
        text.push_str("\n and more than a million subjects that were not counted one by one");
    }
    text
}

fn consumers_table(info: &Info) -> Table {
    let mut table = table();
    table.set_header([
        "consumer",
        "filter",
        "delivered",
        "ack floor",
        "pending",
        "redelivered",
    ]);
    for consumer in &info.consumers {
        table.add_row([
            consumer.name.clone(),
            consumer.filters.join(", "),
            consumer.delivered.to_string(),
            consumer.ack_floor.to_string(),
            consumer.pending.to_string(),
            consumer.redelivered.to_string(),
        ]);
    }
    align_right(&mut table, 2..6);
    table
}

fn align_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A size in the unit that suits it.
fn bytes_text(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// A message as a line of JSON, without the end of the line.
///
/// # Errors
/// When it can't be put into JSON.
pub fn message_line(message: &Message<'_>) -> io::Result<String> {
    let mut line = Map::new();
    line.insert(String::from("sequence"), Value::from(message.sequence));
    put_text(&mut line, "subject", message.subject);
    line.insert(
        String::from("time"),
        Value::from(time_text(Some(message.time_ns))),
    );
    if !message.headers.is_empty() {
        match headers(message.headers) {
            Some(headers) => line.insert(String::from("headers"), Value::from(headers)),
            None => {
                let raw = Value::from(STANDARD.encode(message.headers));
                line.insert(String::from("headers_base64"), raw)
            }
        };
    }
    put_text(&mut line, "payload", message.payload);
    Ok(serde_json::to_string(&line)?)
}

/// Text as it is, and anything else in base64 under another name.
fn put_text(line: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => line.insert(name.to_owned(), Value::from(text)),
        Err(_) => line.insert(
            format!("{name}_base64"),
            Value::from(STANDARD.encode(bytes)),
        ),
    };
}

/// The values of each header, when they can be told apart.
fn headers(block: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(block).ok()?;
    let mut lines = text.strip_prefix("NATS/1.0")?.split("\r\n");
    // What follows the version is a status, which a stored message hardly has.
    let status = lines.next()?;
    let mut headers = Map::new();
    if !status.is_empty() {
        return None;
    }
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        let values = headers.entry(name).or_insert_with(|| json!([]));
        values.as_array_mut()?.push(Value::from(value.trim()));
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_base64() {
        let message = Message {
            sequence: 7,
            subject: b"a",
            headers: b"NATS/1.0\r\nA: 1\r\nA: 2\r\n\r\n",
            payload: &[0xff],
            time_ns: 0,
        };
        assert_eq!(
            message_line(&message).unwrap(),
            r#"{"sequence":7,"subject":"a","time":"1970-01-01T00:00:00Z","headers":{"A":["1","2"]},"payload_base64":"/w=="}"#
        );
        let odd = Message {
            headers: b"NATS/1.0 503\r\n\r\n",
            payload: b"x",
            ..message
        };
        let line = message_line(&odd).unwrap();
        assert!(line.contains("headers_base64") && line.contains(r#""payload":"x""#));
    }
}
