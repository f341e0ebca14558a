//! Which streams are meant, as it is typed.

use clap::Args;

/// Which streams.
#[derive(Debug, Args)]
pub struct Names {
    /// Only streams of these names, in which * stands for anything; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub include: Vec<glob::Pattern>,
    /// No streams of these names; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub exclude: Vec<glob::Pattern>,
}

fn pattern(text: &str) -> Result<glob::Pattern, String> {
    glob::Pattern::new(text).map_err(|error| error.msg.to_owned())
}
