//! The steps of operators as they are written, beyond backups and taking nodes out.

use serde::Deserialize;
use toml::Spanned;

use super::written::Config;
use super::written_step::Nodes;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upgrade {
    pub(super) node: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    pub(super) to: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Purge {
    pub(super) stream: Spanned<String>,
    /// How many of the newest messages stay.
    pub(super) keep: Option<Spanned<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteMessages {
    pub(super) stream: Spanned<String>,
    pub(super) every: Spanned<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    pub(super) stream: Spanned<String>,
    pub(super) config: Config,
    #[serde(default)]
    pub(super) fails: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamPeerRemove {
    pub(super) stream: Spanned<String>,
    pub(super) node: Spanned<String>,
    #[serde(default)]
    pub(super) fails: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetaRescue {
    pub(super) node: Spanned<String>,
    pub(super) quorum: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) fails: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KillAll {
    #[serde(default)]
    pub(super) wipe: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaveConfig {
    #[serde(rename = "as")]
    pub(super) name: Spanned<String>,
    /// The stream whose messages are saved as well.
    pub(super) data: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyConfig {
    pub(super) from: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rekey {
    pub(super) node: Spanned<Nodes>,
    pub(super) key: Spanned<String>,
}
