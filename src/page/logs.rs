//! What servers logged while a drill ran: the lines that tell of trouble, leaders and peers.

use std::fs;
use std::path::Path;

use maud::{Markup, html};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::words::{counted, seconds};

/// How many lines of a node are shown.
const MOST_LINES: usize = 200;
/// A line of a hostile server may be of any length.
const LONGEST_LINE: usize = 1000;
/// Logs do not tell their time zone; no zone is finer than this.
const ZONE_STEP_SECONDS: i64 = 15 * 60;

/// What lines without a warning are about to be shown, in lower case.
const TELLING: [&str; 10] = [
    "leader",
    "election",
    "peer",
    "quorum",
    "recover",
    "restored",
    "healthcheck",
    "catchup",
    "lame duck",
    "initiating shutdown",
];

/// The lines that one node's server wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeLog {
    pub(super) node: String,
    pub(super) lines: Vec<LogLine>,
}

/// A line with a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine {
    /// As the server's clock shows it, in a zone that is not told.
    at: PrimitiveDateTime,
    /// Such as `WRN`.
    level: String,
    text: String,
}

/// A line that is shown, in seconds since the drill began.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToldLine {
    pub(super) at: f64,
    pub(super) level: String,
    pub(super) text: String,
}

impl NodeLog {
    /// The logs of every node whose directory is there.
    pub(super) fn all_in(nodes: &Path, remarks: &mut Vec<String>) -> Vec<Self> {
        let entries = fs::read_dir(nodes).into_iter().flatten().flatten();
        let mut directories: Vec<_> = entries.map(|entry| entry.path()).collect();
        directories.sort();
        let mut logs = Vec::new();
        for directory in directories.iter().filter(|path| path.is_dir()) {
            let node = directory.file_name().unwrap_or_default();
            match fs::read(directory.join("server.log")) {
                Ok(bytes) => logs.push(Self {
                    node: node.to_string_lossy().into_owned(),
                    lines: lines(&String::from_utf8_lossy(&bytes)),
                }),
                Err(error) => {
                    remarks.push(format!("no log of {}: {error}", node.to_string_lossy()))
                }
            }
        }
        logs
    }

    /// The lines that tell something, and how many of them are left out for their number.
    pub(super) fn told(&self, began: PrimitiveDateTime, end: f64) -> (Vec<ToldLine>, usize) {
        let told = self.lines.iter().filter(|line| line.is_telling());
        let told = told.filter_map(|line| {
            let at = (line.at - began).as_seconds_f64();
            (at >= 0.0 && at <= end + 1.0).then(|| ToldLine {
                at,
                level: line.level.clone(),
                text: line.text.chars().take(LONGEST_LINE).collect(),
            })
        });
        let mut told: Vec<_> = told.collect();
        let left_out = told.len().saturating_sub(MOST_LINES);
        told.truncate(MOST_LINES);
        (told, left_out)
    }
}

impl LogLine {
    /// Reads `[pid] 2026/11/27 00:27:11.123456 [INF] text`.
    fn parse(line: &str) -> Option<Self> {
        let line = match line.strip_prefix('[') {
            Some(rest) => rest.split_once("] ")?.1,
            None => line,
        };
        let (time, rest) = line.split_once(" [")?;
        let (level, text) = rest.split_once("] ")?;
        let format = format_description!(
            "[year]/[month]/[day] [hour]:[minute]:[second].[subsecond digits:6]"
        );
        Some(Self {
            at: PrimitiveDateTime::parse(time, format).ok()?,
            level: level.to_owned(),
            text: text.to_owned(),
        })
    }

    fn is_telling(&self) -> bool {
        if self.level != "INF" && self.level != "DBG" && self.level != "TRC" {
            // Every server with passwords in its configuration says so, and these are made up for the drill.
            return !self.text.starts_with("Plaintext passwords detected");
        }
        let text = self.text.to_lowercase();
        self.level == "INF" && TELLING.iter().any(|word| text.contains(word))
    }
}

fn lines(text: &str) -> Vec<LogLine> {
    text.lines().filter_map(LogLine::parse).collect()
}

