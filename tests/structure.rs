//! The rules of the house, held by reading the sources: who may use whom, who may name what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the root crate, and the modules it may use. ARCHITECTURE.md shows the same.
const MAY_USE: [(&str, &[&str]); 21] = [
    ("main", &["cli", "command"]),
    ("model", &[]),
    ("evidence", &[]),
    ("archive", &["model"]),
    ("offline", &["archive", "model"]),
    ("ledger", &["model"]),
    ("jetstream", &["model"]),
    ("backup", &["archive", "jetstream", "model", "offline"]),
    ("audit", &["archive", "jetstream", "model", "offline"]),
    (
        "configuration",
        &["archive", "backup", "jetstream", "model", "offline"],
    ),
    ("scenario", &["ledger", "model"]),
    ("judge", &["ledger", "model"]),
    ("matrix", &["judge", "model", "scenario"]),
    (
        "report",
        &[
            "archive",
            "audit",
            "judge",
            "lab",
            "ledger",
            "matrix",
            "model",
            "offline",
            "rehearsal",
            "scenario",
        ],
    ),
    (
        "drill",
        &[
            "archive",
            "backup",
            "configuration",
            "evidence",
            "jetstream",
            "judge",
            "ledger",
            "model",
            "offline",
            "scenario",
        ],
    ),
    ("lab", &["drill", "judge", "ledger", "scenario"]),
    (
        "rehearsal",
        &[
            "archive",
            "backup",
            "evidence",
            "jetstream",
            "model",
            "offline",
        ],
    ),
    (
        "page",
        &[
            "drill",
            "judge",
            "ledger",
            "matrix",
            "model",
            "rehearsal",
            "report",
            "scenario",
        ],
    ),
    ("exit", &[]),
    ("cli", &[]),
    (
        "ui",
        &[
            "backup",
            "drill",
            "exit",
            "judge",
            "ledger",
            "model",
            "rehearsal",
            "report",
        ],
    ),
];

/// The commands may use everything: they are where it comes together.
const ALL_SEEING: &str = "command";

/// Words that only some modules may say, and why.
const RESERVED: [(&str, &[&str], &str); 6] = [
    ("async_nats", &["jetstream"], "the wire is one module"),
    (
        "println!",
        &[],
        "only `ui` prints, and it uses no macro for it",
    ),
    (
        "lifeboat_harness::Cluster",
        &["drill", "rehearsal"],
        "only drills and rehearsals launch servers",
    ),
    ("minlz", &["archive"], "the archive's layout is one module"),
    ("maud", &["page"], "only pages are HTML"),
    ("plotters", &["page"], "only pages have plots"),
];

/// Longer files are two rooms in one.
const MOST_LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The module a file of `src` belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code of a file: without comments, and without its tests.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// The modules a piece of code names by `crate::`, or `lifeboat::` from the binary.
fn used_by(code: &str) -> BTreeSet<String> {
    let named = ["crate::", "lifeboat::"].into_iter().flat_map(|prefix| {
        code.match_indices(prefix)
            // `lifeboat_harness::` is another crate, and `$crate::` a macro's own.
            .map(move |(at, _)| &code[at + prefix.len()..])
    });
    named
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn modules_use_only_what_is_below_them() {
    let allowed: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    let mut seen = BTreeSet::new();
    for path in rust_files(&root().join("src")) {
        let module = module_of(&path);
        if module == "lib" || module == ALL_SEEING {
            continue;
        }
        let may_use = allowed
            .get(module.as_str())
            .unwrap_or_else(|| panic!("module `{module}` has no place in the table"));
        let code = code_of(&path);
        // Grouped, the modules could not be told from the names in them.
        assert!(
            !code.contains("crate::{"),
            "{}: one `use` a module",
            path.display()
        );
        for used in used_by(&code) {
            assert!(
                used == module || may_use.contains(&used.as_str()),
                "{}: `{module}` must not use `{used}`",
                path.display()
            );
        }
        seen.insert(module);
    }
    let listed: BTreeSet<_> = allowed.into_keys().map(str::to_owned).collect();
    assert_eq!(seen, listed, "the table lists modules that are not there");
}

#[test]
fn the_table_has_no_cycle() {
    let table: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while placed.len() < table.len() {
        let next = table.iter().find(|(module, uses)| {
            !placed.contains(*module)
                && uses
                    .iter()
                    .all(|used| placed.contains(used) || *used == "command")
        });
        let (module, _) = next.expect("a cycle");
        placed.insert(module);
    }
}

#[test]
fn words_stay_in_their_modules() {
    for path in rust_files(&root().join("src")) {
        let (module, code) = (module_of(&path), code_of(&path));
        for (word, modules, why) in RESERVED {
            assert!(
                !code.contains(word) || modules.contains(&module.as_str()),
                "{}: `{word}` is not for `{module}`: {why}",
                path.display()
            );
        }
    }
}

#[test]
fn the_harness_knows_nothing_of_backups() {
    for path in rust_files(&root().join("harness/src")) {
        for used in used_by(&code_of(&path)) {
            assert!(used != "backup" && used != "archive", "{}", path.display());
        }
    }
    let manifest = fs::read_to_string(root().join("harness/Cargo.toml")).unwrap();
    assert!(
        !manifest.contains("path = \"..\""),
        "the harness depends on no crate of ours"
    );
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    for directory in [
        "src",
        "harness/src",
        "harness/tests",
        "harness/examples",
        "tests",
    ] {
        for path in rust_files(&root().join(directory)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                text.starts_with("//! "),
                "{} does not say what it is for",
                path.display()
            );
            let own = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            let lines = own.lines().count();
            let is_test = path
                .iter()
                .any(|part| part == "tests" || part == "tests.rs");
            assert!(
                is_test || lines <= MOST_LINES,
                "{} has {lines} lines",
                path.display()
            );
        }
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let main = fs::read_to_string(root().join("tests/main.rs")).unwrap();
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            assert!(
                main.contains(&format!("mod {name};")),
                "tests/{name}.rs is not run"
            );
        }
    }
}

#[test]
fn a_wrong_way_import_is_seen() {
    let code = "use crate::drill::Tally;\nlet x = crate::ui::say;\nuse lifeboat_harness::Node;";
    assert_eq!(
        used_by(code),
        BTreeSet::from([String::from("drill"), String::from("ui")])
    );
}
