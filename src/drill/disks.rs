//! Disks copied aside and put back: how the loss of writes that were never synced is emulated, or
//! a virtual machine that was set back. A killed server loses nothing: its page cache lives on.

use std::fs;
use std::io;
use std::path::Path;

use lifeboat_harness::{Node, NodeState, StoreArea};

use super::failure::impossible;
use super::faults::{freeze, names_of, thaw};
use super::network::choose_all;
use super::steps::Outcome;
use super::world::World;
use crate::ledger::{Event, FaultKind};
use crate::scenario::NodeChoice;

/// Copies disks aside. Servers that run are frozen meanwhile, all before the first is copied, so
/// that the copies are of one moment: what a crash of them all would leave.
pub(super) async fn copy(world: &World<'_>, choices: &[NodeChoice], name: &str) -> Outcome {
    world.cluster().check_alive().await.map_err(impossible)?;
    let names = choose_all(world, choices).await?;
    let nodes: Vec<_> = names
        .iter()
        .map(|name| world.cluster().node(name))
        .collect();
    world.note(format!("the disk of {}", names_of(&nodes)));
    world.record(Event::Copying {
        copy: name.to_owned(),
        nodes: names.clone(),
    });
    let frozen = freeze(&nodes).await?;
    let copied = copy_all(world, &nodes, name).await;
    // Whatever went wrong, nobody stays frozen.
    let outcome = thaw(&frozen, copied).await;
    world.record(Event::Copied {
        copy: name.to_owned(),
    });
    outcome
}

async fn copy_all(world: &World<'_>, nodes: &[Node<'_>], name: &str) -> Outcome {
    for node in nodes {
        let to = world.evidence.copy(name, node.name());
        let found = node.copy_store(&StoreArea::All, &to).await;
        if !found.map_err(impossible)? {
            let text = format!("{} has nothing on its disk", node.name());
            return Err(impossible(text));
        }
    }
    Ok(())
}

/// Puts ended servers' disks back as they were copied.
pub(super) async fn roll_back(world: &World<'_>, choices: &[NodeChoice], copy: &str) -> Outcome {
    world.cluster().check_alive().await.map_err(impossible)?;
    let names = choose_all(world, choices).await?;
    let nodes: Vec<_> = names
        .iter()
        .map(|name| world.cluster().node(name))
        .collect();
    for node in &nodes {
        if !world.evidence.copy(copy, node.name()).is_dir() {
            let text = format!("`{copy}` has no disk of {}", node.name());
            return Err(impossible(text));
        }
        if node.state().map_err(impossible)? != NodeState::Stopped {
            let text = format!(
                "{} runs: only an ended server's disk can be put back",
                node.name()
            );
            return Err(impossible(text));
        }
    }
    let shown = names_of(&nodes);
    world.note(format!("the disk of {shown}"));
    world.record(Event::RollingBack {
        copy: copy.to_owned(),
        nodes: names,
    });
    world.record(Event::FaultBegan {
        fault: FaultKind::RollBack,
        node: shown.clone(),
    });
    for node in &nodes {
        let from = world.evidence.copy(copy, node.name());
        let put = node.put_store(&StoreArea::All, &from).await;
        put.map_err(impossible)?;
        // A fault that was not injected proves nothing, so the disk is looked at.
        let back = world
            .evidence
            .store(&format!("{copy}-put-back"), node.name());
        let found = node.copy_store(&StoreArea::All, &back).await;
        let same = found.map_err(impossible)? && same_tree(&from, &back).map_err(impossible)?;
        if !same {
            let text = format!("the disk of {} is not as it was copied", node.name());
            return Err(impossible(text));
        }
    }
    world.record(Event::FaultDone { node: shown });
    Ok(())
}

/// Whether two directories hold the same files.
fn same_tree(one: &Path, other: &Path) -> io::Result<bool> {
    let names = |directory: &Path| -> io::Result<Vec<_>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            names.push(entry?.file_name());
        }
        names.sort();
        Ok(names)
    };
    let all = names(one)?;
    if all != names(other)? {
        return Ok(false);
    }
    for name in all {
        let (one, other) = (one.join(&name), other.join(&name));
        let same = match (one.is_dir(), other.is_dir()) {
            (true, true) => same_tree(&one, &other)?,
            (false, false) => fs::read(&one)? == fs::read(&other)?,
            (true, false) | (false, true) => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_the_same_when_all_in_them_is() {
        let root = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| root.path().join(name));
        for directory in [&one, &other] {
            fs::create_dir_all(directory.join("a")).unwrap();
            fs::write(directory.join("a/file"), "1").unwrap();
        }
        assert!(same_tree(&one, &other).unwrap());
        fs::write(other.join("a/file"), "2").unwrap();
        assert!(!same_tree(&one, &other).unwrap());
        fs::write(other.join("a/file"), "1").unwrap();
        fs::write(other.join("b"), "").unwrap();
        assert!(!same_tree(&one, &other).unwrap());
    }
}
