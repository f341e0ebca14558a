//! The binary: parse, carry out, exit.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use lifeboat::cli::Cli;
use lifeboat::command;

/// How long threads that read files may take to end, when nobody waits for them any more.
const THREADS_END_WITHIN: Duration = Duration::from_secs(1);

fn main() -> io::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let exit = runtime.block_on(command::run(cli));
    // Whoever was interrupted does not wait until a terabyte is read to its end.
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    Ok(exit.into())
}
