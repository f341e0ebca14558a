//! What servers logged while a drill ran: the lines that tell of trouble, leaders and peers.

use std::fs;
use std::path::Path;

use maud::{Markup, html};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::timeline::Timeline;
use super::words::{counted, seconds};

/// How many lines of a node are shown.
const MOST_LINES: usize = 200;
/// A line of a hostile server may be of any length, and so may what it writes when it dies.
const LONGEST_LINE: usize = 1000;
/// The level of lines that have none, such as those of a panic.
const NO_LEVEL: &str = "OUT";
/// Logs do not tell their time zone; no zone is finer than this.
const ZONE_STEP_SECONDS: i64 = 15 * 60;
/// Clocks of a machine and of its containers differ by no more, and times are cut to seconds.
const CLOCK_SECONDS: i64 = 2;

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

/// What is shown of a log.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) lines: Vec<ToldLine>,
    pub(super) left_out: usize,
    /// Warnings and errors, those that are left out as well.
    pub(super) troubles: usize,
    /// None of its lines lies within the drill.
    pub(super) is_outside: bool,
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

    /// The lines that tell something. Of too many those are left out that are far from a fault and from
    /// the end.
    pub(super) fn told(&self, began: PrimitiveDateTime, end: f64, faults: &[f64]) -> Told {
        let after = |line: &LogLine| (line.at - began).as_seconds_f64();
        let is_within = |line: &&LogLine| (0.0..=end + 1.0).contains(&after(line));
        let within: Vec<_> = self.lines.iter().filter(is_within).collect();
        let telling: Vec<_> = within.iter().filter(|line| line.is_telling()).collect();
        let distance = |line: &LogLine| {
            let places = faults.iter().chain([&end]);
            let distances = places.map(|place| (after(line) - place).abs());
            distances.fold(f64::MAX, f64::min)
        };
        let mut nearest = telling.clone();
        nearest.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.truncate(MOST_LINES);
        // In their own order, which a stable sort keeps where times are the same.
        nearest.sort_by_key(|line| line.at);
        Told {
            is_outside: within.is_empty() && !self.lines.is_empty(),
            left_out: telling.len() - nearest.len(),
            troubles: telling.iter().filter(|line| line.level != "INF").count(),
            lines: nearest
                .into_iter()
                .map(|line| ToldLine {
                    at: after(line),
                    level: line.level.clone(),
                    text: line.text.chars().take(LONGEST_LINE).collect(),
                })
                .collect(),
        }
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

/// Lines with a time; those without one, as of a panic, are a line at the time of the one before.
fn lines(text: &str) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = Vec::new();
    for text in text.lines() {
        if let Some(line) = LogLine::parse(text) {
            lines.push(line);
            continue;
        }
        let Some(last) = lines.last_mut() else {
            continue;
        };
        if text.trim().is_empty() {
            continue;
        }
        if last.level != NO_LEVEL {
            let at = last.at;
            lines.push(LogLine {
                at,
                level: NO_LEVEL.to_owned(),
                text: text.to_owned(),
            });
        } else if last.text.len() < LONGEST_LINE {
            last.text.push_str(" / ");
            last.text.push_str(text.trim());
        }
    }
    lines
}

/// When the drill began by the clock of the logs, whose zone is not told: servers write their first line
/// after the drill began and before they were ready. None where no zone makes it so.
pub(super) fn began_by_logs(
    logs: &[NodeLog],
    began: OffsetDateTime,
    ready_us: Option<u64>,
) -> Option<PrimitiveDateTime> {
    let first = logs.iter().filter_map(|log| log.lines.first());
    let first = first.map(|line| line.at).min()?;
    let began = PrimitiveDateTime::new(began.date(), began.time());
    let seconds = (first - began).whole_seconds();
    // Without its end the first line came soon.
    let ready = ready_us.map_or(ZONE_STEP_SECONDS - 2 * CLOCK_SECONDS, |at| {
        i64::try_from(at / 1_000_000).unwrap_or_default()
    });
    let latest = ready.saturating_add(CLOCK_SECONDS);
    // The smallest step of zones that has it written before that.
    let steps = seconds
        .saturating_sub(latest)
        .saturating_add(ZONE_STEP_SECONDS - 1)
        .div_euclid(ZONE_STEP_SECONDS);
    let after = seconds.saturating_sub(steps.saturating_mul(ZONE_STEP_SECONDS));
    if after < -CLOCK_SECONDS {
        return None;
    }
    began.checked_add(Duration::seconds(steps.saturating_mul(ZONE_STEP_SECONDS)))
}

