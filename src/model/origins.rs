//! Which streams a stream gets its messages from, and the order that follows.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The streams of the same account that a stream mirrors or sources.
pub fn origins(config: &Map<String, Value>) -> impl Iterator<Item = &str> {
    described_origins(config).map(|(name, _)| name)
}

/// The same, each with what the configuration says of it: filters, transforms.
pub fn described_origins(config: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let sources = config.get("sources").and_then(Value::as_array);
    let all = sources.into_iter().flatten().chain(config.get("mirror"));
    // Where it is another account's, or another domain's, a name here means nothing.
    let own = all.filter(|one| one.get("external").is_none_or(Value::is_null));
    own.filter_map(|one| Some((one.get("name")?.as_str()?, one)))
}

/// Puts streams after those that they get their messages from: each group after the one before it, in
/// the order given. Of a circle all come last, for servers take them in any order.
pub fn origins_first<T>(
    streams: Vec<T>,
    described: impl Fn(&T) -> (&str, &Map<String, Value>),
) -> Vec<Vec<T>> {
    let mut waiting = streams;
    let mut groups = Vec::new();
    while !waiting.is_empty() {
        let names: BTreeSet<String> = waiting
            .iter()
            .map(|one| described(one).0.to_owned())
            .collect();
        let (ready, rest): (Vec<T>, Vec<T>) = waiting.into_iter().partition(|one| {
            let (name, config) = described(one);
            !origins(config).any(|origin| origin != name && names.contains(origin))
        });
        if ready.is_empty() {
            groups.push(rest);
            return groups;
        }
        groups.push(ready);
        waiting = rest;
    }
    groups
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn origins_come_before_what_is_made_of_them() {
        let stream =
            |name: &'static str, config: Value| (name, config.as_object().unwrap().clone());
        let streams = vec![
            stream(
                "A",
                json!({ "sources": [{ "name": "M" }, { "name": "Z" }] }),
            ),
            stream("B", json!({ "mirror": { "name": "A" } })),
            stream("M", json!({ "mirror": { "name": "Z" } })),
            stream(
                "C",
                json!({ "mirror": { "name": "Z", "external": { "api": "x" } } }),
            ),
            stream("D", json!({ "mirror": { "name": "elsewhere" } })),
            stream("X", json!({ "sources": [{ "name": "Y" }] })),
            stream("Y", json!({ "sources": [{ "name": "X" }] })),
            stream("Z", json!({})),
        ];
        let groups = origins_first(streams, |(name, config)| (*name, config));
        let names: Vec<Vec<&str>> = groups
            .iter()
            .map(|group| group.iter().map(|(name, _)| *name).collect())
            .collect();
        let expected: [&[&str]; 5] = [&["C", "D", "Z"], &["M"], &["A"], &["B"], &["X", "Y"]];
        assert_eq!(names, expected);
    }
}
