//! `cat`: the messages of a backup.

use std::io::{self, Write as _};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::offline::{carry_out, tell_lacks};
use super::{Failure, Outcome};
use crate::archive::ArchiveError;
use crate::cli::Cat;
use crate::offline::{Filter, Look, OfflineError, ReadMessages, read_messages};
use crate::{report, ui};

pub(super) async fn run(options: Cat) -> Outcome {
    let filter = filter(&options)?;
    let backup = options.backup;
    // A bar would be drawn into the lines.
    let no_progress = options.no_progress || ui::output_is_terminal();
    let read = carry_out("reading", no_progress, move |on_read| {
        let mut output = ui::output();
        let read = read_messages(
            &Look::at(&backup)?,
            &filter,
            Some(&on_read),
            &mut |message| {
                let line = report::message_line(message)?;
                output.write_all(line.as_bytes())?;
                output.write_all(b"\n")
            },
        );
        let flushed = output.flush().map_err(|error| {
            OfflineError::from(ArchiveError::Io {
                what: String::from("writing a message"),
                source: error,
            })
        });
        match read.and_then(|read| flushed.map(|()| read)) {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if is_closed(&error) => Ok(ReadMessages::default()),
            other => other,
        }
    })
    .await?;
    Ok(tell_lacks(&read.lacks))
}

fn is_closed(error: &OfflineError) -> bool {
    matches!(error, OfflineError::Archive(ArchiveError::Io { source, .. })
        if source.kind() == io::ErrorKind::BrokenPipe)
}

fn filter(options: &Cat) -> Result<Filter, Failure> {
    let wrong = |what: String, reason: String| OfflineError::Argument { what, reason };
    let subjects = options.subject.iter().map(|subject| {
        let what = format!("--subject {subject}");
        subject
            .parse()
            .map_err(|reason: &str| wrong(what, reason.to_owned()))
    });
    let time = |option: &str, text: Option<&str>| {
        text.map(|text| {
            // A date alone is its first moment, in UTC.
            let whole = if text.len() == "2026-11-25".len() {
                format!("{text}T00:00:00Z")
            } else {
                text.to_owned()
            };
            OffsetDateTime::parse(&whole, &Rfc3339)
                .map(|time| {
                    let nanoseconds = time.unix_timestamp_nanos();
                    let beyond = if nanoseconds < 0 { i64::MIN } else { i64::MAX };
                    i64::try_from(nanoseconds).unwrap_or(beyond)
                })
                .map_err(|error| {
                    let reason = format!("{error} (a time looks like 2026-11-25T08:00:00Z)");
                    wrong(format!("{option} {text}"), reason)
                })
        })
        .transpose()
    };
    let since = time("--since", options.since.as_deref())?.unwrap_or(i64::MIN);
    let until = time("--until", options.until.as_deref())?.unwrap_or(i64::MAX);
    Ok(Filter {
        subjects: subjects.collect::<Result<_, _>>()?,
        sequences: options.from.unwrap_or(0)..=options.to.unwrap_or(u64::MAX),
        times_ns: since..=until,
        limit: options.limit.unwrap_or(u64::MAX),
    })
}
