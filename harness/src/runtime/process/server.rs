//! The child process of a server: how it is made, how its end is tied to ours, and where it says
//! that it listens.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal as Os;
use serde::Deserialize;

use crate::runtime::Addresses;

/// The file in which a server writes down the ports it picked.
#[derive(Debug, Deserialize)]
struct PortsFile {
    nats: Vec<String>,
    monitoring: Vec<String>,
    /// A standalone server has none.
    #[serde(default)]
    cluster: Vec<String>,
}

/// The command that runs a server: nothing inherited, a group of its own so that Ctrl-C does
/// not reach it, and its death tied to ours.
pub(super) fn server_command(
    binary: &Path,
    config: &Path,
    home: &Path,
    log: File,
) -> io::Result<Command> {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(binary);
    command
        .arg("--config")
        .arg(config)
        .current_dir(home)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    die_with_parent(&mut command);
    Ok(command)
}

/// Has the kernel kill the child when the thread that forks it ends.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "code between fork and exec can't be proven safe by the compiler"
)]
fn die_with_parent(command: &mut Command) {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};
    use std::os::unix::process::CommandExt as _;
    let owner = getpid();
    // SAFETY: the closure makes two system calls and touches neither memory nor locks that
    // the forking process may have been using.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Os::KILL))?;
            // An owner that died before that call sends no signal any more.
            if getppid() == Some(owner) {
                Ok(())
            } else {
                Err(io::ErrorKind::NotConnected.into())
            }
        });
    }
}

/// Elsewhere a SIGKILL of the harness leaves its servers behind; everything else still ends them.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

pub(super) fn read_ports(file: &Path) -> std::result::Result<Addresses, String> {
    let text = fs::read(file).map_err(|_| String::from("no ports file yet"))?;
    let ports: PortsFile =
        serde_json::from_slice(&text).map_err(|error| format!("a ports file with {error}"))?;
    let first = |urls: &[String], what: &str| -> std::result::Result<SocketAddr, String> {
        urls.iter()
            .find_map(|url| url.split("://").nth(1)?.parse().ok())
            .ok_or_else(|| format!("a ports file without a {what} port: {urls:?}"))
    };
    Ok(Addresses {
        client: first(&ports.nats, "client")?,
        cluster: match &*ports.cluster {
            [] => None,
            urls => Some(first(urls, "cluster")?),
        },
        monitor: first(&ports.monitoring, "monitoring")?,
    })
}
