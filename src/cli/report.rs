//! What can be typed to make a page.

use std::path::PathBuf;

use clap::Args;

/// What to make a page of.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
    0  the page is written, and its path printed
    2  there is no such evidence, a file of it is not what it should be, or the page can't be written
    1  something nobody foresaw")]
pub struct Report {
    /// The directory of a run, a rehearsal or a matrix, or a matrix's file
    #[arg(value_name = "DIR|FILE")]
    pub evidence: PathBuf,
    /// Write the page there, `-` to standard output [default: report.html in the directory, or beside a file
    /// as .html]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
