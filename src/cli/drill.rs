//! What can be typed about drills.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::{Changes, Connect, EXIT_CODES, Names, Output, Reports};
const REHEARSAL_CHECKS: &str = "\
Checks:
  sound      every file and checksum is right, and the backup is what was written
  complete   it has all that there was, as far as it is told
  restored   a server takes it
  equal      every replica holds every message of it, and no other
  consumers  every consumer is there, and stands where it stood
  usable     a message can be published to it and consumed; mirrors get what their origin gets
  fresh      it is as young as --max-age wants
  in-time    recovery takes no longer than --max-recovery-time

Exit codes:
    0  all held
    2  the command line or an argument is wrong, or nothing of that name is there
   10  a check is broken: this backup does not do
   11  a check could not be told
   12  the live system's backup lacks what was asked for
   13  it is no backup
   14  no server is to be had, or the cluster did not start
   15  there is no room for it, or what was to be written exists
   16  it is of a later version of this program
  130  interrupted";

/// What can be done with drills.
#[derive(Debug, Subcommand)]
pub enum Drill {
    /// Show the drills that come with the program
    List {
        /// Only those of this name, group (damage), promise (M3) or pattern ('nats-*')
        #[arg(value_name = "DRILL")]
        scenarios: Vec<String>,
        /// Print an array of objects with name, promise, group and about
        #[arg(long)]
        json: bool,
    },
    /// Print the scenario of a drill, to read it or to make your own of it
    ///
    /// Give the copy a name of its own (`name`), change it, and have it checked with `drill check`.
    Show {
        /// The name of a built-in drill, or a scenario file
        name: String,
    },
    /// Read scenario files and say what is wrong with them; nothing is started
    Check {
        /// Scenario files, or built-in drills by name, group (damage), promise (M3) or pattern ('nats-*')
        #[arg(required = true)]
        scenarios: Vec<String>,
    },
    /// Run drills on clusters of their own; the core drills when none is named
    ///
    /// Each drill launches real servers, as local processes or containers, breaks them, recovers them, and
    /// reads what every replica holds from its disk. The verdict is held, broken or
    /// inconclusive. The server binary is fetched when it is missing. Of a group, a promise or a pattern what
    /// can't be run here is left out, and said.
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
    /// Rehearse a backup of yours: restore it on a throwaway cluster, compare it, use it
    ///
    /// Takes the backup of a stream or of an account, made by Lifeboat or by the nats CLI. A cluster of
    /// the server version that made it is started here, with as many nodes as the streams have
    /// replicas; every stream is restored, compared with the backup message by message on every replica
    /// and consumer by consumer; a message is published to each and consumed from it. Nothing but the
    /// backup is read, no other system is touched, and the cluster is removed afterwards.
    ///
    /// Every check has a name; each that fails says what that means. For cron: the exit code is 0 when
    /// all held, 10 when one is broken, 11 when one could not be told.
    #[command(after_help = REHEARSAL_CHECKS)]
    Backup(Box<DrillBackup>),
    /// Back a live system up, rehearse that backup, and tell the recovery point it would have meant
    ///
    /// The live system is only read. Its backup is taken as `backup account` takes it, restored on a
    /// throwaway cluster here as `drill backup` does, and kept when the rehearsal is not held, or with
    /// --keep.
    #[command(after_help = REHEARSAL_CHECKS)]
    Live(Box<DrillLive>),
}

/// How to run drills.
#[derive(Debug, Args)]
pub struct DrillRun {
    /// Built-in drills by name, group (damage), promise (M3) or pattern ('nats-*'), or scenario files
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
    /// What is written besides
    #[command(flatten)]
    pub reports: Reports,
    /// Print log lines instead of live progress
    #[arg(long)]
    pub no_progress: bool,
}

/// How to run a matrix.
#[derive(Debug, Args)]
pub struct DrillMatrix {
    /// Built-in drills by name, group (damage), promise (M3) or pattern ('nats-*'), or scenario files;
    /// every built-in drill when none is named
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
    /// Run only what this track record lacks, and add the runs to it
    ///
    /// Runs in it that are of the same drill and the same binary count towards --repeat. Where it is not
    /// there, everything is run, and it is made. What was interrupted is added once it has been resumed and is over.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Mark what has changed since an earlier matrix
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Write the last run of every cell as OpenMetrics text, for a collector that reads files
    ///
    /// The file is replaced as a whole, and readable by everybody.
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
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
    /// Write the last run of every cell as OpenMetrics text, for a collector that reads files
    ///
    /// The file is replaced as a whole, and readable by everybody.
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Print the table as JSON
    #[arg(long)]
    pub json: bool,
}

/// What to prove.
#[derive(Debug, Args)]
pub struct DrillProve {
    /// Built-in drills by name, group (damage), promise (M3) or pattern ('nats-*'), or scenario files;
    /// every built-in drill when none is named
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

/// What is rehearsed, and how.
#[derive(Debug, Args)]
pub struct DrillBackup {
    /// The backup: the directory of a stream or of an account, or an archive
    pub directory: PathBuf,
    /// Which streams
    #[command(flatten)]
    pub names: Names,
    /// Use this nats-server binary
    #[arg(long, value_name = "PATH", env = "LIFEBOAT_SERVER")]
    pub server: Option<PathBuf>,
    /// Use this nats-server version [default: the one that made the backup]
    #[arg(long, value_name = "VERSION", env = "LIFEBOAT_SERVER_VERSION")]
    pub server_version: Option<String>,
    /// How to rehearse
    #[command(flatten)]
    pub rehearsing: Rehearsing,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}

/// What is backed up and rehearsed, and how.
#[derive(Debug, Args)]
pub struct DrillLive {
    /// The stream; all of the account when none is named
    pub stream: Option<String>,
    /// Which streams
    #[command(flatten)]
    pub names: Names,
    /// Keep the backup in this directory, which must not exist
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Rehearse on this nats-server version, or binary [default: the version of the live system]
    #[arg(long, value_name = "VERSION|PATH")]
    pub rehearse_on: Option<String>,
    /// How to rehearse
    #[command(flatten)]
    pub rehearsing: Rehearsing,
    /// Where the live system is
    #[command(flatten)]
    pub connect: Connect,
    /// How to tell
    #[command(flatten)]
    pub output: Output,
}

/// How to rehearse.
#[derive(Debug, Args)]
pub struct Rehearsing {
    /// Rehearse a part of it: so many streams, such as 5, or a share of them, such as 10%
    ///
    /// They are chosen at random, and the others are named. A stream is restored whole or not at all.
    #[arg(long, value_name = "N|PERCENT")]
    pub sample: Option<String>,
    /// Choose the sample by this number, as an earlier rehearsal did
    #[arg(long, value_name = "NUMBER", requires = "sample")]
    pub seed: Option<u64>,
    /// The recovery point promised: an older backup breaks the rehearsal, such as 26h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub max_age: Option<Duration>,
    /// The recovery time promised: a longer restore breaks the rehearsal, such as 15m
    ///
    /// Counted from the first stream's reading until every stream is restored and compared.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub max_recovery_time: Option<Duration>,
    /// Restore so many streams side by side
    #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// What is changed, as a restore would change it
    #[command(flatten)]
    pub changes: Changes,
    /// Never download a server
    #[arg(long)]
    pub offline: bool,
    /// Where the nodes of the cluster run
    #[command(flatten)]
    pub place: Place,
    /// Where the evidence goes, a directory for every rehearsal
    #[arg(long, value_name = "DIR", default_value = "lifeboat-runs")]
    pub evidence: PathBuf,
    /// What is written besides
    #[command(flatten)]
    pub reports: Reports,
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
