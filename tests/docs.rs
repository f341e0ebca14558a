//! What documents and examples tell people to type has to be right.

use std::fs;
use std::path::PathBuf;

use clap::Parser as _;
use lifeboat::cli::Cli;
use lifeboat::report::SCHEMAS;

use crate::support::{Lifeboat, expect_valid, root};

/// The documents and examples that show commands.
pub(crate) fn documents() -> Vec<PathBuf> {
    let mut documents = vec![root().join("README.md"), root().join("scenarios/README.md")];
    for directory in ["docs", "examples"] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            documents.push(entry.unwrap().path());
        }
    }
    documents
}

/// The calls of the program that a text shows: in tables, blocks and scripts, continued lines in one.
fn calls(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut calls = Vec::new();
    for line in joined.lines() {
        let trimmed = line.trim().trim_start_matches("- run: ");
        let typed = trimmed.strip_prefix("$ ").unwrap_or(trimmed);
        if typed.starts_with("lifeboat ") {
            calls.push(typed.to_owned());
        }
        // In running text and tables a command is code from its first word to its end.
        let pieces = line.split('`').skip(1).step_by(2);
        calls.extend(
            pieces
                .filter(|code| code.starts_with("lifeboat "))
                .map(str::to_owned),
        );
    }
    calls
}

/// What a shell would make of it, with something in the place of variables and patterns.
fn words(call: &str) -> Vec<String> {
    let call = call
        .replace("${{ matrix.server }}", "2.15.1")
        .replace("drills/*.toml", "drills/a.toml")
        .replace("$(date +%F)", "2026-11-26")
        .replace("RUNTIME", "process");
    let call = call.split(" && ").next().unwrap_or_default();
    let call = call.split(" > ").next().unwrap_or_default();
    let words = shlex::split(call).unwrap_or_else(|| panic!("{call}"));
    words
        .into_iter()
        .take_while(|word| word != "#" && word != "||")
        .collect()
}

#[test]
fn every_command_that_is_shown_can_be_typed() {
    let mut seen = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for call in calls(&text) {
            seen += 1;
            if let Err(error) = Cli::try_parse_from(words(&call)) {
                assert!(
                    // What is named in running text may leave its arguments out.
                    error.kind() == clap::error::ErrorKind::DisplayHelp
                        || error.kind() == clap::error::ErrorKind::MissingRequiredArgument
                        || error.kind()
                            == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                    "{}: {call}\n{error}",
                    document.display()
                );
            }
        }
    }
    assert!(seen > 50, "only {seen} commands were found");
}

/// A whole scenario in a document is one that the program takes.
#[test]
fn every_scenario_that_is_shown_is_one() {
    let lifeboat = Lifeboat::new();
    let mut seen = 0;
    // The language's own document shows all of it at once, which makes no drill.
    let guides = documents()
        .into_iter()
        .filter(|document| !document.ends_with("scenarios/README.md"));
    for document in guides {
        let text = fs::read_to_string(&document).unwrap();
        let blocks = text.split("```toml\n").skip(1);
        let blocks = blocks.filter_map(|rest| rest.split("```").next());
        for scenario in
            blocks.filter(|block| block.starts_with("name = ") && block.contains("[expect]"))
        {
            seen += 1;
            let path = lifeboat.scenario("shown.toml", scenario);
            let called = lifeboat.call(&["drill", "check", &path]);
            assert_eq!(
                called.code,
                Some(0),
                "{}: {}",
                document.display(),
                called.stderr
            );
        }
    }
    assert!(seen > 0, "no document shows a scenario");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let path = link.split('#').next().unwrap_or_default();
            let target = document.parent().unwrap().join(path);
            assert!(target.exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn shells_and_man_know_every_command() {
    let lifeboat = Lifeboat::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let called = lifeboat.call(&["completions", shell]).expect_code(0);
        assert!(called.stdout.contains("max-recovery-time"), "{shell}");
    }
    let _called = lifeboat.call(&["man", "pages"]).expect_code(0);
    let page = lifeboat.home.path().join("pages/lifeboat-drill-backup.1");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("in\\-time"), "{page}");
    let _called = lifeboat.call(&["completions", "cobol"]).expect_code(2);
}

/// What is published is what is meant, and `lifeboat schema` prints it.
#[test]
fn the_schemas_are_those_that_are_published() {
    let lifeboat = Lifeboat::new();
    for name in SCHEMAS {
        let printed = lifeboat.call(&["schema", name]).expect_code(0).stdout;
        let path = root().join("schemas").join(format!("{name}.json"));
        let published = fs::read_to_string(&path).unwrap();
        assert!(
            printed == published,
            "write it anew: lifeboat schema {name} > {}",
            path.display()
        );
        let schema = serde_json::from_str(&published).unwrap();
        let _schema = jsonschema::validator_for(&schema).unwrap();
    }
}

/// The track record is a matrix.
#[test]
fn the_track_record_is_as_its_schema_says() {
    let record = fs::read(root().join("scenarios/track-record.json")).unwrap();
    expect_valid("matrix", &serde_json::from_slice(&record).unwrap());
}
