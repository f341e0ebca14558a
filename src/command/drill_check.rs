//! `drill check`: what is wrong with scenario files, without starting anything.

use super::{Failure, Outcome};
use crate::exit::Exit;
use crate::scenario::Catalog;
use crate::ui;

pub(super) fn run(scenarios: &[String]) -> Outcome {
    let catalog = Catalog::built_in()?;
    let mut wrong = None;
    for name in scenarios {
        match catalog.select(name) {
            Ok(sources) => {
                for scenario in sources.iter().map(|source| &source.scenario) {
                    let mut lines = vec![format!("{}: {}", scenario.name, scenario.about)];
                    let steps = scenario.steps.iter().enumerate();
                    lines.extend(steps.map(|(index, step)| format!("  {}. {step}", index + 1)));
                    ui::print(&lines.join("\n"))?;
                }
            }
            Err(diagnostic) => {
                // Every file is checked; the last fault becomes the command's own.
                if let Some(earlier) = wrong.replace(diagnostic) {
                    ui::say_error(&earlier, Exit::Usage);
                }
            }
        }
    }
    match wrong {
        None => Ok(Exit::Done),
        Some(diagnostic) => Err(Failure::from(diagnostic)),
    }
}
