//! Lifeboat rehearses the recovery of NATS JetStream on real servers.
//!
//! The modules in the order to read them, from what a user types down to plain values. Each
//! may use those below it, never those above; `tests/structure.rs` holds that.

pub mod cli;
pub mod command;
pub mod exit;
pub mod ui;

pub mod page;

pub mod report;

pub mod lab;

pub mod drill;

pub mod rehearsal;

pub mod matrix;

pub mod judge;
pub mod scenario;

pub mod audit;
pub mod configuration;

pub mod backup;
pub mod jetstream;
pub mod ledger;
pub mod offline;

pub mod archive;
pub mod evidence;
pub mod model;
