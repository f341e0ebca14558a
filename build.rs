//! Lists the scenario files, so that every one of them is compiled into the program.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const SCENARIOS: &str = "scenarios";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SCENARIOS}");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut files = Vec::new();
    for group in entries(&root.join(SCENARIOS))? {
        if group.is_dir() {
            files.extend(entries(&group)?);
        }
    }
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root)?;
        writeln!(list, "({name:?}, include_str!({file:?})),")?;
    }
    list.push_str("]\n");
    let target = Path::new(&env::var("OUT_DIR")?).join("scenarios.rs");
    fs::write(target, list)?;
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = fs::read_dir(directory)?;
    Ok(entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?)
}
