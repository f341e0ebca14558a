//! What can be typed about drills.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::EXIT_CODES;

/// What can be done with drills.
#[derive(Debug, Subcommand)]
pub enum Drill {
    /// Show the drills that come with the program
    List {
        /// Print an array of objects with name, promise and about
        #[arg(long)]
        json: bool,
    },
    /// Read scenario files and say what is wrong with them; nothing is started
    Check {
        /// Scenario files, or names of built-in drills
        #[arg(required = true)]
        scenarios: Vec<String>,
    },
    /// Run drills on clusters of their own; the core drills when none is named
    ///
    /// Each drill launches real servers, as local processes or containers, breaks them, recovers them, and
    /// reads what every replica holds from its disk. The verdict is held, broken or
    /// inconclusive. The server binary is fetched when it is missing.
    #[command(after_help = EXIT_CODES)]
    Run(DrillRun),
    /// Run drills on several server versions, and write one table
    ///
    /// Without names it runs every drill that comes with the program. Drills run side by side as far as
    /// cores and memory allow. Every run is written down as soon as it is over: what was interrupted
    /// goes on with --resume. The directory then has matrix.json, matrix.md and junit.xml, and the
    /// evidence of every run.
    #[command(after_help = EXIT_CODES)]
    Matrix(DrillMatrix),
    /// Make one table of the results of several machines, each of which ran a --partition
    #[command(after_help = EXIT_CODES)]
    Merge(DrillMerge),
    /// Show that drills can fail: run the opposite of each, which must be broken
    ///
    /// Where a drill expects that nothing is lost, its opposite expects that all is, and the other way round.
    /// One that holds both ways proves nothing. Without names it takes every drill that comes with the
    /// program; those that are known not to hold on this server version are left out.
    #[command(after_help = EXIT_CODES)]
    Prove(DrillProve),
    /// Print the catalogue of drills in Markdown, with what a matrix saw
    Catalogue(DrillCatalogue),
}

/// How to run drills.
#[derive(Debug, Args)]
pub struct DrillRun {
    /// Names of built-in drills, or scenario files
    pub scenarios: Vec<String>,
    /// Which server runs
    #[command(flatten)]
    pub server: ServerChoice,
    /// Where the nodes of the clusters run
    #[command(flatten)]
    pub place: Place,
    /// Run so many drills side by side [default: as many as cores and memory carry]
    #[arg(long, short, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
    /// Run everything so many times
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// Make every random choice follow from this number
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where the evidence goes, a directory for every run
    #[arg(long, value_name = "DIR", default_value = "lifeboat-runs")]
    pub evidence: PathBuf,
    /// Print one JSON document with all runs instead of the table
    #[arg(long)]
    pub json: bool,
    /// Write a JUnit report as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print log lines instead of live progress
    #[arg(long)]
    pub no_progress: bool,
}

/// How to run a matrix.
#[derive(Debug, Args)]
pub struct DrillMatrix {
    /// Names of built-in drills, or scenario files; every built-in drill when none is named
    pub scenarios: Vec<String>,
    /// The server versions, such as 2.12.8,2.15.1
    #[arg(
        long,
        value_name = "VERSIONS",
        value_delimiter = ',',
        default_value = "2.10.26,2.11.11,2.12.8,2.14.6,2.15.1"
    )]
    pub server: Vec<String>,
    /// Never download a server
    #[arg(long)]
    pub offline: bool,
    /// Run nodes as local processes, or as containers on a network of their own
    #[arg(
        long,
        value_name = "RUNTIME",
        env = "LIFEBOAT_RUNTIME",
        default_value = "process",
        value_parser = PossibleValuesParser::new(["process", "container"])
    )]
    pub runtime: String,
    /// Run so many drills side by side [default: as many as cores and memory carry]
    #[arg(long, short, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
    /// Run everything so many times; a cell whose runs differ is marked
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// Run one part of several, such as 1/3: a machine each, then `drill merge`
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub partition: String,
    /// Where results and evidence go
    #[arg(long, value_name = "DIR", default_value = "lifeboat-matrix")]
    pub out: PathBuf,
    /// Go on with the results in that directory: what was run is not run again
    #[arg(long)]
    pub resume: bool,
    /// Mark what has changed since an earlier matrix
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Print the table as JSON
    #[arg(long)]
    pub json: bool,
    /// Print log lines instead of live progress
    #[arg(long)]
    pub no_progress: bool,
}

/// What to merge.
#[derive(Debug, Args)]
pub struct DrillMerge {
    /// The directories that `drill matrix` wrote
    #[arg(required = true)]
    pub directories: Vec<PathBuf>,
    /// Write matrix.json, matrix.md and junit.xml into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write the table into this file, without the places of evidence, to be kept; where it is there
    /// already, these runs are added to those in it
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Mark what has changed since an earlier matrix
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Print the table as JSON
    #[arg(long)]
    pub json: bool,
}

/// What to prove.
#[derive(Debug, Args)]
pub struct DrillProve {
    /// Names of built-in drills, or scenario files; every built-in drill when none is named
    pub scenarios: Vec<String>,
    /// Which server runs
    #[command(flatten)]
    pub server: ServerChoice,
    /// Where the nodes of the clusters run
    #[command(flatten)]
    pub place: Place,
    /// Run so many drills side by side [default: as many as cores and memory carry]
    #[arg(long, short, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
    /// Where the evidence goes, a directory for every run
    #[arg(long, value_name = "DIR", default_value = "lifeboat-runs")]
    pub evidence: PathBuf,
    /// Print log lines instead of live progress
    #[arg(long)]
    pub no_progress: bool,
}

/// What the catalogue tells.
#[derive(Debug, Args)]
pub struct DrillCatalogue {
    /// The matrix whose verdicts are shown: matrix.json, or its directory
    #[arg(long, value_name = "FILE")]
    pub matrix: Option<PathBuf>,
    /// Put it between the two comments in this file that say where it begins and ends
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// Where nodes run.
#[derive(Debug, Args, Clone)]
pub struct Place {
    /// Run nodes as local processes, or as containers on a network of their own
    ///
    /// Containers need a container engine: the one DOCKER_HOST names, else the one that listens
    /// on this machine. Their image is made around the server binary unless --image names one.
    #[arg(
        long,
        value_name = "RUNTIME",
        env = "LIFEBOAT_RUNTIME",
        default_value = "process",
        value_parser = PossibleValuesParser::new(["process", "container"])
    )]
    pub runtime: String,
    /// Run this container image, such as nats:2.12-alpine, instead of a server binary
    #[arg(long, value_name = "IMAGE", env = "LIFEBOAT_IMAGE")]
    pub image: Option<String>,
}

/// Which server runs.
#[derive(Debug, Args, Clone)]
pub struct ServerChoice {
    /// Use this nats-server binary
    #[arg(long, value_name = "PATH", env = "LIFEBOAT_SERVER")]
    pub server: Option<PathBuf>,
    /// Use this nats-server version [default: the newest stable one known]
    #[arg(long, value_name = "VERSION", env = "LIFEBOAT_SERVER_VERSION")]
    pub server_version: Option<String>,
    /// Never download a server
    #[arg(long)]
    pub offline: bool,
}
