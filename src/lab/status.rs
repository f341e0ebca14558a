//! How a lab is: what can be seen of its cluster, its load and its steps at one moment.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ledger::{LoadSeen, Observation, StepEnd};

/// A lab at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LabStatus {
    /// Its name.
    pub name: String,
    /// The server's version.
    pub server: String,
    /// Where its nodes run.
    pub runtime: String,
    /// Addresses for clients, one per node.
    pub urls: Vec<String>,
    /// The user of the account with JetStream.
    pub user: String,
    /// The password.
    pub password: String,
    /// The user of the system account.
    pub system_user: String,
    /// The password.
    pub system_password: String,
    /// What `XDG_CONFIG_HOME` has to be for the `nats` CLI to find a context for this lab, selected.
    pub nats_config_home: PathBuf,
    /// The number of the process behind it.
    pub process: u32,
    /// Where what happens is written down.
    pub evidence: PathBuf,
    /// Seconds since it was ready.
    pub up_seconds: f64,
    /// What nodes say of themselves.
    pub seen: Observation,
    /// The load.
    pub load: LoadSeen,
    /// The streams.
    pub streams: Vec<StreamStatus>,
    /// The latest fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultStatus>,
    /// Every step that was asked for.
    pub steps: Vec<StepStatus>,
    /// The scenario's own steps that are yet to come.
    pub planned: Vec<String>,
}

/// A stream that is published to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// The stream.
    pub stream: String,
    /// How many replicas it is to have.
    pub replicas: usize,
    /// How many messages it has acknowledged.
    pub acknowledged: u64,
    /// At least so many of them are not there, by its leader's count, and what was acknowledged since the last
    /// look besides; not told without a leader, of a stream that drops messages by itself, and once a step
    /// has removed some.
    pub missing: Option<u64>,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultStatus {
    /// What it was.
    pub what: String,
    /// The node that it hit.
    pub node: String,
    /// Seconds since then.
    pub seconds_ago: f64,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStatus {
    /// The step, as it was typed.
    pub text: String,
    /// How it ended; nothing while it is under way.
    pub end: Option<StepEnd>,
}
