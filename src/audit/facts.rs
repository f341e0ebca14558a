//! What was seen, before anybody judges it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::backups::Backups;
use super::copies::{Agreement, Watch};
use crate::jetstream::{ConsumerInfo, CopyState, ServerView, StreamInfo, StreamReplica};

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The streams that were asked for, by name.
    pub streams: Vec<StreamFacts>,
    /// What the servers said through the system account, by name; none when they were not asked.
    pub servers: Option<BTreeMap<String, ServerFacts>>,
    /// The backups that were found; none when they were not looked for.
    pub backups: Option<Backups>,
    /// What was not checked.
    pub unchecked: Vec<Unchecked>,
}

/// A stream.
#[derive(Debug, Clone, Default)]
pub struct StreamFacts {
    /// Its name.
    pub name: String,
    /// What its leader told; none when there was no answer.
    pub info: Option<StreamInfo>,
    /// Why there was no answer.
    pub silence: String,
    /// Where it is known to be when its leader does not say so: its peers when all are gone, or the
    /// standalone server.
    pub nodes: Vec<String>,
    /// Its consumers.
    pub consumers: Vec<ConsumerInfo>,
    /// The names of its consumers that do not answer.
    pub silent_consumers: Vec<String>,
    /// What each server said of its own copy, by the server's name.
    pub copies: BTreeMap<String, CopyState>,
    /// Whether the followers' copies hold the same as the leader's, look by look.
    pub watch: Watch,
}

/// A server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// How often it writes what it has acknowledged to disk.
    pub sync_interval: Option<Duration>,
    /// It writes to disk before it acknowledges.
    pub sync_always: bool,
}

/// A check that was not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unchecked {
    /// Which, and why, in a sentence.
    pub what: String,
    /// It was asked for, and there was no answer: the audit can't say that all is well.
    pub silent: bool,
}

impl Facts {
    /// Notes a check that was not to be made.
    pub fn not_asked(&mut self, what: impl Into<String>) {
        self.unchecked.push(Unchecked {
            what: what.into(),
            silent: false,
        });
    }

    /// Notes a check that was to be made and got no answer.
    pub fn not_told(&mut self, what: impl Into<String>) {
        self.unchecked.push(Unchecked {
            what: what.into(),
            silent: true,
        });
    }
}

impl StreamFacts {
    /// How many replicas it should have; none when there was no answer.
    pub fn replicas(&self) -> Option<u64> {
        let replicas = self.info.as_ref()?.config["num_replicas"].as_u64();
        Some(replicas.unwrap_or(1).max(1))
    }

    /// Whether it is kept in memory.
    pub fn is_in_memory(&self) -> bool {
        let info = self.info.as_ref();
        info.is_some_and(|info| info.config["storage"] == "memory")
    }

    /// Whether it answers, and is in no group.
    pub(super) fn is_standalone(&self) -> bool {
        let info = self.info.as_ref();
        info.is_some_and(|info| info.cluster.is_none())
    }

    /// Its leader's node.
    pub fn leader(&self) -> Option<&str> {
        self.info.as_ref()?.leader()
    }

    /// Where its only copy is, when it has one.
    pub fn node(&self) -> Option<&str> {
        let only = match &self.nodes[..] {
            [only] => Some(only.as_str()),
            _ => None,
        };
        self.leader().or(only)
    }

    /// The other replicas.
    pub fn followers(&self) -> &[StreamReplica] {
        let group = self.info.as_ref().and_then(|info| info.cluster.as_ref());
        group.map_or(&[], |group| &group.replicas)
    }

    /// The nodes that hold it, as far as they are known.
    pub fn holders(&self) -> Vec<&str> {
        let followers = self.followers().iter().map(|one| one.name.as_str());
        let mut holders: Vec<_> = self.leader().into_iter().chain(followers).collect();
        if holders.is_empty() {
            let known = self.nodes.iter().chain(self.copies.keys());
            holders = known.map(String::as_str).collect();
        }
        holders.sort_unstable();
        holders.dedup();
        holders
    }

    /// The followers that are not up to date by their leader's word, and are not gone.
    pub fn behind(&self) -> impl Iterator<Item = &StreamReplica> {
        let followers = self.followers().iter();
        followers.filter(|one| !one.offline && (!one.current || one.lag > 0))
    }

    /// Whether another look may tell more: a replica catches up, or copies differ because they
    /// were not counted at the same moment. A server that does not answer can't have caught up.
    pub(super) fn is_unsettled(&self, answering: Option<&BTreeSet<String>>) -> bool {
        let mut behind = self.behind();
        behind.any(|one| answering.is_none_or(|names| names.contains(&one.name)))
            || self.watch.nodes(Agreement::Unequal).next().is_some()
    }

    /// Takes note of what the servers say of their own copies now. A follower whose server answers
    /// and has none of this stream has an empty copy.
    pub(super) fn take(&mut self, views: &[ServerView]) {
        let copies = views.iter().filter_map(|view| {
            let mut followers = self.followers().iter();
            let is_follower = followers.any(|one| one.name == view.name);
            let own = view.copies.get(&self.name).copied();
            let copy = own.or_else(|| is_follower.then(CopyState::default))?;
            Some((view.name.clone(), copy))
        });
        self.copies = copies.collect();
        let Some(leader) = self.leader().map(str::to_owned) else {
            return;
        };
        let followers: Vec<_> = self
            .followers()
            .iter()
            .map(|one| one.name.clone())
            .collect();
        self.watch.look(&leader, &followers, &self.copies);
    }
}
