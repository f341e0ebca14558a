//! A scenario that grows step by step, while its steps are carried out: what a lab has been through, as a
//! file that goes through it again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::catalog::Source;
use super::diagnostic::Diagnostic;
use super::resolve::{load, load_unfinished};
use super::resolved::Scenario;
use super::step::Step;

/// A pause between two steps that is shorter than this is none.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// What a step's table begins with.
const STEP: &str = "[[step]]";
/// What the table of expectations begins with.
const EXPECT: &str = "[expect]";
/// What a known verdict begins with, which is one of them.
const KNOWN: &str = "[[expect.";

/// A scenario and the steps it has so far.
#[derive(Debug, Clone, Default)]
pub struct GrowingScenario {
    path: PathBuf,
    /// Everything before the steps.
    head: String,
    /// Steps and remarks, each with its line ending.
    steps: Vec<String>,
    /// What is expected.
    expect: String,
}

impl GrowingScenario {
    /// Takes a scenario's text apart: what it is about, and its steps, which are yet to come.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn begin(path: &Path, text: &str) -> Result<(Self, Vec<String>), Diagnostic> {
        // Faults are pointed at where the user wrote them.
        let scenario = load_unfinished(path, text)?;
        let mut parts = Parts::as_written(text);
        // Whoever writes tables in other ways loses its layout, and nothing else.
        let is_whole = parts.planned.len() == scenario.steps.len()
            && load_unfinished(path, &format!("{}\n{}", parts.head, parts.expect)).is_ok();
        if !is_whole {
            parts = Parts::as_read(text);
        }
        let Parts {
            head,
            expect,
            planned,
        } = parts;
        let growing = Self {
            path: path.to_owned(),
            head,
            steps: Vec::new(),
            expect,
        };
        growing.scenario()?;
        Ok((growing, planned))
    }

    /// The scenario with the steps it has.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn scenario(&self) -> Result<Scenario, Diagnostic> {
        load_unfinished(&self.path, &self.text())
    }

    /// The same as what a drill runs from.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn source(&self) -> Result<Source, Diagnostic> {
        Ok(Source {
            path: self.path.clone(),
            text: self.text(),
            scenario: self.scenario()?,
        })
    }

    /// What a step means that would come next, such as `kill = { node = "n2" }`.
    ///
    /// # Errors
    /// What is wrong with the step; the names it may use are those of the scenario so far.
    pub fn next(&self, step: &str) -> Result<Step, Diagnostic> {
        let fault = |message: &str| Diagnostic {
            path: PathBuf::from(step.trim()),
            position: None,
            message: message.to_owned(),
        };
        let table: Table = step
            .parse()
            .map_err(|error: toml::de::Error| fault(error.message()))?;
        let mut verbs = table.iter();
        let (Some((verb, what)), None) = (verbs.next(), verbs.next()) else {
            return Err(fault(
                "a step is one verb, such as kill = { node = \"n2\" }",
            ));
        };
        let mut with = self.clone();
        with.push(&format!("{verb} = {what}"));
        let scenario = with.scenario().map_err(|error| fault(&error.message))?;
        let last = scenario.steps.into_iter().next_back();
        last.ok_or_else(|| fault("this is no step"))
    }

    /// Adds a step.
    pub fn push(&mut self, step: &str) {
        self.steps.push(format!("{STEP}\n{}\n\n", step.trim()));
    }

    /// Adds a time in which nothing but the load ran.
    pub fn pause(&mut self, time: Duration) {
        if time >= SHORTEST_PAUSE {
            let tenths = time.as_millis().div_ceil(100);
            self.push(&format!("run = \"{}ms\"", tenths * 100));
        }
    }

    /// Adds a remark.
    pub fn remark(&mut self, text: &str) {
        for line in text.lines() {
            self.steps.push(format!("# {line}\n"));
        }
    }

    /// The whole as a scenario file.
    pub fn text(&self) -> String {
        let steps = self.steps.concat();
        format!("{}\n\n{steps}{}", self.head.trim_end(), self.expect)
    }

    /// Whether a drill can run it.
    ///
    /// # Errors
    /// Why not, such as that it has no steps yet.
    pub fn check(&self) -> Result<(), Diagnostic> {
        load(&self.path, &self.text()).map(|_| ())
    }
}

