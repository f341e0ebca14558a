//! The arguments of an audit.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{Connect, EXIT_CODES, Names, Output};

/// What to look at, and what is bad enough.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Audit {
    /// Look for sealed backups of this account here; may be repeated
    ///
    /// One stream's backup, an account's, or a directory that holds several of them. The newest sealed
    /// backup of each stream counts; whether it is sound, `verify` tells.
    #[arg(long, value_name = "DIR")]
    pub backups: Vec<PathBuf>,
    /// Older backups do not count as fresh, such as 26h [default: any age will do]
    #[arg(
        long,
        value_name = "TIME",
        requires = "backups",
        value_parser = humantime::parse_duration
    )]
    pub max_age: Option<Duration>,
    /// Exit with 10 from this severity on
    #[arg(
        long,
        value_name = "SEVERITY",
        default_value = "critical",
        value_parser = PossibleValuesParser::new(["critical", "warning", "note", "never"])
    )]
    pub fail_on: String,
    /// Which streams
    #[command(flatten)]
    pub names: Names,
    /// Who may ask every server
    #[command(flatten)]
    pub system: SystemLogin,
    /// Where to connect
    #[command(flatten)]
    pub connect: Connect,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}

/// A user of the system account, who may ask every server what it holds itself: without one,
/// replicas are compared by what their leader says of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "System account")]
pub struct SystemLogin {
    /// A context of the nats CLI whose user is of the system account
    #[arg(long, value_name = "NAME")]
    pub sys_context: Option<String>,
    /// A user of the system account, at the same servers
    #[arg(long, value_name = "USER", conflicts_with = "sys_creds")]
    pub sys_user: Option<String>,
    /// The password of that user
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "LIFEBOAT_SYS_PASSWORD",
        hide_env_values = true
    )]
    pub sys_password: Option<String>,
    /// Credentials file of a user of the system account
    #[arg(long, value_name = "FILE")]
    pub sys_creds: Option<PathBuf>,
}
