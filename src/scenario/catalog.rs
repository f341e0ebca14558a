//! The drills that come with the program, and those in files of the user's own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use glob::Pattern;

use super::diagnostic::Diagnostic;
use super::resolve::load;
use super::resolved::Scenario;
use crate::model::{Digest, meant};

/// Where the drills are that run everywhere, and run when none is named.
const CORE: &str = "scenarios/core";

/// The drills' paths and texts, compiled in so that the program needs no files beside it.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// Where a scenario came from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file; for a built-in scenario its path in the project.
    pub path: PathBuf,
    /// The text, kept as evidence.
    pub text: String,
    /// What it means.
    pub scenario: Scenario,
}

impl Source {
    /// Whether it is a built-in scenario that runs everywhere.
    pub fn is_core(&self) -> bool {
        self.path.starts_with(CORE)
    }

    /// The group it belongs to: the directory that its file is in.
    pub fn group(&self) -> &str {
        let directory = self.path.parent().and_then(Path::file_name);
        directory.and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Whether a built-in scenario is meant by a group, a promise, or a pattern of names.
    fn is_meant_by(&self, text: &str) -> bool {
        let is_like = || Pattern::new(text).is_ok_and(|one| one.matches(&self.scenario.name));
        self.group() == text || self.scenario.promise == text || is_like()
    }

    /// The digest of what the drill does: of its text without comments, and without what is only said
    /// about it. Its runs stay comparable when a known verdict is added.
    pub fn drill_digest(&self) -> String {
        let Ok(mut table) = self.text.parse::<toml::Table>() else {
            return Digest::of(self.text.as_bytes()).to_string();
        };
        for said in ["about", "promise", "servers"] {
            table.remove(said);
        }
        if let Some(toml::Value::Table(expect)) = table.get_mut("expect") {
            expect.remove("known");
        }
        Digest::of(table.to_string().as_bytes()).to_string()
    }
}

/// The built-in scenarios.
#[derive(Debug, Clone)]
pub struct Catalog {
    sources: Vec<Source>,
}

impl Catalog {
    /// Resolves every built-in scenario.
    ///
    /// # Errors
    /// Never in a released program: a test resolves them all.
    pub fn built_in() -> Result<Self, Diagnostic> {
        let sources = BUILT_IN
            .iter()
            .map(|(path, text)| resolve(Path::new(path), text))
            .collect::<Result<_, _>>()?;
        Ok(Self { sources })
    }

    /// All of them.
    pub fn all(&self) -> &[Source] {
        &self.sources
    }

    /// Those that run everywhere; the others need something of the runtime or the machine.
    pub fn core(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.is_core())
    }

    /// Finds the text of what a user named: of a built-in scenario, or of a file, which may have no steps
    /// yet.
    ///
    /// # Errors
    /// A [`Diagnostic`] that says what there is.
    pub fn find_text(&self, name_or_file: &str) -> Result<(PathBuf, String), Diagnostic> {
        let path = Path::new(name_or_file);
        if self.is_known(name_or_file) || !path.exists() {
            return self
                .find(name_or_file)
                .map(|source| (source.path, source.text));
        }
        Ok((path.to_owned(), text_of(path)?))
    }

    /// Finds everything that a user named: one scenario, as [`Self::find`] does, or all built-in ones of
    /// a group (`damage`), of a promise (`M3`), or with names like a pattern (`nats-*`).
    ///
    /// # Errors
    /// A [`Diagnostic`] that says what there is.
    pub fn select(&self, text: &str) -> Result<Vec<Source>, Diagnostic> {
        let meant = self.sources.iter().filter(|known| known.is_meant_by(text));
        let meant: Vec<_> = meant.cloned().collect();
        if meant.is_empty() {
            let groups: Vec<_> = self.sources.iter().map(Source::group).collect();
            let what = "neither a scenario, a group, a promise nor a file";
            return Ok(vec![self.look_for(text, what, &groups)?]);
        }
        Ok(meant)
    }

    fn is_known(&self, name: &str) -> bool {
        self.sources.iter().any(|known| known.scenario.name == name)
    }

