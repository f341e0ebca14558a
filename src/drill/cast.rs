//! Who is who in a lab, for the file that does it again: there other nodes lead and follow, so each is called
//! by what it was at the first step, and a leader that is hit by what it leads then.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{NodeStatus, Observation};
use crate::scenario::TypedStep;

/// The role that is no stream's.
const META_LEADER: &str = "meta leader";

/// The names that nodes have in the file.
#[derive(Debug, Default)]
pub(super) struct Cast {
    /// Each node's name.
    names: BTreeMap<String, String>,
    /// What each was when it got its name.
    named_as: BTreeMap<String, String>,
    /// What each was when it was seen last.
    roles: BTreeMap<String, String>,
    given: BTreeSet<String>,
}

/// A node that gets a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Introduction {
    pub(super) node: String,
    pub(super) name: String,
    role: String,
}

impl Introduction {
    /// The step that does so.
    pub(super) fn step(&self) -> String {
        let [role, name] = [&self.role, &self.name].map(|text| toml::Value::from(text.as_str()));
        format!("name_node = {{ node = {role}, as = {name} }}")
    }
}

impl Cast {
    /// Learns what each node that runs is now. Who led a stream that nobody leads is still who led it.
    pub(super) fn look(&mut self, seen: &Observation) {
        for node in &seen.nodes {
            if node.state != NodeStatus::Running {
                continue;
            }
            let before = self.roles.get(&node.node);
            let leaderless = before.and_then(|role| role.strip_prefix("leader of "));
            let leaderless = leaderless.and_then(|stream| seen.stream(stream));
            if leaderless.is_some_and(|stream| stream.leader().is_none()) {
                continue;
            }
            if let Some(role) = role_of(&node.node, seen) {
                self.roles.insert(node.node.clone(), role);
            }
        }
    }

    /// Who has to be introduced before a step: everybody before the first, and later a node that leads
    /// something else by now, or has come since.
    pub(super) fn introduce(
        &mut self,
        step: &TypedStep,
        seen: &Observation,
        typed: &TypedStep,
    ) -> Vec<Introduction> {
        // A server alone is who it is.
        let mentioned = step.nodes();
        if seen.nodes.len() < 2 || (mentioned.is_empty() && !step.is_on_all()) {
            return Vec::new();
        }
        let is_first = self.given.is_empty();
        let mut nodes: Vec<_> = seen.nodes.iter().map(|seen| seen.node.clone()).collect();
        // Leaders first: followers and spares are those that are left.
        nodes.sort_by_key(|node| !self.roles.get(node).is_some_and(|role| leads(role)));
        let wanted = nodes.into_iter().filter(|node| {
            let is_mentioned = step.is_on_all() || mentioned.contains(node);
            let role = self.roles.get(node);
            let has_come = !self.names.contains_key(node);
            let leads_other = role.is_some_and(|role| {
                leads(role) && self.named_as.get(node).is_some_and(|named| named != role)
            });
            role.is_some()
                && (has_come && (is_first || is_mentioned) || is_mentioned && leads_other)
        });
        let wanted: Vec<_> = wanted.collect();
        let mut said: Vec<_> = wanted
            .into_iter()
            .filter_map(|node| self.name(node))
            .collect();
        // Who leads the meta group, or a consumer, is something else besides, and counts where that was
        // meant.
        for (typed, node) in typed.nodes().into_iter().zip(step.nodes()) {
            let role = typed.trim();
            if role == META_LEADER || role.starts_with("consumer ") {
                self.roles.insert(node.clone(), role.to_owned());
                said.extend(self.name(node));
            }
        }
        said
    }

    fn name(&mut self, node: String) -> Option<Introduction> {
        let role = self.roles.get(&node)?.clone();
        let mut names = (1..).map(|number| match number {
            1 => format!("was-{node}"),
            number => format!("was-{node}-{number}"),
        });
        let name = names.find(|name| !self.given.contains(name))?;
        self.given.insert(name.clone());
        self.names.insert(node.clone(), name.clone());
        self.named_as.insert(node.clone(), role.clone());
        Some(Introduction { node, name, role })
    }

    /// A node that a step has added keeps the name it got.
    pub(super) fn joined(&mut self, node: &str) {
        self.names.insert(node.to_owned(), node.to_owned());
    }

    /// A step with the file's names.
    pub(super) fn renamed(&self, step: &TypedStep) -> TypedStep {
        step.renamed(&self.names)
    }
}

fn leads(role: &str) -> bool {
    role.starts_with("leader of ")
}