/// A block for each node, which opens when it is clicked.
pub(super) fn section(
    logs: &[NodeLog],
    began: Option<OffsetDateTime>,
    ready_us: Option<u64>,
    timeline: &Timeline,
) -> Markup {
    let zero = began.and_then(|began| began_by_logs(logs, began, ready_us));
    let faults: Vec<f64> = timeline.faults.iter().map(|mark| mark.at).collect();
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
                @for log in logs { (of_node(log, &log.told(zero, timeline.end, &faults))) }
            } @else {
                p .quiet { "When the drill began by the clock of the logs is not told, so their lines can't be placed." }
            }
        }
    }
}

fn of_node(log: &NodeLog, told: &Told) -> Markup {
    let left_out = told.left_out;
    html! {
        details .log {
            summary {
                b { (log.node) } " "
                (counted(told.lines.len() + left_out, "line")) ", " (counted(told.troubles, "warning or error"))
            }
            @if told.is_outside {
                p .quiet { "None of its lines lies within the drill: look at the log itself." }
            } @else if told.lines.is_empty() {
                p .quiet { "Nothing of that kind." }
            } @else {
                ol .lines {
                    @for line in &told.lines {
                        li .trouble[line.level != "INF"] {
                            span .at { (seconds(line.at)) } " "
                            span .level { (line.level) } " "
                            span .text { (line.text) }
                        }
                    }
                }
            }
            @if left_out > 0 {
                p .quiet { (counted(left_out, "line")) " far from faults and the end left out: they are in the log itself." }
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
        let of = std::slice::from_ref(&log);
        let zero = began_by_logs(of, began, Some(3_000_000)).unwrap();
        let told = log.told(zero, 60.0, &[]);
        assert_eq!((told.left_out, told.troubles), (0, 2));
        let told: Vec<_> = told
            .lines
            .iter()
            .map(|line| (line.at, line.level.as_str()))
            .collect();
        let expected = [(0.5, "OUT"), (8.25, "WRN"), (10.0, "INF")];
        assert_eq!(told, expected);
        // After the end of the drill nothing is shown.
        let short = log.told(zero - Duration::seconds(60), 5.0, &[]);
        assert_eq!(short.lines, []);
        assert!(short.is_outside);
        // Ten minutes of preparation are no other zone, and no zone begins after servers were ready.
        let early = began - Duration::minutes(10);
        assert_eq!(began_by_logs(of, early, Some(1_000_000)), None);
        let late = began_by_logs(of, early, Some(601_000_000)).unwrap();
        assert_eq!(zero - late, Duration::minutes(10));
    }

    #[test]
    fn many_lines_are_counted_and_left_out() {
        let line = "[7] 2026/11/27 00:00:01.000000 [ERR] again\n";
        let last = "[7] 2026/11/27 00:00:09.000000 [ERR] fatal\npanic: out\n\ngoroutine 1:\n";
        let log = log(&(line.repeat(MOST_LINES + 3) + last));
        let began = datetime!(2026-11-27 00:00 UTC);
        let zero = began_by_logs(std::slice::from_ref(&log), began, None);
        let told = log.told(zero.unwrap(), 9.0, &[]);
        assert_eq!((told.lines.len(), told.left_out), (MOST_LINES, 5));
        assert_eq!(told.troubles, MOST_LINES + 5);
        let last = told.lines.last().unwrap();
        assert_eq!(last.text, "panic: out / goroutine 1:");
        assert_eq!(began_by_logs(&[], began, None), None);
    }
}
