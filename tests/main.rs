//! The integration tests, one binary: `structure` reads the sources, the others run the program
//! on real servers.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report, and helpers of tests are tests too"
)]

mod archives;
mod audit;
mod backup;
mod browser;
mod cli;
mod configuration;
mod connect;
mod containers;
mod docs;
mod drills;
mod guides;
mod lab;
mod leaks;
mod matrix;
mod page;
mod properties;
mod rehearsal;
mod structure;
mod support;
mod terminal;
