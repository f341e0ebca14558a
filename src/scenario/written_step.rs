//! The steps as they are written: one table a verb, with every key that may stand in it.

use serde::Deserialize;
use toml::Spanned;

use super::written::Config;
pub(super) use super::written_operator_step::{
    ApplyConfig, DeleteMessages, KillAll, MetaRescue, Purge, Rekey, SaveConfig, StreamPeerRemove,
    Update, Upgrade,
};

/// Gives a node a name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NameNode {
    pub(super) node: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Spanned<String>,
}

/// `[[step]]`: one verb and what it needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    Publish(Publish),
    Run(Spanned<String>),
    Kill(Kill),
    Wipe(OnNode),
    NameNode(NameNode),
    Stop(OnNode),
    Pause(OnNode),
    Resume(OnNode),
    Start(OnNode),
    AddNode(AddNode),
    PeerRemove(PeerRemove),
    #[serde(rename = "step_down")]
    LeaderStepsDown(StepDown),
    Unavailable(OnStreamWithin),
    Wait(Wait),
    NoReplacement(NoReplacement),
    Backup(Backup),
    DeleteStream(DeleteStream),
    Restore(Restore),
    Cut(Cut),
    Delay(Delay),
    Heal(Heal),
    Elect(Elect),
    Refuse(Refuse),
    FillDisk(OnNode),
    FreeDisk(OnNode),
    ReadOnly(OnNode),
    Writable(OnNode),
    StartFails(OnNode),
    LimitMemory(LimitMemory),
    Ends(Ends),
    Damage(Damage),
    CopyDisk(CopyDisk),
    RollBack(RollBack),
    Extract(Extract),
    Upgrade(Upgrade),
    Purge(Purge),
    DeleteMessages(DeleteMessages),
    Update(Update),
    StreamPeerRemove(StreamPeerRemove),
    MetaRescue(MetaRescue),
    MetaStepDown(Nothing),
    KillAll(KillAll),
    StartAll(Nothing),
    SaveConfig(SaveConfig),
    ApplyConfig(ApplyConfig),
    FailOver(Nothing),
    Rekey(Rekey),
    BeginBackup(BeginBackup),
    EndBackup(EndTransfer),
    BeginRestore(BeginRestore),
    EndRestore(EndTransfer),
    Abandon(Abandon),
    ReadBucket(ReadBucket),
    PutObjects(PutObjects),
    ReadObjects(ReadBucket),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    pub(super) stream: Spanned<String>,
    pub(super) messages: Spanned<i64>,
    #[serde(default)]
    pub(super) again: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {
    pub(super) node: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) wipe: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnNode {
    pub(super) node: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddNode {
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepDown {
    pub(super) stream: Spanned<String>,
    /// Until this node leads.
    pub(super) to: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnStreamWithin {
    pub(super) stream: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    pub(super) stream: Spanned<String>,
    pub(super) replicas: Spanned<i64>,
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoReplacement {
    pub(super) stream: Spanned<String>,
    #[serde(rename = "for")]
    pub(super) watched: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backup {
    pub(super) stream: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) name: Spanned<String>,
    /// Consumers that it can't have, and says so.
    #[serde(default)]
    pub(super) lacks: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) fails: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Restore {
    pub(super) backup: Spanned<String>,
    pub(super) replicas: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) config: Config,
    pub(super) if_exists: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) fails: bool,
}

/// One node or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a node, or an array of nodes")]
pub(super) enum Nodes {
    One(String),
    Several(Vec<String>),
}

/// The network between `node` and `from`, or between `node` and everybody else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    pub(super) node: Spanned<Nodes>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    pub(super) from: Option<Spanned<Nodes>>,
    pub(super) way: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) clients: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delay {
    pub(super) node: Spanned<Nodes>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    pub(super) from: Option<Spanned<Nodes>>,
    pub(super) by: Spanned<String>,
    #[serde(default)]
    pub(super) clients: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Heal {
    pub(super) node: Option<Spanned<Nodes>>,
    pub(super) from: Option<Spanned<Nodes>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Elect {
    pub(super) stream: Spanned<String>,
    pub(super) not: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refuse {
    pub(super) node: Spanned<String>,
    pub(super) stream: Spanned<String>,
    #[serde(rename = "for")]
    pub(super) watched: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitMemory {
    pub(super) node: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    pub(super) to: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ends {
    pub(super) node: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeerRemove {
    pub(super) node: Spanned<String>,
    #[serde(default)]
    pub(super) fails: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteStream {
    pub(super) stream: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) fails: bool,
}

/// Harm to a stopped node's disk.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Damage {
    pub(super) node: Spanned<String>,
    /// Not with `what = "meta group"`.
    pub(super) stream: Option<Spanned<String>>,
    pub(super) what: Spanned<String>,
    pub(super) how: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CopyDisk {
    pub(super) node: Spanned<Nodes>,
    #[serde(rename = "as")]
    pub(super) name: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RollBack {
    pub(super) node: Spanned<Nodes>,
    pub(super) to: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extract {
    pub(super) backup: Spanned<String>,
    pub(super) node: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BeginBackup {
    pub(super) stream: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) slow: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BeginRestore {
    pub(super) backup: Spanned<String>,
    pub(super) replicas: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) config: Config,
    #[serde(default)]
    pub(super) slow: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndTransfer {
    pub(super) backup: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) fails: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Abandon {
    pub(super) backup: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadBucket {
    pub(super) bucket: Spanned<String>,
    pub(super) within: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutObjects {
    pub(super) bucket: Spanned<String>,
    pub(super) objects: Spanned<i64>,
    pub(super) size: Spanned<String>,
}

/// A verb that needs nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
