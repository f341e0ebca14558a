//! Typed steps as they stand in a file that goes through them again. There another node leads, so a node
//! is named by what it was when it was hit, and gets a name by which later steps know it.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Steps that may give the node they choose a name.
const NAMING: [&str; 9] = [
    "kill",
    "stop",
    "pause",
    "fill_disk",
    "limit_memory",
    "upgrade",
    "cut",
    "delay",
    "wipe",
];
/// Fields that name a node, or several, and the only verb in which they do; in all when none is said.
const NODE_FIELDS: [(&str, Option<&str>); 6] = [
    ("node", None),
    ("not", Some("elect")),
    ("to", Some("step_down")),
    ("from", Some("cut")),
    ("from", Some("delay")),
    ("from", Some("heal")),
];

/// The names that nodes have in the file.
#[derive(Debug, Clone, Default)]
pub struct ReplayNames {
    by_node: BTreeMap<String, String>,
}

impl ReplayNames {
    /// Whether the file's name of a node is known already.
    pub fn knows(&self, node: &str) -> bool {
        self.by_node.contains_key(node)
    }

    /// The node that a step hits outright, by its own name or by the file's: neither is a role, such as
    /// `leader of ORDERS`.
    pub fn named_node(&self, step: &str) -> Option<String> {
        let (_, fields) = verb_of(step)?;
        let text = fields.get("node")?.as_str()?.trim();
        let is_role = text.contains(" of ") || text == "meta leader";
        (!is_role).then(|| self.node_of(text))
    }

    /// What a step calls the node it chooses from then on.
    pub fn called_in(step: &str) -> Option<String> {
        let (_, fields) = verb_of(step)?;
        let called = fields.get("as").or_else(|| fields.get("node"))?;
        called.as_str().map(|name| name.trim().to_owned())
    }

    /// The step as it stands in the file. `role` is what the node it names outright was when it was
    /// hit; `chosen` is the node that was hit.
    pub fn translate(&mut self, step: &str, role: Option<&str>, chosen: Option<&str>) -> String {
        let Some((verb, mut fields)) = verb_of(step) else {
            return step.to_owned();
        };
        let (known, named) = (
            chosen.and_then(|node| self.by_node.get(node)).cloned(),
            fields.get("as").and_then(Value::as_str).map(str::to_owned),
        );
        for (field, only) in NODE_FIELDS {
            if only.is_none_or(|only| only == verb)
                && let Some(value) = fields.get_mut(field)
            {
                self.rename(value);
            }
        }
        let is_one = fields.get("node").is_some_and(Value::is_str);
        if verb == "add_node" {
            self.learn(chosen, named);
        } else if let Some(node) = chosen.filter(|_| is_one && NAMING.contains(&verb.as_str())) {
            if let Some(role) = role.filter(|_| known.is_none()) {
                fields.insert(String::from("node"), Value::from(role));
            }
            let is_by_name = fields["node"].as_str() == Some(node);
            // Who has no role, as without any stream, keeps the name it has.
            if known.is_none() && named.is_none() && !is_by_name {
                let alias = format!("was-{node}");
                fields.insert(String::from("as"), Value::from(alias.clone()));
                self.learn(chosen, Some(alias));
            } else if known.is_none() {
                self.learn(chosen, named);
            }
        }
        write_step(&verb, fields)
    }

    fn learn(&mut self, node: Option<&str>, name: Option<String>) {
        if let (Some(node), Some(name)) = (node, name) {
            self.by_node.insert(node.to_owned(), name);
        }
    }

    fn rename(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(name) = self.by_node.get(text.trim()) {
                    name.clone_into(text);
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.rename(value);
                }
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
            Value::Datetime(_) | Value::Table(_) => {}
        }
    }

    /// The node that has this name in the file.
    fn node_of(&self, name: &str) -> String {
        let known = self.by_node.iter().find(|(_, known)| *known == name);
        known.map_or(name, |(node, _)| node).to_owned()
    }
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

/// The verb of a step, and what it says.
fn verb_of(step: &str) -> Option<(String, Table)> {
    let table: Table = step.parse().ok()?;
    let (verb, what) = table.into_iter().next()?;
    let Value::Table(fields) = what else {
        return None;
    };
    Some((verb, fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_called_by_what_it_was_and_known_from_then_on() {
        let mut names = ReplayNames::default();
        let killed = names.translate(
            "kill = { node = \"n2\", wipe = true }",
            Some("leader of ORDERS"),
            Some("n2"),
        );
        let expected = "kill = { node = \"leader of ORDERS\", wipe = true, as = \"was-n2\" }";
        assert_eq!(killed, expected);
        let removed = names.translate("peer_remove = { node = \"n2\" }", None, Some("n2"));
        assert_eq!(removed, "peer_remove = { node = \"was-n2\" }");
        assert_eq!(
            names.named_node("start = { node = \"was-n2\" }").as_deref(),
            Some("n2")
        );
        // Once known, its role of then is no matter.
        let again = names.translate(
            "pause = { node = \"n2\" }",
            Some("follower of ORDERS"),
            Some("n2"),
        );
        assert_eq!(again, "pause = { node = \"was-n2\" }");
        let cut = names.translate(
            "cut = { node = [\"n1\", \"n2\"], from = \"n3\" }",
            None,
            None,
        );
        assert_eq!(cut, "cut = { node = [\"n1\", \"was-n2\"], from = \"n3\" }");
    }

    #[test]
    fn a_role_gets_a_name_for_whom_it_was() {
        let mut names = ReplayNames::default();
        assert_eq!(names.named_node("pause = { node = \"meta leader\" }"), None);
        let paused = names.translate("pause = { node = \"meta leader\" }", None, Some("n3"));
        assert_eq!(
            paused,
            "pause = { node = \"meta leader\", as = \"was-n3\" }"
        );
        let resumed = names.translate("resume = { node = \"n3\" }", None, Some("n3"));
        assert_eq!(resumed, "resume = { node = \"was-n3\" }");
    }

    #[test]
    fn who_has_no_role_keeps_its_name_and_a_name_that_was_given_stays() {
        let mut names = ReplayNames::default();
        let step = "kill = { node = \"n1\" }";
        assert_eq!(names.translate(step, None, Some("n1")), step);
        let given = "kill = { node = \"n2\", as = \"victim\" }";
        let expected = "kill = { node = \"spare of ORDERS\", as = \"victim\" }";
        assert_eq!(
            names.translate(given, Some("spare of ORDERS"), Some("n2")),
            expected
        );
        let start = names.translate("start = { node = \"n2\" }", None, Some("n2"));
        assert_eq!(start, "start = { node = \"victim\" }");
        let added = "add_node = { as = \"n5\" }";
        assert_eq!(names.translate(added, None, Some("n5")), added);
        assert!(names.knows("n5"));
        // What is no step with fields stays as it is.
        assert_eq!(names.translate("run = \"2s\"", None, None), "run = \"2s\"");
    }
}
