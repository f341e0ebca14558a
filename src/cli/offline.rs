//! The commands that need no server: what can be typed.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::EXIT_CODES;

/// What a backup may be, for the help of every command.
const BACKUP: &str = "\
BACKUP is a directory that `backup stream` or the nats CLI made, an archive file (stream.tar.s2,
stream.arc.s2, or a .tgz of either form), or a stream's own directory as it lies in a server's store.";

/// What to look at.
#[derive(Debug, Args)]
#[command(after_help = BACKUP)]
pub struct Info {
    /// The backup
    pub backup: PathBuf,
    /// Show so many subjects, those with the most messages first; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub subjects: usize,
    /// How to tell
    #[command(flatten)]
    pub output: super::Output,
}

/// What to verify.
#[derive(Debug, Args)]
#[command(after_help = format!("{BACKUP}\n\n{EXIT_CODES}"))]
pub struct Verify {
    /// The backup
    pub backup: PathBuf,
    /// How deep to look: whether everything is there, whether every checksum agrees, or also whether it holds what it says
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "content",
        value_parser = PossibleValuesParser::new(["structure", "checksums", "content"])
    )]
    pub level: String,
    /// How to tell
    #[command(flatten)]
    pub output: super::Output,
}

/// Which messages to print.
#[derive(Debug, Args)]
#[command(after_help = format!("{BACKUP}

Each line is an object with sequence, subject, time, headers (a list of values for each name) and
payload; one that is not UTF-8 is payload_base64 instead. What is damaged ends the output, with exit
code 13 after everything that came before it."))]
pub struct Cat {
    /// The backup
    pub backup: PathBuf,
    /// Only these subjects, with the wildcards of subscribers; may be given more than once
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Vec<String>,
    /// From this sequence on
    #[arg(long, value_name = "SEQUENCE")]
    pub from: Option<u64>,
    /// Up to this sequence
    #[arg(long, value_name = "SEQUENCE")]
    pub to: Option<u64>,
    /// Stored at this time or later, such as 2026-11-25T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Stored at this time or earlier
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most so many messages
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u64>,
    /// Print log lines instead of a progress bar
    #[arg(long)]
    pub no_progress: bool,
}

/// What to convert.
#[derive(Debug, Args)]
#[command(after_help = format!("{BACKUP}

What a form can't hold: a message archive has no creation times of stream and consumers; a block
archive keeps the times of deliveries to the second, and no message above 32 MiB.

{EXIT_CODES}"))]
pub struct Convert {
    /// The backup
    pub backup: PathBuf,
    /// The directory to make
    pub target: PathBuf,
    /// The form: `tar`, which every server restores, or `message`, which those from 2.15 on do
    #[arg(long, value_name = "FORM", value_parser = PossibleValuesParser::new(["tar", "message"]))]
    pub to: String,
    /// Give the stream another name (its subjects stay)
    #[arg(long, value_name = "NAME")]
    pub rename: Option<String>,
    /// Keep the stream in files, where it was kept in memory
    #[arg(long, value_name = "STORAGE", value_parser = PossibleValuesParser::new(["file"]))]
    pub storage: Option<String>,
    /// The stream's configuration as JSON, for a message archive without its backup.json
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to tell
    #[command(flatten)]
    pub output: super::Output,
}

/// What to extract.
#[derive(Debug, Args)]
#[command(after_help = format!("{BACKUP}

A node of a cluster is refused: its cluster would delete a stream like that, which its meta layer does
not know. Restore it through a running server instead. A stream of several replicas gets one.

{EXIT_CODES}"))]
pub struct Extract {
    /// The backup
    pub backup: PathBuf,
    /// The data directory of a stopped standalone server: what `store_dir` is in its configuration
    pub data_dir: PathBuf,
    /// The account that the stream will belong to
    #[arg(long, value_name = "ACCOUNT", default_value = "$G")]
    pub account: String,
    /// Keep the stream in files, where it was kept in memory
    #[arg(long, value_name = "STORAGE", value_parser = PossibleValuesParser::new(["file"]))]
    pub storage: Option<String>,
    /// The stream's configuration as JSON, for a message archive without its backup.json
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The account is new to the directory, in which others have streams
    #[arg(long)]
    pub new_account: bool,
    /// Say that the server is stopped, where that can't be told: its configuration includes other
    /// files, uses variables, or can't be read
    #[arg(long)]
    pub stopped: bool,
    /// How to tell
    #[command(flatten)]
    pub output: super::Output,
}
