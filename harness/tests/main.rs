//! The harness against real servers: start, break, heal, fail, and leave nothing behind.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests do; clippy excuses only the test functions"
)]

// The watchdog of containers is looked for in the process table of Linux.
#[cfg(target_os = "linux")]
mod containers;
mod disks;
mod faults;
// These read the process table of Linux, the only system where a SIGKILL of the owner ends the
// servers too.
#[cfg(target_os = "linux")]
mod leaks;
mod lifecycle;
mod network;
mod operator;
mod start_failures;
mod support;
