//! Where results are written besides what is printed.

use std::path::PathBuf;

use clap::Args;

/// Files for those who look elsewhere.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Reports")]
pub struct Reports {
    /// Write a JUnit report as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Append a summary in Markdown, such as to "$GITHUB_STEP_SUMMARY"
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write the results as OpenMetrics text, for a collector that reads files
    ///
    /// The file is replaced as a whole, and readable by everybody.
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}
