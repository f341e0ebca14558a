//! Steps about disks: from the verb as written to the step that can be carried out.

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::disk_step::{DamageTarget, DiskStep, Harm, StreamPart};
use super::resolve::Resolver;
use super::step::NodeChoice;
use super::written_step as written;

type Result<T> = std::result::Result<T, Diagnostic>;

/// What can be done to a file.
const HARMS: [(&str, Harm); 4] = [
    ("flip", Harm::Flip),
    ("truncate", Harm::Truncate),
    ("overflow", Harm::Overflow),
    ("remove", Harm::Remove),
];
/// What can be damaged; without a part it is the meta group.
const TARGETS: [(&str, Option<StreamPart>); 8] = [
    ("first block", Some(StreamPart::FirstBlock)),
    ("last block", Some(StreamPart::LastBlock)),
    ("header length", Some(StreamPart::HeaderLength)),
    ("index", Some(StreamPart::Index)),
    ("messages", Some(StreamPart::Messages)),
    ("consumers", Some(StreamPart::Consumers)),
    ("configuration", Some(StreamPart::Configuration)),
    ("meta group", None),
];

impl Resolver<'_> {
    pub(super) fn damage(&self, damage: &written::Damage) -> Result<DiskStep> {
        let node = self.node(&damage.node)?;
        let part = (self.pointer).choice(&damage.what, &TARGETS, "anything on a disk")?;
        let harm = (self.pointer).choice(&damage.how, &HARMS, "a kind of damage")?;
        let target = match (part, &damage.stream) {
            (Some(part), Some(stream)) => DamageTarget::Stream {
                stream: self.known_stream(stream)?,
                part,
            },
            (None, None) => DamageTarget::MetaGroup,
            (None, Some(stream)) => {
                let message = "the meta group is no stream's: leave `stream` out";
                return Err(self.pointer.value(stream, message));
            }
            (Some(_), None) => {
                let message = format!(
                    "{} of which stream? add `stream`, or say `what = \"meta group\"`",
                    damage.what.get_ref()
                );
                return Err(self.pointer.value(&damage.what, message));
            }
        };
        if let DamageTarget::Stream { stream: name, .. } = &target
            && self.in_memory.contains(name)
        {
            let message = format!("{name} is kept in memory: it is on no disk");
            return Err(self.pointer.value(&damage.what, message));
        }
        if part == Some(StreamPart::Messages) && harm != Harm::Remove {
            let message = "all messages together can only be removed: say `how = \"remove\"`, or damage a block";
            return Err(self.pointer.value(&damage.how, message));
        }
        let is_length = part == Some(StreamPart::HeaderLength);
        if is_length && !matches!(harm, Harm::Flip | Harm::Overflow) {
            let message =
                "a length can't be cut or removed: say `how = \"flip\"` or `how = \"overflow\"`";
            return Err(self.pointer.value(&damage.how, message));
        }
        if harm == Harm::Overflow && !is_length {
            let message = "only lengths overflow: say `what = \"header length\"`";
            return Err(self.pointer.value(&damage.how, message));
        }
        Ok(DiskStep::Damage { node, target, harm })
    }

    pub(super) fn copy_disk(&mut self, copy: &written::CopyDisk) -> Result<DiskStep> {
        let nodes = self.nodes_of(&copy.node)?;
        let name = self.pointer.word(&copy.name, "a copy's name")?;
        if self.copies.contains_key(&name) {
            let message = format!("there are two copies `{name}`");
            return Err(self.pointer.value(&copy.name, message));
        }
        self.copies.insert(name.clone(), nodes.clone());
        Ok(DiskStep::CopyDisk { nodes, name })
    }

    pub(super) fn roll_back(&self, back: &written::RollBack) -> Result<DiskStep> {
        let nodes = self.nodes_of(&back.node)?;
        let copy = self.known_copy(&back.to)?;
        let of = &self.copies[&copy];
        // Which node the others are is known only when their step comes.
        let is_named = |node: &NodeChoice| matches!(node, NodeChoice::Named(_));
        let missing = nodes.iter().find(|node| !of.contains(node));
        if let Some(node) = missing.filter(|node| is_named(node) && of.iter().all(is_named)) {
            let of: Vec<_> = of.iter().map(ToString::to_string).collect();
            let message = format!("`{copy}` has no disk of {node}, only of {}", of.join(", "));
            return Err(self.pointer.value(&back.node, message));
        }
        Ok(DiskStep::RollBack { nodes, copy })
    }

    fn known_copy(&self, copy: &Spanned<String>) -> Result<String> {
        self.known(copy, self.copies.keys(), "copy")
    }

    pub(super) fn extract(&self, extract: &written::Extract) -> Result<DiskStep> {
        let node = self.node(&extract.node)?;
        let backup = self.known_backup(&extract.backup)?;
        if self.cluster.encrypted {
            let message = "what is extracted is not encrypted, and an encrypted server can't read it: leave `encrypted` out";
            return Err(self.pointer.value(&extract.node, message));
        }
        Ok(DiskStep::Extract { backup, node })
    }
}
