//! The arguments of what saves and applies configurations.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Connect, EXIT_CODES, Names, Output};

/// What can be done with configurations.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Save the configuration of all streams and durable consumers of an account, a file each
    ///
    /// The files are those of `nats backup` as it was until 2022. They hold no messages, and not where
    /// consumers stand; a disaster needs `backup account` as well. What could not be saved is named, and
    /// the exit code is 12.
    #[command(after_help = EXIT_CODES)]
    Save(ConfigSave),
    /// Make the streams and consumers of a saved configuration
    ///
    /// Every file and its checksum are read, and the server is asked what it has, before anything is
    /// changed. What is there as it was saved is left, so that a second time does nothing. Nothing is
    /// ever deleted, and no messages are restored.
    #[command(after_help = EXIT_CODES)]
    Apply(ConfigApply),
}

/// What to save.
#[derive(Debug, Args)]
pub struct ConfigSave {
    /// The directory to make
    pub directory: PathBuf,
    /// Save the messages of streams that are kept in files as well, as stream_NAME.tgz
    #[arg(long)]
    pub data: bool,
    /// Which streams
    #[command(flatten)]
    pub names: Names,
    /// Where to connect
    #[command(flatten)]
    pub connect: Connect,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}

/// What to apply.
#[derive(Debug, Args)]
pub struct ConfigApply {
    /// The directory that `config save`, or `nats backup` before 2022, made
    pub directory: PathBuf,
    /// Change streams and consumers that exist and differ, in place
    #[arg(long)]
    pub update_streams: bool,
    /// Say what would be made and changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Where to connect
    #[command(flatten)]
    pub connect: Connect,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}
