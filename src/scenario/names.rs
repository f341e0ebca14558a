//! The names in a scenario: nodes, streams, backups. Each must have been introduced above.

use std::ops::Range;

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::resolve::Resolver;
use super::step::NodeChoice;
use super::written_step as written;
use crate::model::meant;

type Result<T> = std::result::Result<T, Diagnostic>;

impl Resolver<'_> {
    pub(super) fn node(&self, choice: &Spanned<String>) -> Result<NodeChoice> {
        self.node_named(choice.get_ref(), &choice.span())
    }

    /// The node that a text which stands there names.
    pub(super) fn node_named(&self, text: &str, span: &Range<usize>) -> Result<NodeChoice> {
        let text = text.trim();
        if text == "meta leader" {
            return Ok(NodeChoice::MetaLeader);
        }
        if let Some((role, stream)) = text.split_once(" of ") {
            let stream = self.stream_named(stream.trim(), span.clone())?;
            if let Some(consumer) = role.trim().strip_prefix("consumer ") {
                let consumer = self.consumer_named(consumer.trim(), &stream, span)?;
                return Ok(NodeChoice::ConsumerOf { stream, consumer });
            }
            return match role.trim() {
                "leader" | "replica" => Ok(NodeChoice::LeaderOf(stream)),
                "follower" => Ok(NodeChoice::FollowerOf(stream)),
                "spare" => Ok(NodeChoice::SpareOf(stream)),
                other => {
                    let hint = meant(other, &["leader", "follower", "replica", "spare"]);
                    Err(self.pointer.at(span.clone(), format!("`{other}` of a stream is no node; expected leader, follower, replica or spare{hint}")))
                }
            };
        }
        if self.aliases.contains(text) {
            return Ok(NodeChoice::Alias(text.to_owned()));
        }
        let named = self.cluster.node_names();
        if named.iter().any(|name| name == text) {
            return Ok(NodeChoice::Named(text.to_owned()));
        }
        let mut all = named;
        all.extend(self.aliases.iter().cloned());
        let known = all.join(", ");
        Err(self.pointer.at(span.clone(), format!("`{text}` is no node; expected one of {known}, a name that an earlier step gave with `as`, or `leader of STREAM`, `follower of STREAM`, `replica of STREAM`, `spare of STREAM`, `consumer NAME of STREAM`, `meta leader`{}", meant(text, &all))))
    }

    pub(super) fn consumer_named(
        &self,
        name: &str,
        stream: &str,
        span: &Range<usize>,
    ) -> Result<String> {
        let known = self.consumers.get(stream).map_or(&[][..], Vec::as_slice);
        if known.iter().any(|one| one == name) {
            return Ok(name.to_owned());
        }
        let hint = meant(name, known);
        let message = format!("{stream} has no consumer `{name}`{hint}");
        Err(self.pointer.at(span.clone(), message))
    }

    pub(super) fn node_and_alias(&mut self, on: &written::OnNode) -> Result<(NodeChoice, String)> {
        let node = self.node(&on.node)?;
        Ok((node, self.alias(on.alias.as_ref(), &on.node)?))
    }

    /// The name later steps use; a node named outright keeps its own.
    pub(super) fn alias(
        &mut self,
        alias: Option<&Spanned<String>>,
        node: &Spanned<String>,
    ) -> Result<String> {
        match alias {
            Some(alias) => self.new_alias(alias),
            None => Ok(node.get_ref().trim().to_owned()),
        }
    }

    pub(super) fn new_alias(&mut self, alias: &Spanned<String>) -> Result<String> {
        let name = self.pointer.word(alias, "a node's name")?;
        if self.cluster.node_names().contains(&name) {
            return Err(self
                .pointer
                .value(alias, format!("`{name}` is a node's own name")));
        }
        if !self.aliases.insert(name.clone()) {
            return Err(self.pointer.value(
                alias,
                format!("an earlier step named a node `{name}` already"),
            ));
        }
        Ok(name)
    }

    pub(super) fn known_stream(&self, stream: &Spanned<String>) -> Result<String> {
        self.stream_named(stream.get_ref(), stream.span())
    }

    pub(super) fn stream_named(&self, stream: &str, span: Range<usize>) -> Result<String> {
        if self.streams.iter().any(|known| known == stream) {
            return Ok(stream.to_owned());
        }
        let known = self.streams.join(", ");
        let hint = meant(stream, &self.streams);
        Err(self.pointer.at(
            span,
            format!("no stream is called `{stream}`; there is {known}{hint}"),
        ))
    }

    /// The name of a backup that a step takes, and the stream it is of.
    pub(super) fn new_backup(
        &mut self,
        backup: &Spanned<String>,
        stream: &Spanned<String>,
    ) -> Result<(String, String)> {
        let name = self.pointer.word(backup, "a backup's name")?;
        let stream = self.known_stream(stream)?;
        if self.backups.insert(name.clone(), stream.clone()).is_some() {
            let message = format!("there are two backups `{name}`");
            return Err(self.pointer.value(backup, message));
        }
        Ok((name, stream))
    }

    pub(super) fn known_backup(&self, backup: &Spanned<String>) -> Result<String> {
        self.known(backup, self.backups.keys(), "backup")
    }

    /// A name that an earlier step gave to something of a kind.
    pub(super) fn known<'n>(
        &self,
        written: &Spanned<String>,
        names: impl Iterator<Item = &'n String>,
        kind: &str,
    ) -> Result<String> {
        let name = written.get_ref();
        let names: Vec<_> = names.collect();
        if names.contains(&name) {
            return Ok(name.clone());
        }
        let hint = meant(name, &names);
        let message = format!("no earlier step makes a {kind} `{name}`{hint}");
        Err(self.pointer.value(written, message))
    }
}
