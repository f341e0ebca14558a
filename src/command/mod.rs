//! The commands, one file a verb, and the one place where an error becomes an exit code.

mod audit;
mod backup;
mod backup_account;
mod cat;
mod completions;
mod config_apply;
mod config_save;
mod connect;
mod convert;
mod drill_backup;
mod drill_catalogue;
mod drill_check;
mod drill_list;
mod drill_live;
mod drill_matrix;
mod drill_merge;
mod drill_prove;
mod drill_run;
mod drill_show;
mod drilling;
mod extract;
mod info;
mod lab;
mod lab_down;
mod lab_history;
mod lab_serve;
mod lab_status;
mod lab_up;
mod offline;
mod rehearsing;
mod report;
mod reports;
mod restore;
mod restore_account;
mod servers;
mod tables;
mod verify;

use std::fmt;

use lifeboat_harness::{BinaryError, Error as HarnessError};

use crate::archive::ArchiveError;
use crate::backup::BackupError;
use crate::cli::{Backup, Cli, Command, Config, Drill, Lab, Names, Restore, Servers};
use crate::drill::DrillError;
use crate::exit::Exit;
use crate::jetstream::{ContextError, RequestError};
use crate::lab::{CallError, PlaceError, ServeError};
use crate::model::NameFilter;
use crate::offline::OfflineError;
use crate::rehearsal::RehearsalError;
use crate::scenario::Diagnostic;
use crate::ui;

/// An error, and the exit code it deserves.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: Box<dyn std::error::Error + Send + Sync>,
}

type Outcome = Result<Exit, Failure>;

/// Carries a command out, prints what there is to print, and says how to exit.
pub async fn run(cli: Cli) -> Exit {
    let outcome = match cli.command {
        Command::Drill(drill) => unless_interrupted(run_drills(drill)).await,
        Command::Lab(lab) => run_lab(*lab).await,
        Command::Servers(servers) => unless_interrupted(manage_servers(servers)).await,
        Command::Backup(backup) => back_up(backup).await,
        Command::Audit(options) => unless_interrupted(audit::run(*options)).await,
        Command::Config(config) => unless_interrupted(configure(*config)).await,
        // A restore has to delete what it began before it ends.
        Command::Restore(restore) => restore_stream(restore).await,
        // So has what works on files.
        Command::Info(options) => info::run(options).await,
        Command::Verify(options) => verify::run(options).await,
        Command::Cat(options) => cat::run(options).await,
        Command::Convert(options) => convert::run(options).await,
        Command::Extract(options) => extract::run(options).await,
        Command::Report(options) => report::run(&options),
        Command::Schema { name } => completions::schema(&name),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { directory } => completions::man(&directory),
    };
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            ui::say_error(&*failure.error, failure.exit);
            failure.exit
        }
    }
}