/// The most telling of what a node is.
fn role_of(node: &str, seen: &Observation) -> Option<String> {
    let mut streams = seen.streams.iter();
    let led = streams.find(|stream| stream.leader().is_some_and(|leader| leader.node == node));
    if let Some(stream) = led {
        return Some(format!("leader of {}", stream.stream));
    }
    let mut streams = seen.streams.iter();
    let held = streams.find(|stream| stream.replicas.iter().any(|one| one.node == node));
    if let Some(stream) = held {
        return Some(format!("follower of {}", stream.stream));
    }
    let first = seen.streams.first()?;
    Some(format!("spare of {}", first.stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{NodeSeen, ReplicaSeen, StreamSeen};

    fn seen(meta: &str, leader: &str) -> Observation {
        let node = |name: &str| NodeSeen {
            node: name.to_owned(),
            state: NodeStatus::Running,
            leads_meta: name == meta,
        };
        let replica = |name: &str| ReplicaSeen {
            node: name.to_owned(),
            leads: name == leader,
            messages: 1,
            first_sequence: 1,
            last_sequence: 1,
        };
        Observation {
            nodes: ["n1", "n2", "n3", "n4"].map(node).into(),
            streams: vec![StreamSeen {
                stream: String::from("S"),
                replicas: ["n1", "n2", "n3"].map(replica).into(),
            }],
        }
    }

    fn steps(cast: &mut Cast, text: &str, seen: &Observation) -> Vec<String> {
        cast.look(seen);
        let step = TypedStep::read(text).unwrap();
        let said = cast.introduce(&step, seen, &step);
        let mut said: Vec<_> = said.iter().map(Introduction::step).collect();
        said.push(cast.renamed(&step).text());
        said
    }

    #[test]
    fn everybody_is_introduced_before_the_first_step_leaders_first() {
        let mut cast = Cast::default();
        let run = steps(
            &mut cast,
            "wait = { stream = \"S\", replicas = 3 }",
            &seen("n1", "n2"),
        );
        assert_eq!(run.len(), 1, "{run:?}");
        assert_eq!(
            steps(&mut cast, "kill = { node = \"n3\" }", &seen("n1", "n2")),
            [
                "name_node = { node = \"leader of S\", as = \"was-n2\" }",
                "name_node = { node = \"follower of S\", as = \"was-n1\" }",
                "name_node = { node = \"follower of S\", as = \"was-n3\" }",
                "name_node = { node = \"spare of S\", as = \"was-n4\" }",
                "kill = { node = \"was-n3\" }",
            ]
        );
        // Nobody leads: who is hit next is known already.
        assert_eq!(
            steps(&mut cast, "kill = { node = \"n2\" }", &seen("", "")),
            ["kill = { node = \"was-n2\" }"]
        );
        // By now it leads, which it did not when it got its name.
        assert_eq!(
            steps(&mut cast, "pause = { node = \"n3\" }", &seen("n1", "n3")),
            [
                "name_node = { node = \"leader of S\", as = \"was-n3-2\" }",
                "pause = { node = \"was-n3-2\" }",
            ]
        );
    }

    /// Pauses a node by what it was meant as, and returns how it is introduced last, and the step.
    fn paused(meant: &str, node: &str) -> [String; 2] {
        let mut cast = Cast::default();
        let seen = seen("n1", "n2");
        cast.look(&seen);
        let pause =
            |node: &str| TypedStep::read(&format!("pause = {{ node = \"{node}\" }}")).unwrap();
        let exact = pause(node);
        let said = cast.introduce(&exact, &seen, &pause(meant));
        [said.last().unwrap().step(), cast.renamed(&exact).text()]
    }

    #[test]
    fn the_meta_leader_is_one_where_it_was_meant() {
        assert_eq!(
            paused("meta leader", "n1"),
            [
                "name_node = { node = \"meta leader\", as = \"was-n1-2\" }",
                "pause = { node = \"was-n1-2\" }",
            ]
        );
    }

    #[test]
    fn a_consumers_node_is_one_where_it_was_meant() {
        assert_eq!(
            paused("consumer billing of S", "n3"),
            [
                "name_node = { node = \"consumer billing of S\", as = \"was-n3-2\" }",
                "pause = { node = \"was-n3-2\" }",
            ]
        );
    }

    #[test]
    fn a_server_alone_keeps_its_name() {
        let mut cast = Cast::default();
        let mut alone = seen("", "n1");
        alone.nodes.truncate(1);
        let killed = steps(&mut cast, "kill = { node = \"n1\" }", &alone);
        assert_eq!(killed, ["kill = { node = \"n1\" }"]);
    }
}
