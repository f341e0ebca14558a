//! Which runs a matrix has, and which of them are this machine's part.

use std::fmt;
use std::str::FromStr;

use semver::Version;

use super::results::Done;
use crate::scenario::Source;

/// One run that is to be.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The drill.
    pub source: Source,
    /// The server's version.
    pub server: Version,
    /// Which of several runs of the same, from 1.
    pub round: u16,
}

impl Planned {
    /// What tells this run from all others: a drill that does something else has to be run again, and
    /// one of another binary or in another place is another run.
    pub fn key(&self, server_sha256: &str, runtime: &str) -> Done {
        Done {
            scenario: self.source.scenario.name.clone(),
            scenario_digest: self.source.drill_digest(),
            server: self.server.to_string(),
            server_sha256: server_sha256.to_owned(),
            runtime: runtime.to_owned(),
            round: self.round,
        }
    }
}

/// One part of several, for as many machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    number: usize,
    of: usize,
}

impl Default for Partition {
    fn default() -> Self {
        Self { number: 1, of: 1 }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(number, of)| {
            Some((number.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
        });
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            Some(_) | None => Err(format!("`{text}` is no part such as 1/3, 2/3 or 3/3")),
        }
    }
}

impl Partition {
    fn takes(self, index: usize) -> bool {
        index % self.of == self.number - 1
    }
}

/// All runs in the order in which they begin: one round after the other, so that a matrix that is
/// interrupted has seen everything once; the dearest drills first, so that none is left alone at the
/// end. A drill is left out on versions that it is not about. Every version's runs of a drill are on the same machine.
pub fn plan(
    sources: &[Source],
    servers: &[Version],
    rounds: u16,
    partition: Partition,
) -> Vec<Planned> {
    let mut mine: Vec<&Source> = sources
        .iter()
        .enumerate()
        .filter(|(index, _)| partition.takes(*index))
        .map(|(_, source)| source)
        .collect();
    mine.sort_by_key(|source| std::cmp::Reverse(source.scenario.steps.len()));
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for source in &mine {
            let applies = |server: &&Version| source.scenario.applies_to(server);
            for server in servers.iter().filter(applies) {
                runs.push(Planned {
                    source: (*source).clone(),
                    server: server.clone(),
                    round,
                });
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Catalog;

    #[test]
    fn partitions_share_everything_and_nothing_twice() {
        let catalog = Catalog::built_in().unwrap();
        let servers = [Version::new(2, 12, 8), Version::new(2, 15, 1)];
        let whole = plan(catalog.all(), &servers, 2, Partition::default());
        assert!(whole.len() > catalog.all().len() * 2);
        let mut parts = Vec::new();
        for text in ["1/3", "2/3", "3/3"] {
            parts.extend(plan(catalog.all(), &servers, 2, text.parse().unwrap()));
        }
        let keys = |runs: &[Planned]| {
            let mut keys: Vec<_> = runs.iter().map(|run| run.key("", "process")).collect();
            keys.sort();
            keys
        };
        assert_eq!(keys(&parts), keys(&whole));
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["0/3", "4/3", "1", "a/b", "1/0", ""] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
        assert_eq!("2/3".parse::<Partition>().unwrap().to_string(), "2/3");
    }
}
