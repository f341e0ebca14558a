//! The arguments of what talks to servers: backups and restores.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Connect, EXIT_CODES, Output};

/// What can be backed up.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Back one stream up into a new directory, in the layout of the nats CLI
    ///
    /// The directory appears only when the backup is whole: decoded and checked to the last record
    /// while it was received, compared with what the stream holds, and written to disk. A snapshot
    /// that lost messages, as those of servers to 2.14 may while others are evicted, is taken again.
    #[command(after_help = EXIT_CODES)]
    Stream(BackupStream),
    /// Back all streams of an account up, each into a directory of its own
    ///
    /// What is to be saved is asked first, and every stream and every consumer is accounted for at
    /// the end: what could not be saved is named, and the exit code is 12. An interrupted backup
    /// is continued with --resume; until it is complete the directory does not have its name.
    #[command(after_help = EXIT_CODES)]
    Account(BackupAccount),
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
    /// Only streams of these names, in which * stands for anything; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub include: Vec<glob::Pattern>,
    /// No streams of these names; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub exclude: Vec<glob::Pattern>,
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
    /// Take a snapshot that fails so many times again, each time in smaller chunks
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub retries: u8,
}

/// What can be restored.
#[derive(Debug, Subcommand)]
pub enum Restore {
    /// Restore the stream of a backup, and compare every message before saying so
    ///
    /// A stream of that name must not exist. When the restore fails, what it began is deleted.
    #[command(after_help = EXIT_CODES)]
    Stream {
        /// The directory of the backup
        directory: PathBuf,
        /// Give the stream another number of replicas
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
        replicas: Option<u8>,
        /// Where to connect
        #[command(flatten)]
        connect: Connect,
        /// How to tell
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn pattern(text: &str) -> Result<glob::Pattern, String> {
    glob::Pattern::new(text).map_err(|error| error.msg.to_owned())
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
