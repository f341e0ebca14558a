//! The arguments of what talks to servers: backups and restores.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::{Changes, Connect, EXIT_CODES, Names, Output};

/// What can be backed up.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Back one stream up into a new directory, in the layout of the nats CLI
    ///
    /// The directory appears only when the backup is whole: decoded and checked to the last record
    /// while it was received, compared with what the stream holds, and written to disk. A snapshot
    /// that lost messages, as those of servers to 2.14 may while others are evicted, is taken again.
    #[command(after_help = EXIT_CODES)]
    Stream(Box<BackupStream>),
    /// Back all streams of an account up, each into a directory of its own
    ///
    /// What is to be saved is asked first, and every stream and every consumer is accounted for at
    /// the end: what could not be saved is named, and the exit code is 12. An interrupted backup
    /// is continued with --resume; until it is complete the directory does not have its name.
    #[command(after_help = EXIT_CODES)]
    Account(Box<BackupAccount>),
}

/// How to back one stream up.
#[derive(Debug, Args)]
pub struct BackupStream {
    /// The stream
    pub stream: String,
    /// The directory to make
    pub directory: PathBuf,
    /// How to take it
    #[command(flatten)]
    pub taking: Taking,
    /// Where to connect
    #[command(flatten)]
    pub connect: Connect,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}

/// How to back an account up.
#[derive(Debug, Args)]
pub struct BackupAccount {
    /// The directory to make
    pub directory: PathBuf,
    /// Which streams
    #[command(flatten)]
    pub names: Names,
    /// Back so many streams up side by side
    #[arg(long, short, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Continue an interrupted or incomplete backup: streams that are saved are not taken again
    #[arg(long)]
    pub resume: bool,
    /// How to take them
    #[command(flatten)]
    pub taking: Taking,
    /// Where to connect
    #[command(flatten)]
    pub connect: Connect,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}

/// How to take a backup.
#[derive(Debug, Args)]
pub struct Taking {
    /// Leave the consumers out
    #[arg(long, overrides_with = "_consumers")]
    pub no_consumers: bool,
    /// Take the consumers along, which is the default
    #[arg(long = "consumers", hide = true)]
    pub _consumers: bool,
    /// Bytes in one chunk, such as 64KiB [default: 512 KiB, or half of what the server takes]
    #[arg(long, value_name = "SIZE", value_parser = chunk_size)]
    pub chunk_size: Option<usize>,
    /// Bytes under way at once, such as 1MiB [default: 16 MiB; servers before 2.12.5 decide for themselves]
    #[arg(long, value_name = "SIZE", value_parser = window_size)]
    pub window_size: Option<usize>,
    /// Take a snapshot that fails so many times again, in smaller chunks where that may help
    ///
    /// A consumer that nobody leads fails every snapshot of clusters of 2.15: when retries are used up, or
    /// after half a minute, everything but that consumer is saved.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub retries: u8,
}

/// What can be restored.
#[derive(Debug, Subcommand)]
pub enum Restore {
    /// Restore the stream of a backup, and compare every message before saying so
    ///
    /// A plan is made first; --dry-run prints it and does nothing. The stream counts as restored
    /// when every message was read back from every replica and every consumer is there. When the
    /// restore fails, what it began is deleted.
    #[command(after_help = EXIT_CODES)]
    Stream(Box<RestoreStream>),
    /// Restore the streams of an account's backup, origins before their mirrors
    ///
    /// All streams are planned before the first is touched. One that fails is deleted again, and the
    /// others are restored; the same command with --if-exists skip continues.
    #[command(after_help = EXIT_CODES)]
    Account(Box<RestoreAccount>),
}

/// How to restore one stream.
#[derive(Debug, Args)]
pub struct RestoreStream {
    /// The directory of the backup, or its archive
    pub directory: PathBuf,
    /// Give the stream another name; subjects stay as they are
    #[arg(long, value_name = "NAME")]
    pub rename: Option<String>,
    /// Take the stream's configuration from this file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to restore it
    #[command(flatten)]
    pub restoring: Restoring,
    /// Where to connect
    #[command(flatten)]
    pub connect: Connect,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}

/// How to restore an account.
#[derive(Debug, Args)]
pub struct RestoreAccount {
    /// The directory of the backup
    pub directory: PathBuf,
    /// Which streams
    #[command(flatten)]
    pub names: Names,
    /// Restore so many streams side by side
    #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// How to restore them
    #[command(flatten)]
    pub restoring: Restoring,
    /// Where to connect
    #[command(flatten)]
    pub connect: Connect,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}

/// How to restore.
#[derive(Debug, Args)]
pub struct Restoring {
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What to do when a stream exists
    ///
    /// `replace` saves the stream that is there to a directory first, and puts it back when the
    /// backup can't be restored. What is published in between is lost.
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "fail",
        value_parser = PossibleValuesParser::new(["fail", "skip", "replace"])
    )]
    pub if_exists: String,
    /// Where a stream that is replaced is saved [default: a directory beside the backup]
    #[arg(long, value_name = "DIR")]
    pub keep_old: Option<PathBuf>,
    /// What is changed
    #[command(flatten)]
    pub changes: Changes,
    /// Place streams in this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Place streams on servers with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Bytes in one chunk, such as 64KiB [default: 512 KiB, or half of what the server takes]
    #[arg(long, value_name = "SIZE", value_parser = chunk_size)]
    pub chunk_size: Option<usize>,
}

/// What servers make of smaller and larger ones (`jetstream_api.go`).
fn chunk_size(text: &str) -> Result<usize, String> {
    size_between(text, 1 << 10, 1 << 20)
}

fn window_size(text: &str) -> Result<usize, String> {
    size_between(text, 1 << 10, 32 << 20)
}

fn size_between(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        _ => return Err(String::from("a size is a number with KiB or MiB behind it")),
    };
    let bytes = number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or("a size is a number with KiB or MiB behind it")?;
    if (least..=most).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("servers take {least} to {most} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_bounds() {
        assert_eq!(chunk_size("64KiB"), Ok(64 << 10));
        assert_eq!(chunk_size("1m"), Ok(1 << 20));
        assert_eq!(window_size("2048"), Ok(2048));
        for wrong in ["", "KiB", "12", "2MiB", "1 furlong", "99999999999999999999"] {
            assert!(chunk_size(wrong).is_err(), "{wrong}");
        }
    }
}
