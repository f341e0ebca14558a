//! A rehearsal as people read it: the streams, what failed and what that means, and the verdict last.

use std::time::Duration;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use indicatif::HumanBytes;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::model::count;
use crate::rehearsal::{Check, CheckOutcome, Rehearsal, StreamRehearsal};

/// Everything on a rehearsal.
pub fn rehearsal_text(rehearsal: &Rehearsal) -> String {
    let mut parts = vec![rehearsal_table(rehearsal).to_string()];
    let failed: Vec<String> = rehearsal
        .all_checks()
        .filter_map(|(stream, check)| failure(stream, check))
        .collect();
    if !failed.is_empty() {
        parts.push(failed.join("\n"));
    }
    let told = told(rehearsal);
    if !told.is_empty() {
        parts.push(told.join("\n"));
    }
    parts.push(rehearsal_headline(rehearsal));
    parts.join("\n\n")
}

/// A row for each stream.
pub(super) fn rehearsal_table(rehearsal: &Rehearsal) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "stream",
            "verdict",
            "messages",
            "bytes",
            "consumers",
            "replicas",
            "recovery",
            "comparing",
        ]);
    for one in &rehearsal.streams {
        table.add_row([
            one.stream.clone(),
            one.verdict.to_string(),
            one.messages.to_string(),
            HumanBytes(one.bytes).to_string(),
            one.consumers.to_string(),
            one.replicas.to_string(),
            seconds(one, one.recovery_seconds),
            seconds(one, one.timing.comparing_seconds),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// How long something took, where the stream came back.
fn seconds(one: &StreamRehearsal, seconds: f64) -> String {
    if one.came_back {
        format!("{seconds:.1} s")
    } else {
        String::from("-")
    }
}

/// A check that did not hold: what was seen, and what that means.
fn failure(stream: Option<&str>, check: &Check) -> Option<String> {
    if !check.is_failure() {
        return None;
    }
    let about = stream.unwrap_or("the backup");
    let mut text = format!(
        "{:12} {about} > {}: {}",
        check.outcome.name(),
        check.name,
        check.detail
    );
    if let Some(means) = &check.means {
        text.push_str("\n             ");
        text.push_str(means);
    }
    Some(text)
}

/// What is worth knowing of it, and breaks nothing.
pub(super) fn told(rehearsal: &Rehearsal) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(sample) = &rehearsal.sample {
        told.push(format!(
            "note: a sample: {} of {} streams, {} of {}; seed {}; not rehearsed: {}",
            sample.streams,
            sample.of_streams,
            HumanBytes(sample.bytes),
            HumanBytes(sample.of_bytes),
            sample.seed,
            sample.left_out.join(", ")
        ));
    }
    if let Some(live) = &rehearsal.live {
        let since = live.messages_since().map_or_else(
            || String::from("an unknown number of messages"),
            |since| count(since, "message"),
        );
        told.push(format!(
            "recovery point: {since} in {}: what would have been lost, had the live system been lost when \
             its backup was complete, after {:.1} s",
            live.age_seconds().map_or_else(
                || String::from("an unknown time"),
                |seconds| format!("{seconds:.1} s")
            ),
            live.backup_seconds
        ));
    }
    for check in &rehearsal.checks {
        if check.outcome == CheckOutcome::Held {
            told.push(format!("{}: {}", check.name, check.detail));
        }
    }
    for one in &rehearsal.streams {
        told.extend(
            one.remarks
                .iter()
                .map(|remark| format!("note: {}: {remark}", one.stream)),
        );
    }
    told
}

/// How long recovery took, where there was one.
pub(super) fn recovery(rehearsal: &Rehearsal) -> String {
    rehearsal.recovery_seconds.map_or_else(
        || String::from("not all of it recovered"),
        |seconds| format!("recovery time {seconds:.1} s"),
    )
}

/// One line on a rehearsal.
pub fn rehearsal_headline(rehearsal: &Rehearsal) -> String {
    let streams = count(rehearsal.streams.len() as u64, "stream");
    let messages = rehearsal.streams.iter().map(|one| one.messages);
    let messages = messages.fold(0, u64::saturating_add);
    format!(
        "{}: {streams}, {}, on nats-server {} with {}; {}; {}",
        rehearsal.verdict,
        count(messages, "message"),
        rehearsal.server,
        count(rehearsal.nodes as u64, "node"),
        recovery(rehearsal),
        rehearsal.evidence.display()
    )
}

/// A report with a suite for each stream, one for the whole, and a case for each check.
///
/// # Errors
/// Never in practice: writing to memory does not fail.
pub fn rehearsal_as_junit(rehearsal: &Rehearsal) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("lifeboat rehearsal");
    let mut whole = TestSuite::new(rehearsal.backup.display().to_string());
    whole.add_test_cases(rehearsal.checks.iter().map(case));
    if !rehearsal.checks.is_empty() {
        report.add_test_suite(whole);
    }
    for one in &rehearsal.streams {
        let mut suite = TestSuite::new(format!("stream {}", one.stream));
        suite.set_time(Duration::from_secs_f64(one.recovery_seconds));
        suite.add_test_cases(one.checks.iter().map(case));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(check: &Check) -> TestCase {
    let non_success = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(check.detail.clone());
        if let Some(means) = &check.means {
            status.set_description(means.clone());
        }
        status
    };
    let status = match check.outcome {
        CheckOutcome::Held => TestCaseStatus::success(),
        CheckOutcome::Broken => non_success(NonSuccessKind::Failure),
        CheckOutcome::Inconclusive => non_success(NonSuccessKind::Error),
        CheckOutcome::NotRun | CheckOutcome::NotApplicable => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(check.detail.clone());
            status
        }
    };
    TestCase::new(check.name.name(), status)
}
