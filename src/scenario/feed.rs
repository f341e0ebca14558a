//! Where a stream's messages come from, as scenario files say it: the load, which publishes to one
//! subject or to many, or other streams.

use serde_json::{Map, Value, json};
use toml::Spanned;

use super::bucket_steps::OBJECTS;
use super::diagnostic::Diagnostic;
use super::resolve::Resolver;
use super::written::{self, Config};
use crate::model::{Feed, meant};

type Result<T> = std::result::Result<T, Diagnostic>;

/// Fields that make a stream drop messages by itself.
const DROPPING: [&str; 5] = [
    "max_age",
    "max_bytes",
    "max_msgs",
    "max_msgs_per_subject",
    "retention",
];
/// More keys than any drill has time to fill.
const MOST_KEYS: i64 = 100_000;

/// The subjects the load publishes to.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    /// The one, or what the subject of each key begins with.
    pub(super) subject: String,
    pub(super) keys: Option<u64>,
}

impl Resolver<'_> {
    /// What `subjects`, `keys`, `mirror` and `sources` say together, and the fields of the
    /// configuration that say the same to the server.
    pub(super) fn feed(
        &self,
        stream: &written::Stream,
        config: &mut Map<String, Value>,
    ) -> Result<(Feed, Subjects)> {
        let feed = match (&stream.mirror, &stream.sources) {
            _ if stream.objects => {
                self.objects(stream, config)?;
                return Ok((Feed::Objects, Subjects::default()));
            }
            (None, None) => return Ok((Feed::Publishers, self.subjects(stream, config)?)),
            (Some(mirror), Some(_)) => {
                let message = "a stream has a `mirror` or `sources`, not both";
                return Err(self.pointer.value(mirror, message));
            }
            (Some(origin), None) => Feed::Mirror(self.origin(origin)?),
            (None, Some(sources)) => Feed::Sources(self.sources(sources)?),
        };
        let only = "its messages come from other streams alone";
        if let Some(subjects) = &stream.subjects {
            let message = format!("{only}: leave `subjects` out");
            return Err(self.pointer.value(subjects, message));
        }
        if let Some(keys) = &stream.keys {
            let message = format!("{only}: leave `keys` out");
            return Err(self.pointer.value(keys, message));
        }
        if let Some(fields) = &stream.config {
            self.drops_nothing(&feed, fields)?;
        }
        let named = |origin: &String| json!({ "name": origin });
        let (field, value) = match &feed {
            Feed::Mirror(origin) => ("mirror", named(origin)),
            Feed::Publishers | Feed::Objects | Feed::Sources(_) => {
                ("sources", feed.origins().iter().map(named).collect())
            }
        };
        config.insert(String::from(field), value);
        Ok((feed, Subjects::default()))
    }

    /// The fields of a bucket with objects, as clients make it (ADR-20).
    fn objects(&self, stream: &written::Stream, config: &mut Map<String, Value>) -> Result<()> {
        let name = stream.name.get_ref();
        let Some(bucket) = name.strip_prefix(OBJECTS) else {
            let message = format!("the stream of a bucket with objects is called `{OBJECTS}…`");
            return Err(self.pointer.value(&stream.name, message));
        };
        let only = "a bucket with objects is filled by `put_objects`";
        let others = [
            ("subjects", stream.subjects.as_ref().map(Spanned::span)),
            ("keys", stream.keys.as_ref().map(Spanned::span)),
            ("mirror", stream.mirror.as_ref().map(Spanned::span)),
            ("sources", stream.sources.as_ref().map(Spanned::span)),
            ("consumers", stream.consumers.first().map(Spanned::span)),
            (
                "idle_consumers",
                stream.idle_consumers.first().map(Spanned::span),
            ),
        ];
        for (key, span) in others {
            if let Some(span) = span {
                let message = format!("{only}: leave `{key}` out");
                return Err(self.pointer.at(span, message));
            }
        }
        if let Some(fields) = &stream.config {
            self.drops_nothing(&Feed::Objects, fields)?;
        }
        for (field, value) in [
            (
                "subjects",
                json!([format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")]),
            ),
            ("discard", json!("new")),
            ("allow_rollup_hdrs", json!(true)),
            ("allow_direct", json!(true)),
        ] {
            config.entry(field).or_insert(value);
        }
        Ok(())
    }

    fn subjects(
        &self,
        stream: &written::Stream,
        config: &mut Map<String, Value>,
    ) -> Result<Subjects> {
        let Some(subjects) = &stream.subjects else {
            let message = "a stream needs `subjects`, or other streams that its messages come from: a `mirror`, or `sources`";
            return Err(self.pointer.value(&stream.name, message));
        };
        let Some(first) = subjects.get_ref().first().filter(|first| !first.is_empty()) else {
            let message = "a stream needs a subject";
            return Err(self.pointer.value(subjects, message));
        };
        config.insert(String::from("subjects"), json!(subjects.get_ref()));
        let Some(keys) = &stream.keys else {
            return Ok(Subjects {
                subject: concrete(first),
                keys: None,
            });
        };
        let count = self.pointer.count(keys, 1..=MOST_KEYS, "keys")?;
        let Some(parent) = first.strip_suffix(['*', '>']) else {
            let message =
                format!("`{first}` is one subject; for `keys` it has to end in `*` or `>`");
            return Err(self.pointer.value(subjects, message));
        };
        Ok(Subjects {
            subject: format!("{}key-", concrete(parent)),
            keys: Some(count as u64),
        })
    }

    fn sources(&self, sources: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<String>> {
        let mut origins = Vec::new();
        for source in sources.get_ref() {
            let origin = self.origin(source)?;
            if origins.contains(&origin) {
                let message = format!("`{origin}` is named twice");
                return Err(self.pointer.value(source, message));
            }
            origins.push(origin);
        }
        if origins.is_empty() {
            return Err(self.pointer.value(sources, "no stream is named here"));
        }
        Ok(origins)
    }

    /// A stream that another gets its messages from: one further up, that the load publishes to.
    fn origin(&self, name: &Spanned<String>) -> Result<String> {
        let origin = name.get_ref();
        if !self.streams.contains(origin) {
            let hint = meant(origin, &self.streams);
            let message = format!("no stream above this one is called `{origin}`{hint}");
            return Err(self.pointer.value(name, message));
        }
        if self.feeds.contains_key(origin) {
            let message = format!(
                "the messages of `{origin}` come from other streams themselves; name those here"
            );
            return Err(self.pointer.value(name, message));
        }
        Ok(origin.clone())
    }

    /// The name of a stream that the load publishes to: steps that publish make sense for no other.
    pub(super) fn published_stream(&self, stream: &Spanned<String>) -> Result<String> {
        let name = self.known_stream(stream)?;
        let Some(feed) = self.feeds.get(&name) else {
            return Ok(name);
        };
        let why = match feed {
            Feed::Objects => String::from("objects are put into it by `put_objects`"),
            Feed::Publishers | Feed::Mirror(_) | Feed::Sources(_) => {
                let origins = feed.origins().join(", ");
                format!("its messages come from {origins}; name that")
            }
        };
        let message = format!("nobody publishes to `{name}`: {why}");
        Err(self.pointer.value(stream, message))
    }

    /// The name of a stream whose messages may be removed: what a mirror lacks, nobody could tell
    /// from what it never got.
    pub(super) fn removable_stream(&self, stream: &Spanned<String>) -> Result<String> {
        let name = self.known_stream(stream)?;
        if !self.feeds.contains_key(&name) {
            return Ok(name);
        }
        let message = format!("`{name}` is judged by all that came to it: remove nothing from it");
        Err(self.pointer.value(stream, message))
    }

    /// Whether fields leave a stream all that it gets from others.
    pub(super) fn leaves_all(&self, stream: &str, fields: &Config) -> Result<()> {
        let feed = self.feeds.get(stream);
        feed.map_or(Ok(()), |feed| self.drops_nothing(feed, fields))
    }

    fn drops_nothing(&self, feed: &Feed, fields: &Config) -> Result<()> {
        let mut keys = fields.keys();
        let Some(key) = keys.find(|key| DROPPING.contains(&key.get_ref().as_str())) else {
            return Ok(());
        };
        let all = match feed {
            Feed::Objects => String::from("all that is put into it"),
            Feed::Publishers | Feed::Mirror(_) | Feed::Sources(_) => {
                format!("all that {} hold", feed.origins().join(", "))
            }
        };
        let message = format!(
            "`{}` can't be set here: the stream is to hold {all}",
            key.get_ref()
        );
        Err(self.pointer.value(key, message))
    }
}

/// A subject that matches the pattern: what the load publishes to.
fn concrete(pattern: &str) -> String {
    let tokens = pattern.split('.').map(|token| match token {
        "*" | ">" => "load",
        other => other,
    });
    tokens.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::resolve::load;
    use super::*;

    const GOOD: &str = r#"
name = "x"
promise = "M2"
about = "x"
[[stream]]
name = "ORDERS"
subjects = ["orders.*.>"]
[[stream]]
name = "M"
mirror = "ORDERS"
[[stream]]
name = "ALL"
sources = ["ORDERS"]
[[step]]
step_down = { stream = "M" }
[expect]
lost = "nothing"
"#;

    fn fault(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        load(Path::new("x.toml"), &text).unwrap_err().to_string()
    }

    #[test]
    fn what_a_stream_is_fed_by_is_in_its_configuration() {
        let scenario = load(Path::new("x.toml"), GOOD).unwrap();
        let [orders, mirror, all] = &*scenario.streams else {
            panic!("three streams");
        };
        assert!(orders.feed.is_published());
        assert_eq!(mirror.feed.origins(), ["ORDERS"]);
        assert_eq!(mirror.config["mirror"], json!({ "name": "ORDERS" }));
        assert_eq!(all.config["sources"], json!([{ "name": "ORDERS" }]));
        assert!(all.config.get("subjects").is_none());
    }

    #[test]
    fn keys_are_published_to_in_turn() {
        let subjects = "subjects = [\"orders.*.>\"]";
        let text = GOOD.replacen(subjects, &format!("{subjects}\nkeys = 3"), 1);
        let scenario = load(Path::new("x.toml"), &text).unwrap();
        let subjects: Vec<_> = (1..=4).map(|n| scenario.streams[0].subject_of(n)).collect();
        let expected = [1, 2, 0, 1].map(|n| format!("orders.load.key-{n}"));
        assert_eq!(subjects, expected);
    }

    #[test]
    fn faults_of_feeds_are_pointed_at() {
        for (from, to, expected) in [
            (
                "mirror = \"ORDERS\"",
                "mirror = \"ORDER\"",
                "x.toml:10:10: no stream above this one is called `ORDER`; did you mean `ORDERS`?",
            ),
            (
                "mirror = \"ORDERS\"",
                "mirror = \"ALL\"",
                "x.toml:10:10: no stream above",
            ),
            (
                "mirror = \"ORDERS\"",
                "",
                "a stream needs `subjects`, or other streams",
            ),
            (
                "mirror = \"ORDERS\"",
                "mirror = \"ORDERS\"\nsources = [\"ORDERS\"]",
                "x.toml:10:10: a stream has a `mirror` or `sources`",
            ),
            (
                "mirror = \"ORDERS\"",
                "mirror = \"ORDERS\"\nsubjects = [\"a\"]",
                "x.toml:11:12: its messages come from other streams alone: leave `subjects` out",
            ),
            (
                "mirror = \"ORDERS\"",
                "mirror = \"ORDERS\"\nkeys = 3",
                "leave `keys` out",
            ),
            (
                "mirror = \"ORDERS\"",
                "mirror = \"ORDERS\"\nconfig = { max_msgs = 5 }",
                "x.toml:11:12: `max_msgs` can't be set here",
            ),
            (
                "sources = [\"ORDERS\"]",
                "sources = [\"M\"]",
                "x.toml:13:12: the messages of `M`",
            ),
            (
                "sources = [\"ORDERS\"]",
                "sources = []",
                "no stream is named",
            ),
            (
                "sources = [\"ORDERS\"]",
                "sources = [\"ORDERS\", \"ORDERS\"]",
                "x.toml:13:22: `ORDERS` is named twice",
            ),
            (
                "subjects = [\"orders.*.>\"]",
                "subjects = [\"orders\"]\nkeys = 3",
                "x.toml:7:12: `orders` is one subject",
            ),
            (
                "subjects = [\"orders.*.>\"]",
                "subjects = [\"orders.>\"]\nkeys = 0",
                "0 keys",
            ),
        ] {
            let message = fault(from, to);
            assert!(message.contains(expected), "{to}: {message}");
        }
    }

    #[test]
    fn steps_that_make_no_sense_for_a_mirror_are_pointed_at() {
        for (step, expected) in [
            (
                "publish = { stream = \"M\", messages = 5 }",
                "nobody publishes to `M`",
            ),
            (
                "unavailable = { stream = \"M\" }",
                "its messages come from ORDERS",
            ),
            (
                "refuse = { node = \"n1\", stream = \"M\", for = \"1s\" }",
                "nobody publishes to `M`",
            ),
            ("purge = { stream = \"M\" }", "remove nothing"),
            (
                "delete_messages = { stream = \"M\", every = 2 }",
                "remove nothing",
            ),
            (
                "update = { stream = \"M\", config = { max_age = 5 } }",
                "`max_age` can't be set here: the stream is to hold all that ORDERS hold",
            ),
        ] {
            let message = fault("step_down = { stream = \"M\" }", step);
            assert!(message.contains("x.toml:15:"), "{step}: {message}");
            assert!(message.contains(expected), "{step}: {message}");
        }
    }
}
