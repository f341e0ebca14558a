//! Runs and rehearsals in Markdown, for a pull request or a CI job's summary.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use super::rehearsal::{recovery, rehearsal_table, told};
use super::text::{counts, runs_table};
use crate::judge::RunRecord;
use crate::rehearsal::Rehearsal;

/// Runs: the counts, the table, and what was found in those that are not as expected.
pub fn runs_markdown(runs: &[RunRecord]) -> String {
    let mut parts = vec![
        format!("### Lifeboat drills: {}", counts(runs)),
        in_markdown(runs_table(runs)),
    ];
    for run in runs.iter().filter(|run| !run.is_as_expected()) {
        let findings = run.judgement.findings.iter();
        let lines: Vec<_> = findings
            .map(|finding| format!("- {}: {}", finding.verdict, escaped(&finding.text)))
            .collect();
        parts.push(format!(
            "**{} on {}** was {}, and {} was expected:\n\n{}",
            run.scenario,
            run.server,
            run.verdict(),
            run.expected.verdict,
            lines.join("\n")
        ));
    }
    parts.join("\n\n") + "\n"
}

/// A rehearsal: the verdict, the streams, and what failed with what that means.
pub fn rehearsal_markdown(rehearsal: &Rehearsal) -> String {
    let mut parts = vec![
        format!(
            "### Lifeboat rehearsal: {} on nats-server {}, {}",
            rehearsal.verdict,
            rehearsal.server,
            recovery(rehearsal)
        ),
        in_markdown(rehearsal_table(rehearsal)),
    ];
    let failed: Vec<_> = rehearsal
        .all_checks()
        .filter(|(_, check)| check.is_failure())
        .map(|(stream, check)| {
            let mut line = format!(
                "- **{} {}** of {}: {}",
                check.name,
                check.outcome.name(),
                stream.unwrap_or("the backup"),
                escaped(&check.detail)
            );
            if let Some(means) = &check.means {
                line.push_str(". _");
                line.push_str(means);
                line.push('_');
            }
            line
        })
        .collect();
    if !failed.is_empty() {
        parts.push(failed.join("\n"));
    }
    let told: Vec<_> = told(rehearsal)
        .iter()
        .map(|line| format!("- {}", escaped(line)))
        .collect();
    if !told.is_empty() {
        parts.push(told.join("\n"));
    }
    parts.join("\n\n") + "\n"
}

fn in_markdown(mut table: Table) -> String {
    table.load_style(ASCII_MARKDOWN);
    for column in table.column_iter_mut() {
        column.set_padding((1, 1));
    }
    table.to_string()
}

/// Text that means nothing in Markdown.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\n' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '<' | '>' | '|' | '[' | ']' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_no_markup() {
        assert_eq!(escaped("a_b <c> | d\n*e*"), r"a\_b \<c\> \| d \*e\*");
    }
}