/// Waits for Ctrl-C, or for the polite way in which CI systems end a job. It counts from the call
/// on, not from when it is first waited for.
fn interruption() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let handlers = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    async move {
        // Without its handlers the program dies by the signal, as any other does.
        let (Ok(mut interrupt), Ok(mut terminate)) = handlers else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Carries something out, and drops it when it is interrupted, which ends every server it started
/// and removes what it left.
async fn unless_interrupted(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::select! {
        outcome = work => outcome,
        () = interruption() => Err(Failure::from(BackupError::Interrupted)),
    }
}

async fn run_drills(drill: Drill) -> Outcome {
    match drill {
        Drill::List { scenarios, json } => drill_list::run(&scenarios, json),
        Drill::Show { name } => drill_show::run(&name),
        Drill::Check { scenarios } => drill_check::run(&scenarios),
        Drill::Run(options) => drill_run::run(options).await,
        Drill::Matrix(options) => drill_matrix::run(options).await,
        Drill::Merge(options) => drill_merge::run(&options),
        Drill::Prove(options) => drill_prove::run(options).await,
        Drill::Catalogue(options) => drill_catalogue::run(&options),
        Drill::Backup(options) => drill_backup::run(*options).await,
        Drill::Live(options) => drill_live::run(*options).await,
    }
}

/// Labs end by themselves what they have started, and are not interrupted with whoever talks to them.
async fn run_lab(lab: Lab) -> Outcome {
    match lab {
        Lab::Up(options) => lab_up::run(*options).await,
        Lab::Serve(options) => lab_serve::run(*options).await,
        Lab::Status { lab, watch, json } => {
            unless_interrupted(lab_status::run(&lab, watch, json)).await
        }
        Lab::List => unless_interrupted(lab_status::list()).await,
        Lab::Verb(verb) => unless_interrupted(lab::run(verb)).await,
        Lab::Next(lab) => unless_interrupted(lab::next(&lab)).await,
        Lab::History { write, lab } => unless_interrupted(lab_history::run(&lab, write)).await,
        Lab::Down { discard, json, lab } => {
            unless_interrupted(lab_down::run(&lab, discard, json)).await
        }
    }
}

async fn manage_servers(servers: Servers) -> Outcome {
    match servers {
        Servers::List { json } => servers::list(json),
        Servers::Fetch { versions } => servers::fetch(&versions).await,
    }
}

async fn back_up(backup: Backup) -> Outcome {
    match backup {
        Backup::Stream(options) => unless_interrupted(backup::run(*options)).await,
        Backup::Account(options) => backup_account::run(*options).await,
    }
}

async fn configure(config: Config) -> Outcome {
    match config {
        Config::Save(options) => config_save::run(options).await,
        Config::Apply(options) => config_apply::run(options).await,
    }
}

async fn restore_stream(restore: Restore) -> Outcome {
    match restore {
        Restore::Stream(options) => restore::run(*options).await,
        Restore::Account(options) => restore_account::run(*options).await,
    }
}

impl From<&Names> for NameFilter {
    fn from(names: &Names) -> Self {
        Self {
            include: names.include.clone(),
            exclude: names.exclude.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Failure {
    fn new(exit: Exit, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Unexpected, error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Exit::Unexpected, error)
    }
}

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Self {
        let exit = match error {
            PlaceError::Name { .. } => Exit::Usage,
            PlaceError::NotOurs { .. } | PlaceError::Taken { .. } => Exit::Refused,
            PlaceError::Io { .. } => Exit::Unexpected,
        };
        Self::new(exit, error)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Place(error) => Self::from(error),
            ServeError::Drill(error) => Self::from(error),
            ServeError::Listen { .. } => Self::new(Exit::Unexpected, error),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let exit = match error {
            CallError::NotThere { .. } => Exit::Usage,
            CallError::Lost { .. } | CallError::Silent { .. } => Exit::NotReady,
            CallError::Io { .. } | CallError::Unreadable { .. } => Exit::Unexpected,
        };
        Self::new(exit, error)
    }
}

impl From<DrillError> for Failure {
    fn from(error: DrillError) -> Self {
        Self::new(Exit::Unexpected, error)
    }
}

impl From<RehearsalError> for Failure {
    fn from(error: RehearsalError) -> Self {
        let exit = match error {
            RehearsalError::Offline(error) => return Self::from(error),
            RehearsalError::NothingToDo { .. } => Exit::Usage,
            RehearsalError::NoRoom { .. } => Exit::Refused,
            RehearsalError::Cluster(_) | RehearsalError::Connection(_) => Exit::NotReady,
            RehearsalError::Evidence { .. } => Exit::Unexpected,
        };
        Self::new(exit, error)
    }
}

impl From<Diagnostic> for Failure {
    fn from(error: Diagnostic) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<HarnessError> for Failure {
    fn from(error: HarnessError) -> Self {
        Self::new(Exit::NotReady, error)
    }
}

impl From<BinaryError> for Failure {
    fn from(error: BinaryError) -> Self {
        let exit = if matches!(
            error,
            BinaryError::BadVersion { .. } | BinaryError::UnknownVersion { .. }
        ) {
            Exit::Usage
        } else {
            Exit::NotReady
        };
        Self::new(exit, error)
    }
}

impl From<ContextError> for Failure {
    fn from(error: ContextError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::new(exit_of_request(&error), error)
    }
}

impl From<OfflineError> for Failure {
    fn from(error: OfflineError) -> Self {
        let exit = match &error {
            OfflineError::TargetExists { .. }
            | OfflineError::Refused { .. }
            | OfflineError::InMemory { .. } => Exit::Refused,
            OfflineError::NotABackup { .. } | OfflineError::Archive(ArchiveError::Damaged(_)) => {
                Exit::Damaged
            }
            OfflineError::NoConfiguration { .. }
            | OfflineError::NotThere { .. }
            | OfflineError::Argument { .. } => Exit::Usage,
            OfflineError::Archive(ArchiveError::Unsupported { .. }) => Exit::Unsupported,
            OfflineError::Differs { .. } => Exit::Broken,
            OfflineError::Archive(_) | OfflineError::Io { .. } => Exit::Unexpected,
        };
        Self::new(exit, error)
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        Self::new(exit_of_backup(&error), error)
    }
}

fn exit_of_request(error: &RequestError) -> Exit {
    if error.is_refusal() {
        Exit::Refused
    } else {
        Exit::NotReady
    }
}

fn exit_of_backup(error: &BackupError) -> Exit {
    match error {
        BackupError::TargetExists { .. }
        | BackupError::StreamExists { .. }
        | BackupError::RestoredByAnother { .. }
        | BackupError::Unfinished { .. }
        | BackupError::InUse { .. }
        | BackupError::StreamsExist { .. }
        | BackupError::AccountRefused { .. }
        | BackupError::DeletedMeanwhile { .. }
        | BackupError::Refused { .. } => Exit::Refused,
        BackupError::Lost { .. } => Exit::Incomplete,
        BackupError::Archive(ArchiveError::Unsupported { .. }) => Exit::Unsupported,
        BackupError::NotABackup { .. } | BackupError::Torn { .. } | BackupError::Archive(_) => {
            Exit::Damaged
        }
        BackupError::Request { source, .. } => exit_of_request(source),
        BackupError::LeftBehind { failure, .. } | BackupError::NotReplaced { failure, .. } => {
            exit_of_backup(failure)
        }
        BackupError::Differs { .. } | BackupError::ConsumerMissing { .. } => Exit::Broken,
        BackupError::GaveUp { failure, .. } => exit_of_backup(failure),
        BackupError::NothingToDo { .. } | BackupError::NoSuchStream { .. } => Exit::Usage,
        BackupError::Unreadable { .. } => Exit::Unsupported,
        BackupError::NotGone { .. }
        | BackupError::NoLeader { .. }
        | BackupError::Unanswered { .. } => Exit::NotReady,
        BackupError::NotCompared { .. }
        | BackupError::StillMarked { .. }
        | BackupError::TookMessages { .. } => Exit::Inconclusive,
        BackupError::Interrupted => Exit::Interrupted,
        BackupError::Io { .. } => Exit::Unexpected,
    }
}