/// A scenario's text, taken apart.
struct Parts {
    head: String,
    expect: String,
    planned: Vec<String>,
}

impl Parts {
    /// By its lines, with comments and layout.
    fn as_written(text: &str) -> Self {
        let (mut head, mut expect, mut planned) = (String::new(), String::new(), Vec::new());
        for section in sections(text) {
            if let Some(step) = section.strip_prefix(STEP) {
                planned.push(step.trim().to_owned());
            } else if section.starts_with(EXPECT) || section.starts_with(KNOWN) {
                expect.push_str(&section);
            } else {
                head.push_str(&section);
            }
        }
        Self {
            head,
            expect,
            planned,
        }
    }

    /// By what it says.
    fn as_read(text: &str) -> Self {
        let mut table: Table = text.parse().unwrap_or_default();
        let steps = match table.remove("step") {
            Some(Value::Array(steps)) => steps,
            Some(_) | None => Vec::new(),
        };
        let planned = steps.iter().filter_map(|step| {
            let (verb, what) = step.as_table()?.iter().next()?;
            Some(format!("{verb} = {what}"))
        });
        let planned = planned.collect();
        let expect = table.remove("expect").map(|expect| {
            let mut table = Table::new();
            table.insert(String::from("expect"), expect);
            table.to_string()
        });
        Self {
            head: table.to_string(),
            expect: expect.unwrap_or_default(),
            planned,
        }
    }
}

/// The text in pieces, each of which begins with the header of a table, but for the first.
fn sections(text: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for line in text.lines() {
        if is_header(line) {
            sections.push(String::new());
        }
        if let Some(last) = sections.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    sections
}

/// Whether a line begins a table. A line of an array that spans several has quotes or commas.
fn is_header(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or(line).trim_end();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']');
    line.starts_with('[') && line.ends_with(']') && line.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Catalog;

    #[test]
    fn every_drill_is_taken_apart_and_put_together_again() {
        for source in Catalog::built_in().unwrap().all() {
            let (mut growing, planned) =
                GrowingScenario::begin(&source.path, &source.text).unwrap();
            assert_eq!(
                planned.len(),
                source.scenario.steps.len(),
                "{:?}",
                source.path
            );
            for step in &planned {
                growing.next(step).unwrap();
                growing.push(step);
            }
            growing.check().unwrap();
            let again = growing.source().unwrap();
            assert_eq!(
                again.drill_digest(),
                source.drill_digest(),
                "{:?}",
                source.path
            );
        }
    }

    #[test]
    fn tables_may_be_written_in_any_way() {
        let head = "name = \"x\"\npromise = \"M2\"\nabout = \"x\"\n";
        let stream = "[[stream]]\nname = \"S\"\nsubjects = [\"s\"]\n";
        for text in [
            format!(
                "{head}{stream}[[step]]\n[step.kill]\nnode = \"n1\"\n[ expect ]\nlost = \"nothing\"\n"
            ),
            format!(
                "{head}step = [{{ kill = {{ node = \"n1\" }} }}]\n{stream}[expect]\nlost = \"nothing\"\n"
            ),
        ] {
            let (mut growing, planned) =
                GrowingScenario::begin(Path::new("x.toml"), &text).unwrap();
            assert_eq!(planned, ["kill = { node = \"n1\" }"], "{text}");
            growing.push(&planned[0]);
            growing.check().unwrap();
        }
    }

    #[test]
    fn a_step_that_makes_no_sense_is_told_and_not_added() {
        let catalog = Catalog::built_in().unwrap();
        let source = catalog.find("r3-leader-replaced").unwrap();
        let (growing, _) = GrowingScenario::begin(&source.path, &source.text).unwrap();
        for (step, told) in [
            ("kill = { node = \"n9\" }", "`n9` is no node"),
            ("kil = { node = \"n1\" }", "did you mean `kill`?"),
            ("kill = { node = \"n1\"", "kill = { node = \"n1\": "),
            ("run = \"1s\"\nrun = \"2s\"", "duplicate key"),
            ("", "a step is one verb"),
            ("[expect]\nlost = \"all\"", "unknown"),
        ] {
            let message = growing.next(step).unwrap_err().to_string();
            assert!(message.contains(told), "{step}: {message}");
        }
        assert!(
            growing
                .check()
                .unwrap_err()
                .to_string()
                .contains("needs steps")
        );
    }
}