    /// Finds what a user named: a built-in scenario, or a file.
    ///
    /// # Errors
    /// A [`Diagnostic`] that says what there is.
    pub fn find(&self, name_or_file: &str) -> Result<Source, Diagnostic> {
        self.look_for(name_or_file, "neither a scenario nor a file", &[])
    }

    /// The same; `else_it_is` says what the name is when it is none, and `others` are names of something else
    /// that may have been meant.
    fn look_for(
        &self,
        name_or_file: &str,
        else_it_is: &str,
        others: &[&str],
    ) -> Result<Source, Diagnostic> {
        if let Some(source) = self
            .sources
            .iter()
            .find(|known| known.scenario.name == name_or_file)
        {
            return Ok(source.clone());
        }
        let path = Path::new(name_or_file);
        let is_file = path.extension().is_some() || path.components().count() > 1 || path.exists();
        if is_file {
            return read(path);
        }
        let sources = self.sources.iter();
        let names = sources.map(|source| source.scenario.name.as_str());
        let names: Vec<_> = names.chain(others.iter().copied()).collect();
        Err(Diagnostic {
            path: path.to_owned(),
            position: None,
            message: format!(
                "{else_it_is}; `lifeboat drill list` shows what there is{}",
                meant(name_or_file, &names)
            ),
        })
    }
}

/// Reads and resolves a scenario file.
fn read(path: &Path) -> Result<Source, Diagnostic> {
    resolve(path, &text_of(path)?)
}

fn text_of(path: &Path) -> Result<String, Diagnostic> {
    fs::read_to_string(path).map_err(|error| Diagnostic {
        path: path.to_owned(),
        position: None,
        message: error.to_string(),
    })
}

fn resolve(path: &Path, text: &str) -> Result<Source, Diagnostic> {
    Ok(Source {
        path: path.to_owned(),
        text: text.to_owned(),
        scenario: load(path, text)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;

    #[test]
    fn every_built_in_scenario_resolves_under_its_files_name() {
        for source in Catalog::built_in().unwrap().all() {
            assert_eq!(
                source.path.file_stem().unwrap().to_str(),
                Some(source.scenario.name.as_str())
            );
        }
    }

    #[test]
    fn every_known_defect_says_how_it_shows() {
        for source in Catalog::built_in().unwrap().all() {
            for known in &source.scenario.expect.known {
                let is_said = known.verdict != Verdict::Broken || !known.findings.is_empty();
                assert!(is_said, "{}: {}", source.scenario.name, known.because);
            }
        }
    }

    #[test]
    fn a_drills_digest_is_of_what_it_does() {
        let catalog = Catalog::built_in().unwrap();
        let source = catalog.find("r3-no-spare").unwrap();
        let digest = |text: String| {
            let source = Source {
                text,
                ..source.clone()
            };
            source.drill_digest()
        };
        let own = digest(source.text.clone());
        let known = "\n# said later\n[[expect.known]]\nserver = \">=2.10\"\nverdict = \"broken\"\nbecause = \"x\"\n";
        assert_eq!(digest(format!("{}{known}", source.text)), own);
        assert_ne!(
            digest(format!("{}\nmin_acknowledged = 7\n", source.text)),
            own
        );
    }

    #[test]
    fn several_are_named_by_their_group_their_promise_or_a_pattern() {
        let catalog = Catalog::built_in().unwrap();
        let names = |text: &str| -> Vec<String> {
            let found = catalog.select(text).unwrap().into_iter();
            found.map(|source| source.scenario.name).collect()
        };
        assert_eq!(names("r3-no-spare"), ["r3-no-spare"]);
        assert_eq!(names("core").len(), catalog.core().count());
        assert!(names("nats-*").contains(&String::from("nats-2792-rolling-wipe")));
        assert!(names("M6").len() > 3);
        let error = catalog.select("nots-*").unwrap_err().to_string();
        assert!(error.contains("drill list"), "{error}");
    }

    #[test]
    fn a_name_that_is_nearly_right_is_suggested() {
        let catalog = Catalog::built_in().unwrap();
        let message = catalog.find("r3-no-spar").unwrap_err().to_string();
        assert!(message.contains("did you mean `r3-no-spare`?"), "{message}");
        let missing = catalog.find("no/such/file.toml").unwrap_err().to_string();
        assert!(missing.starts_with("no/such/file.toml: "), "{missing}");
    }
}