/// When the drill began by the clock of the logs: their zone is told by the first line, which is written
/// as soon as the drill begins.
pub(super) fn began_by_logs(logs: &[NodeLog], began: OffsetDateTime) -> Option<PrimitiveDateTime> {
    let first = logs.iter().filter_map(|log| log.lines.first());
    let first = first.map(|line| line.at).min()?;
    let began = PrimitiveDateTime::new(began.date(), began.time());
    let seconds = (first - began).whole_seconds();
    let half = ZONE_STEP_SECONDS / 2;
    let steps = seconds.saturating_add(half).div_euclid(ZONE_STEP_SECONDS);
    began.checked_add(Duration::seconds(steps.saturating_mul(ZONE_STEP_SECONDS)))
}

/// A block for each node, which opens when it is clicked.
pub(super) fn section(logs: &[NodeLog], began: Option<OffsetDateTime>, end: f64) -> Markup {
    let zero = began.and_then(|began| began_by_logs(logs, began));
    html! {
        section id="logs" {
            h2 { "What the servers logged" }
            @if logs.is_empty() {
                p .quiet { "There are no logs: they are copied when a run comes to its end." }
            } @else if let Some(zero) = zero {
                p .quiet {
                    "Warnings, errors, and lines about leaders, peers and recovery. Times are seconds since the drill \
                     began; the whole logs are beside the ledger, under " code { "nodes/" } "."
                }
                @for log in logs { (of_node(log, zero, end)) }
            } @else {
                p .quiet { "When the drill began is not told, so the lines of the logs can't be placed." }
            }
        }
    }
}

fn of_node(log: &NodeLog, zero: PrimitiveDateTime, end: f64) -> Markup {
    let (told, left_out) = log.told(zero, end);
    let troubles = told.iter().filter(|line| line.level != "INF").count();
    html! {
        details .log {
            summary {
                b { (log.node) } " "
                (counted(told.len() + left_out, "line")) ", " (counted(troubles, "warning or error"))
            }
            @if told.is_empty() {
                p .quiet { "Nothing of that kind." }
            } @else {
                ol .lines {
                    @for line in &told {
                        li .trouble[line.level != "INF"] {
                            span .at { (seconds(line.at)) } " "
                            span .level { (line.level) } " "
                            span .text { (line.text) }
                        }
                    }
                }
            }
            @if left_out > 0 {
                p .quiet { (counted(left_out, "later line")) " left out: they are in the log itself." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn log(text: &str) -> NodeLog {
        NodeLog {
            node: String::from("n1"),
            lines: lines(text),
        }
    }

    #[test]
    fn lines_are_placed_whatever_zone_the_server_logs_in() {
        let log = log(
            "[7] 2026/11/27 05:57:12.500000 [INF] Starting nats-server\n\
             no line of a server\n\
             [7] 2026/11/27 05:57:20.250000 [WRN] JetStream is slow <b>\n\
             [7] 2026/11/27 05:57:21.000000 [INF] 127.0.0.1:1 - rid:9 - Route connection created\n\
             [7] 2026/11/27 05:57:22.000000 [INF] JetStream cluster new stream leader for 'A > S'\n",
        );
        let began = datetime!(2026-11-27 00:27:12 UTC);
        let zero = began_by_logs(std::slice::from_ref(&log), began).unwrap();
        let (told, left_out) = log.told(zero, 60.0);
        assert_eq!(left_out, 0);
        let told: Vec<_> = told
            .iter()
            .map(|line| (line.at, line.level.as_str()))
            .collect();
        assert_eq!(told, [(8.25, "WRN"), (10.0, "INF")]);
        // After the end of the drill nothing is shown.
        assert_eq!(log.told(zero, 5.0).0, []);
    }

    #[test]
    fn many_lines_are_counted_and_left_out() {
        let line = "[7] 2026/11/27 00:00:01.000000 [ERR] again\n";
        let log = log(&line.repeat(MOST_LINES + 3));
        let zero = began_by_logs(std::slice::from_ref(&log), datetime!(2026-11-27 00:00 UTC));
        let (told, left_out) = log.told(zero.unwrap(), 9.0);
        assert_eq!((told.len(), left_out), (MOST_LINES, 3));
        assert_eq!(began_by_logs(&[], datetime!(2026-11-27 00:00 UTC)), None);
    }
}
