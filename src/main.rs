//! The binary: parse, carry out, exit.

use std::process::ExitCode;

use clap::Parser as _;
use lifeboat::cli::Cli;
use lifeboat::command;

#[tokio::main]
async fn main() -> ExitCode {
    command::run(Cli::parse()).await.into()
}
