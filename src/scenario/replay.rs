//! Typed steps as they stand in a file that goes through them again. There another node leads, so a node is
//! named by what it was when a step first mentioned it, and known by that name from then on.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Fields that name a node, or several, and the only verb in which they do; in all when none is said.
const NODE_FIELDS: [(&str, Option<&str>); 6] = [
    ("node", None),
    ("not", Some("elect")),
    ("to", Some("step_down")),
    ("from", Some("cut")),
    ("from", Some("delay")),
    ("from", Some("heal")),
];
/// Steps after which every node is another.
const ON_ALL: [&str; 1] = ["kill_all"];

/// A step as it was typed.
#[derive(Debug, Clone)]
pub struct TypedStep {
    verb: String,
    what: Value,
}

impl TypedStep {
    /// Reads a step, such as `kill = { node = "n2" }`; nothing when it is none.
    pub fn read(text: &str) -> Option<Self> {
        let table: Table = text.parse().ok()?;
        let (verb, what) = table.into_iter().next()?;
        Some(Self { verb, what })
    }

    /// Whether it is about every node.
    pub fn is_on_all(&self) -> bool {
        ON_ALL.contains(&self.verb.as_str())
    }

    /// The name that it gives a node which it adds.
    pub fn adds(&self) -> Option<&str> {
        let is_adding = self.verb == "add_node";
        self.what.get("as")?.as_str().filter(|_| is_adding)
    }

    /// Every node that it names, by whatever name.
    pub fn nodes(&self) -> Vec<String> {
        let mut copy = self.clone();
        let mut names = Vec::new();
        copy.for_each_node(|name| names.push(name.clone()));
        names
    }

    /// The same step with other names for nodes.
    #[must_use]
    pub fn renamed(&self, names: &BTreeMap<String, String>) -> Self {
        let mut copy = self.clone();
        copy.for_each_node(|name| {
            if let Some(other) = names.get(name.trim()) {
                other.clone_into(name);
            }
        });
        copy
    }

    /// As it is written.
    pub fn text(&self) -> String {
        if let Value::Table(fields) = &self.what {
            return write_step(&self.verb, fields.clone());
        }
        format!("{} = {}", self.verb, self.what)
    }

    fn for_each_node(&mut self, mut visit: impl FnMut(&mut String)) {
        let Value::Table(fields) = &mut self.what else {
            return;
        };
        for (field, only) in NODE_FIELDS {
            if only.is_some_and(|only| only != self.verb) {
                continue;
            }
            match fields.get_mut(field) {
                Some(Value::String(name)) => visit(name),
                Some(Value::Array(names)) => {
                    for name in names {
                        if let Value::String(name) = name {
                            visit(name);
                        }
                    }
                }
                Some(_) | None => {}
            }
        }
    }
}

/// Whether a node is named by what it is, such as `leader of ORDERS`.
pub fn is_role(name: &str) -> bool {
    name.contains(" of ") || name.trim() == "meta leader"
}

/// A step as it is written: who is hit, how, and what the node is called from then on.
pub fn write_step(verb: &str, fields: Table) -> String {
    let place = |field: &str| match field {
        "node" | "stream" | "backup" => 0,
        "as" => 2,
        _ => 1,
    };
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.sort_by_key(|(field, _)| place(field));
    let fields: Vec<_> = fields
        .iter()
        .map(|(field, value)| format!("{field} = {value}"))
        .collect();
    if fields.is_empty() {
        return format!("{verb} = {{}}");
    }
    format!("{verb} = {{ {} }}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_of_a_step_is_found_and_renamed() {
        let names = BTreeMap::from([
            (String::from("n1"), String::from("was-n1")),
            (String::from("2.15.1"), String::from("no node")),
        ]);
        for (text, nodes, renamed) in [
            ("run = \"2s\"", &[][..], "run = \"2s\""),
            (
                "kill = { wipe = true, node = \"n1\" }",
                &["n1"],
                "kill = { node = \"was-n1\", wipe = true }",
            ),
            (
                "cut = { from = \"n1\", node = [\"n2\", \"n3\"] }",
                &["n2", "n3", "n1"],
                "cut = { node = [\"n2\", \"n3\"], from = \"was-n1\" }",
            ),
            (
                "elect = { stream = \"S\", not = \"n1\" }",
                &["n1"],
                "elect = { stream = \"S\", not = \"was-n1\" }",
            ),
            (
                "upgrade = { node = \"n1\", to = \"2.15.1\" }",
                &["n1"],
                "upgrade = { node = \"was-n1\", to = \"2.15.1\" }",
            ),
        ] {
            let step = TypedStep::read(text).unwrap();
            assert_eq!(step.nodes(), nodes, "{text}");
            assert_eq!(step.renamed(&names).text(), renamed);
        }
        assert!(TypedStep::read("no step").is_none());
        assert!(TypedStep::read("kill_all = {}").unwrap().is_on_all());
    }
}
