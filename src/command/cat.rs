//! `cat`: the messages of a backup.

use std::io::{self, Write as _};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::offline::carry_out;
use super::{Failure, Outcome};
use crate::archive::ArchiveError;
use crate::cli::Cat;
use crate::exit::Exit;
use crate::offline::{Filter, Look, OfflineError, read_messages};
use crate::{report, ui};

pub(super) async fn run(options: Cat) -> Outcome {
    let filter = filter(&options)?;
    let backup = options.backup;
    carry_out("reading", options.no_progress, move |on_read| {
        let mut output = ui::output();
        let read = read_messages(
            &Look::at(&backup)?,
            &filter,
            Some(on_read),
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
        match read.and(flushed) {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if is_closed(&error) => Ok(()),
            other => other,
        }
    })
    .await?;
    Ok(Exit::Done)
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
            OffsetDateTime::parse(text, &Rfc3339)
                .map(|time| i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX))
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
