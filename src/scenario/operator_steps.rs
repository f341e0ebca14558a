//! Steps of operators: from the verb as written to the step that can be carried out.

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::operator_step::{Key, OperatorStep};
use super::resolve::Resolver;
use super::step::{RestoreChanges, Step};
use super::stream_config::Place;
use super::written::Config;
use super::written_step as written;

type Result<T> = std::result::Result<T, Diagnostic>;

/// What a restore does when the stream exists: whether it takes its place.
const IF_EXISTS: [(&str, bool); 2] = [("refuse", false), ("replace", true)];
/// The keys that a server may find in its configuration.
const KEYS: [(&str, Key); 3] = [
    ("own", Key::Own),
    ("another", Key::Another),
    ("none", Key::None),
];
/// As many messages may be named in one step.
const MOST_MESSAGES: i64 = 10_000_000;

impl Resolver<'_> {
    pub(super) fn upgrade(&mut self, upgrade: &written::Upgrade) -> Result<OperatorStep> {
        let to = self.pointer.version(&upgrade.to)?;
        let node = self.node(&upgrade.node)?;
        let alias = self.alias(upgrade.alias.as_ref(), &upgrade.node)?;
        Ok(OperatorStep::Upgrade { node, alias, to })
    }

    pub(super) fn save_config(&mut self, save: &written::SaveConfig) -> Result<OperatorStep> {
        let name = match &save.data {
            Some(stream) => self.new_backup(&save.name, stream)?.0,
            None => self.pointer.word(&save.name, "a name")?,
        };
        if !self.saved.insert(name.clone()) {
            let message = format!("configurations are saved as `{name}` already");
            return Err(self.pointer.value(&save.name, message));
        }
        let data = save.data.as_ref().map(|stream| stream.get_ref().clone());
        Ok(OperatorStep::SaveConfig { name, data })
    }

    pub(super) fn apply_config(&self, apply: &written::ApplyConfig) -> Result<OperatorStep> {
        let from = self.known(&apply.from, self.saved.iter(), "saved configuration")?;
        Ok(OperatorStep::ApplyConfig { from })
    }

    pub(super) fn rekey(&self, rekey: &written::Rekey) -> Result<OperatorStep> {
        if !self.cluster.encrypted {
            let message = "nothing is encrypted here: say `encrypted = true` of the cluster";
            return Err(self.pointer.value(&rekey.key, message));
        }
        Ok(OperatorStep::Rekey {
            nodes: self.nodes_of(&rekey.node)?,
            key: self.pointer.choice(&rekey.key, &KEYS, "a key")?,
        })
    }

    pub(super) fn purge(&self, purge: &written::Purge) -> Result<OperatorStep> {
        let keep = match &purge.keep {
            Some(keep) => self.pointer.count(keep, 1..=MOST_MESSAGES, "messages")? as u64,
            None => 0,
        };
        Ok(OperatorStep::Purge {
            stream: self.removable_stream(&purge.stream)?,
            keep,
        })
    }

    pub(super) fn delete_messages(&self, delete: &written::DeleteMessages) -> Result<OperatorStep> {
        let every = self
            .pointer
            .count(&delete.every, 1..=MOST_MESSAGES, "messages")?;
        Ok(OperatorStep::DeleteMessages {
            stream: self.removable_stream(&delete.stream)?,
            every: every as u64,
        })
    }

    pub(super) fn update(&self, update: &written::Update) -> Result<OperatorStep> {
        let stream = self.known_stream(&update.stream)?;
        let config = self.fields(&update.config, Place::Update)?;
        self.leaves_all(&stream, &update.config)?;
        if config.is_empty() {
            let message = "nothing is changed: `config` needs a field";
            return Err(self.pointer.value(&update.stream, message));
        }
        Ok(OperatorStep::Update {
            stream,
            config,
            fails: update.fails,
        })
    }

    pub(super) fn stream_peer_remove(
        &self,
        remove: &written::StreamPeerRemove,
    ) -> Result<OperatorStep> {
        Ok(OperatorStep::StreamPeerRemove {
            stream: self.known_stream(&remove.stream)?,
            node: self.node(&remove.node)?,
            fails: remove.fails,
        })
    }

    pub(super) fn meta_rescue(&self, rescue: &written::MetaRescue) -> Result<OperatorStep> {
        let quorum = match &rescue.quorum {
            // Zero is refused by the servers, which a drill may want to see.
            Some(quorum) => self.pointer.count(quorum, 0..=15, "nodes")?,
            None => 1,
        };
        Ok(OperatorStep::MetaRescue {
            node: self.node(&rescue.node)?,
            quorum,
            fails: rescue.fails,
        })
    }

    pub(super) fn restore(&self, restore: &written::Restore) -> Result<Step> {
        let backup = self.known_backup(&restore.backup)?;
        self.leaves_all(&self.backups[&backup], &restore.config)?;
        Ok(Step::Restore {
            backup,
            changes: self.restore_changes(
                restore.replicas.as_ref(),
                &restore.config,
                restore.if_exists.as_ref(),
            )?,
            fails: restore.fails,
        })
    }

    pub(super) fn restore_changes(
        &self,
        replicas: Option<&Spanned<i64>>,
        config: &Config,
        if_exists: Option<&Spanned<String>>,
    ) -> Result<RestoreChanges> {
        let replicas = match replicas {
            Some(replicas) => Some(self.pointer.count(replicas, 1..=5, "replicas")?),
            None => None,
        };
        let replace = match if_exists {
            Some(what) => {
                (self.pointer).choice(what, &IF_EXISTS, "what to do with a stream that exists")?
            }
            None => false,
        };
        Ok(RestoreChanges {
            replicas,
            config: self.fields(config, Place::Restore)?,
            replace,
        })
    }
}
