//! Steps: from the verb as written to the step that can be carried out.

use std::time::Duration;

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::disk_step::DiskStep;
use super::operator_step::OperatorStep;
use super::resolve::Resolver;
use super::step::{Batch, MOST_AGAIN, NetworkPart, NodeChoice, Step, Ways};
use super::written_step::{self as written, Step as Written};

type Result<T> = std::result::Result<T, Diagnostic>;

/// What takes an earlier memory limit back.
const NO_LIMIT: &str = "none";
/// What is slower is no network.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// The ways to cut a network.
const WAYS: [(&str, Ways); 3] = [("both", Ways::Both), ("out", Ways::Out), ("in", Ways::In)];

impl Resolver<'_> {
    pub(super) fn step(&mut self, step: &Spanned<Written>) -> Result<Step> {
        match step.get_ref() {
            Written::Publish(publish) => self.publish(publish),
            Written::Run(time) => self.pointer.time(time).map(|time| Step::Run { time }),
            Written::Kill(kill) => self.kill(kill),
            Written::Wipe(on) => {
                self.on_victim(on, |node, alias| Step::Disk(DiskStep::Wipe { node, alias }))
            }
            Written::NameNode(name) => Ok(Step::Operator(OperatorStep::NameNode {
                node: self.node(&name.node)?,
                alias: self.new_alias(&name.alias)?,
            })),
            Written::Stop(on) => self.on_victim(on, |node, alias| Step::Stop { node, alias }),
            Written::Pause(on) => self.on_victim(on, |node, alias| Step::Pause { node, alias }),
            Written::Resume(on) => self.on_node(on, |node| Step::Resume { node }),
            Written::Start(on) => self.on_node(on, |node| Step::Start { node }),
            Written::AddNode(add) => self.add_node(add),
            Written::PeerRemove(remove) => Ok(Step::PeerRemove {
                node: self.node(&remove.node)?,
                fails: remove.fails,
            }),
            Written::LeaderStepsDown(on) => Ok(Step::StepDown {
                stream: self.known_stream(&on.stream)?,
                to: on.to.as_ref().map(|node| self.node(node)).transpose()?,
            }),
            Written::Unavailable(on) => self.unavailable(on),
            Written::Wait(wait) => self.wait(wait),
            Written::NoReplacement(watch) => self.no_replacement(watch),
            Written::Backup(backup) => self.backup(backup),
            Written::DeleteStream(on) => self.delete_stream(on),
            Written::Restore(restore) => self.restore(restore),
            Written::Cut(cut) => self.cut(cut),
            Written::Delay(delay) => self.delay(delay),
            Written::Heal(heal) => self.heal(heal),
            Written::Elect(elect) => self.elect(elect),
            Written::Refuse(refuse) => self.refuse(refuse),
            Written::FillDisk(on) => self.fill_disk(on),
            Written::FreeDisk(on) => self.on_node(on, |node| Step::FreeDisk { node }),
            Written::ReadOnly(on) => self.on_node(on, |node| Step::ReadOnly { node }),
            Written::Writable(on) => self.on_node(on, |node| Step::Writable { node }),
            Written::StartFails(on) => self.on_node(on, |node| Step::StartFails { node }),
            Written::LimitMemory(limit) => self.limit_memory(limit),
            Written::Ends(ends) => self.ends(ends),
            Written::Damage(damage) => self.damage(damage).map(Step::Disk),
            Written::CopyDisk(copy) => self.copy_disk(copy).map(Step::Disk),
            Written::RollBack(back) => self.roll_back(back).map(Step::Disk),
            Written::Extract(extract) => self.extract(extract).map(Step::Disk),
            Written::Upgrade(upgrade) => self.upgrade(upgrade).map(Step::Operator),
            Written::Purge(purge) => self.purge(purge).map(Step::Operator),
            Written::DeleteMessages(delete) => self.delete_messages(delete).map(Step::Operator),
            Written::Update(update) => self.update(update).map(Step::Operator),
            Written::StreamPeerRemove(remove) => {
                self.stream_peer_remove(remove).map(Step::Operator)
            }
            Written::MetaRescue(rescue) => self.meta_rescue(rescue).map(Step::Operator),
            Written::MetaStepDown(_) => Ok(Step::Operator(OperatorStep::MetaStepDown)),
            Written::KillAll(all) => Ok(Step::Operator(OperatorStep::KillAll { wipe: all.wipe })),
            Written::StartAll(_) => Ok(Step::Operator(OperatorStep::StartAll)),
            Written::SaveConfig(save) => self.save_config(save).map(Step::Operator),
            Written::ApplyConfig(apply) => self.apply_config(apply).map(Step::Operator),
            Written::FailOver(_) => self.fail_over(step.span()).map(Step::Operator),
            Written::Rekey(rekey) => self.rekey(rekey).map(Step::Operator),
            Written::BeginBackup(begin) => self.begin_backup(begin).map(Step::Transfer),
            Written::EndBackup(end) => self.end_backup(end).map(Step::Transfer),
            Written::BeginRestore(begin) => self.begin_restore(begin).map(Step::Transfer),
            Written::EndRestore(end) => self.end_restore(end).map(Step::Transfer),
            Written::Abandon(abandon) => self.abandon(abandon).map(Step::Transfer),
            Written::ReadBucket(read) => self.read_bucket(read).map(Step::Bucket),
            Written::PutObjects(put) => self.put_objects(put).map(Step::Bucket),
            Written::ReadObjects(read) => self.read_objects(read).map(Step::Bucket),
        }
    }

    fn on_node(&self, on: &written::OnNode, step: impl Fn(NodeChoice) -> Step) -> Result<Step> {
        self.node(&on.node).map(step)
    }

    fn on_victim(
        &mut self,
        on: &written::OnNode,
        step: impl Fn(NodeChoice, String) -> Step,
    ) -> Result<Step> {
        let (node, alias) = self.node_and_alias(on)?;
        Ok(step(node, alias))
    }

    fn publish(&self, publish: &written::Publish) -> Result<Step> {
        let most = if publish.again {
            MOST_AGAIN as i64
        } else {
            10_000_000
        };
        let range = 1..=most;
        let messages = self.pointer.count(&publish.messages, range, "messages")?;
        Ok(Step::Publish {
            stream: self.published_stream(&publish.stream)?,
            batch: Batch {
                messages: messages as u64,
                again: publish.again,
            },
        })
    }

    fn kill(&mut self, kill: &written::Kill) -> Result<Step> {
        let node = self.node(&kill.node)?;
        Ok(Step::Kill {
            alias: self.alias(kill.alias.as_ref(), &kill.node)?,
            node,
            wipe: kill.wipe,
        })
    }

    fn add_node(&mut self, add: &written::AddNode) -> Result<Step> {
        self.adds_nodes = true;
        Ok(Step::AddNode {
            alias: match &add.alias {
                Some(alias) => self.new_alias(alias)?,
                None => String::from("new node"),
            },
        })
    }

    fn unavailable(&self, on: &written::OnStreamWithin) -> Result<Step> {
        Ok(Step::Unavailable {
            stream: self.published_stream(&on.stream)?,
            within: self.pointer.within(on.within.as_ref())?,
        })
    }

    fn wait(&self, wait: &written::Wait) -> Result<Step> {
        Ok(Step::Wait {
            stream: self.known_stream(&wait.stream)?,
            replicas: self.pointer.count(&wait.replicas, 1..=5, "replicas")?,
            within: self.pointer.within(wait.within.as_ref())?,
        })
    }

    fn no_replacement(&self, watch: &written::NoReplacement) -> Result<Step> {
        Ok(Step::NoReplacement {
            stream: self.known_stream(&watch.stream)?,
            watched: self.pointer.time(&watch.watched)?,
        })
    }

    fn backup(&mut self, backup: &written::Backup) -> Result<Step> {
        let (name, stream) = self.new_backup(&backup.name, &backup.stream)?;
        let lacks = backup.lacks.iter();
        let lacks = lacks.map(|one| self.consumer_named(one.get_ref(), &stream, &one.span()));
        Ok(Step::Backup {
            lacks: lacks.collect::<Result<_>>()?,
            stream,
            name,
            fails: backup.fails,
        })
    }

    fn delete_stream(&self, on: &written::DeleteStream) -> Result<Step> {
        Ok(Step::DeleteStream {
            stream: self.known_stream(&on.stream)?,
            within: self.pointer.within(on.within.as_ref())?,
            fails: on.fails,
        })
    }

    fn cut(&mut self, cut: &written::Cut) -> Result<Step> {
        let network = self.network(&cut.node, cut.from.as_ref(), cut.clients)?;
        let ways = match &cut.way {
            Some(way) => self.pointer.choice(way, &WAYS, "a way to cut")?,
            None => Ways::Both,
        };
        if let (Some(way), true) = (&cut.way, cut.clients && ways != Ways::Both) {
            let message = "`clients` are cut both ways or not at all: leave one of the two out";
            return Err(self.pointer.value(way, message));
        }
        Ok(Step::Cut {
            alias: self.alias_of_one(cut.alias.as_ref(), &network)?,
            network,
            ways,
        })
    }

    fn delay(&mut self, delay: &written::Delay) -> Result<Step> {
        let network = self.network(&delay.node, delay.from.as_ref(), delay.clients)?;
        Ok(Step::Delay {
            alias: self.alias_of_one(delay.alias.as_ref(), &network)?,
            network,
            by: self.delay_time(&delay.by)?,
        })
    }

    fn delay_time(&self, by: &Spanned<String>) -> Result<Duration> {
        let time = self.pointer.time(by)?;
        if time > LONGEST_DELAY {
            let message = "servers give a connection up long before: a minute at most";
            return Err(self.pointer.value(by, message));
        }
        Ok(time)
    }

    fn heal(&self, heal: &written::Heal) -> Result<Step> {
        let network = match (&heal.node, &heal.from) {
            // What was cut with its clients is healed with them.
            (Some(node), from) => Some(self.network(node, from.as_ref(), true)?),
            (None, None) => None,
            (None, Some(from)) => {
                let message = "`from` needs a `node`: the network between which nodes?";
                return Err(self.pointer.value(from, message));
            }
        };
        Ok(Step::Heal { network })
    }

    /// The network between some nodes and others, or everybody else.
    fn network(
        &self,
        nodes: &Spanned<written::Nodes>,
        from: Option<&Spanned<written::Nodes>>,
        clients: bool,
    ) -> Result<NetworkPart> {
        let part = NetworkPart {
            nodes: self.nodes_of(nodes)?,
            from: match from {
                Some(from) => self.nodes_of(from)?,
                None => Vec::new(),
            },
            clients,
        };
        if let Some(both) = part.from.iter().find(|node| part.nodes.contains(node)) {
            let message = format!("`{both}` is on both sides: there is no network between them");
            return Err(self.pointer.value(nodes, message));
        }
        let named = part.nodes.iter();
        let named = named.filter(|node| matches!(node, NodeChoice::Named(_)));
        if part.from.is_empty() && named.count() >= self.cluster.nodes && !self.adds_nodes {
            let message = "these are all nodes: nobody is left on the other side";
            return Err(self.pointer.value(nodes, message));
        }
        Ok(part)
    }

    pub(super) fn nodes_of(&self, nodes: &Spanned<written::Nodes>) -> Result<Vec<NodeChoice>> {
        let texts = match nodes.get_ref() {
            written::Nodes::One(text) => std::slice::from_ref(text),
            written::Nodes::Several(texts) => texts,
        };
        if texts.is_empty() {
            return Err(self.pointer.value(nodes, "no node is named here"));
        }
        let mut choices = Vec::new();
        for text in texts {
            let choice = self.node_named(text, &nodes.span())?;
            if choices.contains(&choice) {
                let message = format!("`{choice}` is named twice");
                return Err(self.pointer.value(nodes, message));
            }
            choices.push(choice);
        }
        Ok(choices)
    }

    /// The name later steps use for the node that a step about the network chose.
    fn alias_of_one(
        &mut self,
        alias: Option<&Spanned<String>>,
        network: &NetworkPart,
    ) -> Result<Option<String>> {
        let Some(alias) = alias else { return Ok(None) };
        if network.nodes.len() != 1 {
            let message = "several nodes can't have one name; leave `as` out";
            return Err(self.pointer.value(alias, message));
        }
        self.new_alias(alias).map(Some)
    }

    fn elect(&self, elect: &written::Elect) -> Result<Step> {
        Ok(Step::Elect {
            stream: self.known_stream(&elect.stream)?,
            not: self.node(&elect.not)?,
            within: self.pointer.within(elect.within.as_ref())?,
        })
    }

    fn refuse(&self, refuse: &written::Refuse) -> Result<Step> {
        Ok(Step::Refuse {
            node: self.node(&refuse.node)?,
            stream: self.published_stream(&refuse.stream)?,
            watched: self.pointer.time(&refuse.watched)?,
        })
    }

    fn fill_disk(&mut self, on: &written::OnNode) -> Result<Step> {
        if self.cluster.disk_bytes.is_none() {
            let message =
                "only a disk with a size can be filled: say `disk = \"64MiB\"` in [cluster]";
            return Err(self.pointer.value(&on.node, message));
        }
        self.on_victim(on, |node, alias| Step::FillDisk { node, alias })
    }

    fn limit_memory(&mut self, limit: &written::LimitMemory) -> Result<Step> {
        let node = self.node(&limit.node)?;
        Ok(Step::LimitMemory {
            alias: self.alias(limit.alias.as_ref(), &limit.node)?,
            node,
            bytes: if limit.to.get_ref().trim() == NO_LIMIT {
                None
            } else {
                Some(self.pointer.bytes(&limit.to)?)
            },
        })
    }

    fn ends(&self, ends: &written::Ends) -> Result<Step> {
        Ok(Step::Ends {
            node: self.node(&ends.node)?,
            within: self.pointer.within(ends.within.as_ref())?,
        })
    }
}
