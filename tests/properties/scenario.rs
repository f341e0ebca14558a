//! Loading scenario files that somebody, or something, has been at.

use std::fs;
use std::path::Path;

use lifeboat::scenario::load;
use lifeboat_harness::MAX_NODES;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::config;

/// Values that a line may be given.
const VALUES: &[&str] = &[
    "0",
    "-1",
    "16",
    "1e400",
    "9223372036854775807",
    "-9223372036854775808",
    "nan",
    "true",
    "1979-05-27",
    r#""""#,
    r#""0s""#,
    r#""1h1h""#,
    r#""99999999999999999999h""#,
    r#""18446744073709551615s""#,
    r#""-1s""#,
    r#""größe""#,
    r#""é""#,
    r#""a b""#,
    r#""*""#,
    r#""replica of""#,
    r#""replica of NOBODY""#,
    r#""\u0000""#,
    "[]",
    r#"[""]"#,
    "[1, 2]",
    "[",
    "'''",
    "{}",
    r#"{ stream = "ORDERS" }"#,
    r#"{ node = "n99" }"#,
    r#"{ node = "" }"#,
];

/// Something done to the lines of a scenario.
#[derive(Debug, Clone)]
enum Mutation {
    Remove(Index),
    Twice(Index),
    Swap(Index, Index),
    /// Everything after the first `=` of a line that has one becomes something else.
    Value(Index, &'static str),
    /// A character of a line becomes another.
    Character(Index, Index, char),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Mutation::Remove),
        index().prop_map(Mutation::Twice),
        (index(), index()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        (index(), select(VALUES)).prop_map(|(at, value)| Mutation::Value(at, value)),
        (index(), index(), any::<char>())
            .prop_map(|(at, column, with)| Mutation::Character(at, column, with)),
    ]
}

impl Mutation {
    fn apply(&self, lines: &mut Vec<String>) {
        let count = lines.len();
        match self {
            Self::Remove(at) => drop(lines.remove(at.index(count))),
            Self::Twice(at) => lines.insert(at.index(count), at.get(lines).clone()),
            Self::Swap(one, other) => lines.swap(one.index(count), other.index(count)),
            Self::Value(at, value) => {
                let mut assignments: Vec<_> =
                    lines.iter_mut().filter(|line| line.contains('=')).collect();
                if !assignments.is_empty() {
                    let line = at.get_mut(&mut assignments);
                    let (key, _) = line.split_once('=').unwrap();
                    **line = format!("{key}= {value}");
                }
            }
            Self::Character(at, column, with) => {
                let line = at.get_mut(lines);
                let mut characters: Vec<_> = line.chars().collect();
                if !characters.is_empty() {
                    *column.get_mut(&mut characters) = *with;
                }
                *line = characters.into_iter().collect();
            }
        }
    }
}

/// The texts of the core scenarios.
fn scenarios() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/core");
    let mut names = crate::support::entries(&directory);
    names.sort();
    let texts = names
        .iter()
        .map(|name| fs::read_to_string(directory.join(name)).unwrap());
    texts.collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_mutated_scenario_is_sound_or_pointed_at(
        which: Index,
        mutations in vec(mutation(), 1..4),
    ) {
        let scenarios = scenarios();
        let mut lines: Vec<_> = which.get(&scenarios).lines().map(str::to_owned).collect();
        for mutation in &mutations {
            mutation.apply(&mut lines);
        }
        let text = lines.join("\n");
        match load(Path::new("mutated.toml"), &text) {
            Ok(scenario) => {
                prop_assert!(!scenario.name.is_empty());
                prop_assert!((1..=MAX_NODES).contains(&scenario.cluster.nodes));
                prop_assert!(!scenario.streams.is_empty());
            }
            Err(diagnostic) => {
                let (line, column) = diagnostic.position.unwrap();
                prop_assert!(line <= text.split('\n').count() && column >= 1, "{diagnostic}");
                prop_assert!(!diagnostic.message.is_empty());
            }
        }
    }

    #[test]
    fn any_text_is_no_scenario(text in r#"[ -~\n=\[\]"{}]{0,200}"#) {
        prop_assert!(load(Path::new("any.toml"), &text).is_err());
    }
}
