//! The command line: what can be typed, and the help that teaches it. No logic.

mod audit;
mod changes;
mod configuration;
mod connect;
mod drill;
mod lab;
mod names;
mod offline;
mod online;
mod report;
mod reports;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

pub use audit::{Audit, SystemLogin};
pub use changes::Changes;
pub use configuration::{Config, ConfigApply, ConfigSave};
pub use connect::Connect;
pub use drill::{
    Drill, DrillBackup, DrillCatalogue, DrillLive, DrillMatrix, DrillMerge, DrillProve, DrillRun,
    Place, Rehearsing, ServerChoice,
};
pub use lab::{Lab, LabName, LabServe, LabUp, LabVerb, Network, OneNode, Victim};
pub use names::Names;
pub use offline::{Cat, Convert, Extract, Info, Verify};
pub use online::{
    Backup, BackupAccount, BackupStream, Restore, RestoreAccount, RestoreStream, Restoring, Taking,
};
pub use report::Report;
pub use reports::Reports;

const EXIT_CODES: &str = "\
Exit codes:
    0  done, or every verdict as expected
    1  something nobody foresaw
    2  the command line, a scenario file or an argument is wrong
   10  a promise was broken (or held where a known defect should break it), a
       drill holds whatever is expected of it, a restored stream differs, a
       rehearsed backup does not do, or an audit found something
   11  a drill or a rehearsal could not tell, and none was broken; no drill ran;
       a restored stream could not be compared; or an audit found nothing as
       bad, and got no answer to some of its questions
   12  a backup lacks something
   13  a backup is damaged, or was interrupted while it was made
   14  a server or its binary is not to be had
   15  refused by a precondition, such as a stream that exists
   16  an archive of a form this version does not read
  130  interrupted";

/// Rehearse the recovery of NATS JetStream on real servers.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Drills: break real clusters, recover them, and judge what was lost
    #[command(subcommand)]
    Drill(Drill),
    /// Labs: clusters that stay, to be broken and repaired by hand
    #[command(subcommand)]
    Lab(Box<Lab>),
    /// Server binaries, by version
    #[command(subcommand)]
    Servers(Servers),
    /// Back up what a server holds
    #[command(subcommand)]
    Backup(Backup),
    /// Restore what a backup holds
    #[command(subcommand)]
    Restore(Restore),
    /// Tell what would be lost now: streams of one copy, replicas that are not whole, old backups
    ///
    /// Nothing on a server is changed. Each line is a finding: critical (data is lost with one node, and
    /// no fresh backup has it; or a stream can't be reached already), warning or note.
    Audit(Box<Audit>),
    /// Save and apply the configuration of streams and consumers, as files
    #[command(subcommand)]
    Config(Box<Config>),
    /// Show what is in a backup: messages, subjects, times, consumers
    ///
    /// No server is needed. The archive is read to its end.
    Info(Info),
    /// Check a backup to its last byte, and tell everything that is wrong with it
    ///
    /// No server is needed. Both generations of archives are read. The last line is the verdict: sound,
    /// incomplete (what is there is sound, but the stream had more) or damaged. A sound backup can
    /// still be the wrong one: only restoring it, somewhere else, shows that it is worth something.
    Verify(Verify),
    /// Print the messages of a backup as JSON lines
    ///
    /// No server is needed. Deleted messages are not printed.
    Cat(Cat),
    /// Convert a backup into the other form, so that older or newer servers restore it
    ///
    /// No server is needed. A backup made on 2.15 goes back to 2.14 and older as `tar`; one made there
    /// becomes a `message` archive. The result is read back and compared, message by message.
    Convert(Convert),
    /// Put the stream of a backup into the data directory of a stopped standalone server
    ///
    /// No running server is needed: it finds the stream, with its consumers, when it starts. Nothing is
    /// ever overwritten, and after an error the directory is as it was.
    Extract(Extract),
    /// Make a page for a browser of what a drill, a rehearsal or a matrix left
    ///
    /// Takes the directory of a drill's run (the verdict, a timeline of faults, publishes, leaders and
    /// replicas, what was lost and where it lay, and what the servers logged), of a rehearsal (the checks,
    /// and how long each stream took), or of a matrix (the versions side by side, and every drill over its
    /// runs); or a matrix's file, such as scenarios/track-record.json. Nothing but that evidence is read, and
    /// nothing is started. The page is one file: it loads nothing, and can be mailed, attached or printed.
    ///
    /// A run that was interrupted has no verdict; its page shows what its ledger has.
    Report(Report),
    /// Print the JSON schema of what a command prints with --json, or leaves as a file
    ///
    /// `runs` is what `drill run` prints, `matrix` what `drill matrix` prints and leaves as matrix.json,
    /// `rehearsal` what `drill backup` and `drill live` print and leave as rehearsal.json. Keys are only
    /// ever added.
    Schema {
        /// The document
        #[arg(value_parser = PossibleValuesParser::new(["matrix", "rehearsal", "runs"]))]
        name: String,
    },
    /// Print completions for a shell
    ///
    /// For bash: lifeboat completions bash > ~/.local/share/bash-completion/completions/lifeboat
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a man page for every command into a directory
    Man {
        /// The directory, made where it is missing
        directory: std::path::PathBuf,
    },
}

/// What can be done with server binaries.
#[derive(Debug, Subcommand)]
pub enum Servers {
    /// Show the versions that can be had, and those that are cached
    List {
        /// Print an array of objects
        #[arg(long)]
        json: bool,
    },
    /// Download versions into the cache
    Fetch {
        /// A version such as 2.12.8, or 2.12 for the newest of that series that `servers list` shows
        #[arg(required = true)]
        versions: Vec<String>,
    },
}

/// How to tell.
#[derive(Debug, Args)]
pub struct Output {
    /// Print the result as a JSON object, and events as lines of JSON on standard error
    #[arg(long)]
    pub json: bool,
    /// Print log lines instead of a progress bar
    #[arg(long)]
    pub no_progress: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
