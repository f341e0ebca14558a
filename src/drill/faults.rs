//! Steps that break a node, and those that undo it.

use std::time::Duration;

use lifeboat_harness::{Error as HarnessError, Node, NodeState, StoreArea};

use super::choice::choose;
use super::failure::{Failure, broken, by_harness, impossible};
use super::steps::Outcome;
use super::world::World;
use crate::ledger::{Event, FaultKind};
use crate::scenario::NodeChoice;

/// Chooses the node of a fault, names it, and writes down that it is about to be hit.
pub(super) async fn fault<'a>(
    world: &World<'a>,
    choice: &NodeChoice,
    alias: &str,
    fault: FaultKind,
) -> Result<Node<'a>, Failure> {
    // A server that died by itself is no fault of ours, and can't be hit by one.
    world.cluster().check_alive().await.map_err(impossible)?;
    let node = choose(world, choice).await?;
    world.name_node(alias, &node);
    if !matches!(choice, NodeChoice::Named(_)) {
        world.note(format!("{choice} is {node}"));
    }
    world.record(Event::FaultBegan {
        fault,
        node: node.clone(),
    });
    Ok(world.cluster().node(&node))
}

pub(super) fn done(world: &World<'_>, node: &Node<'_>) -> Outcome {
    world.record(Event::FaultDone {
        node: node.name().to_owned(),
    });
    Ok(())
}

pub(super) async fn kill(
    world: &World<'_>,
    choice: &NodeChoice,
    alias: &str,
    wipe: bool,
) -> Outcome {
    let kind = if wipe {
        FaultKind::KillAndWipe
    } else {
        FaultKind::Kill
    };
    let node = fault(world, choice, alias, kind).await?;
    node.kill().await.map_err(impossible)?;
    if wipe {
        wiped(world, &node).await?;
    }
    done(world, &node)
}

/// Removes a node's disk; its server is killed before, if it runs.
pub(super) async fn wipe(world: &World<'_>, choice: &NodeChoice, alias: &str) -> Outcome {
    let node = chosen(world, choice).await?;
    if node.state().map_err(impossible)? != NodeState::Stopped {
        return kill(world, choice, alias, true).await;
    }
    let node = fault(world, choice, alias, FaultKind::Wipe).await?;
    wiped(world, &node).await?;
    done(world, &node)
}

async fn wiped(world: &World<'_>, node: &Node<'_>) -> Outcome {
    node.wipe().await.map_err(impossible)?;
    // A fault that was not injected proves nothing, so the disk is looked at.
    let rest = world.evidence.store("not-wiped", node.name());
    let found = node.copy_store(&StoreArea::All, &rest).await;
    if found.map_err(impossible)? {
        return Err(impossible(format!(
            "the disk of {} is still there",
            node.name()
        )));
    }
    Ok(())
}

/// Ends all servers as one: frozen first, so that nobody sees the others go.
pub(super) async fn kill_all(world: &World<'_>, wipe: bool) -> Outcome {
    world.cluster().check_alive().await.map_err(impossible)?;
    let mut nodes = world.cluster().nodes();
    nodes.retain(|node| !matches!(node.state(), Ok(NodeState::Stopped)));
    if nodes.is_empty() {
        return Err(impossible("no server runs"));
    }
    let names = names_of(&nodes);
    world.record(Event::FaultBegan {
        fault: if wipe {
            FaultKind::KillAndWipe
        } else {
            FaultKind::Kill
        },
        node: names.clone(),
    });
    let frozen = freeze(&nodes).await?;
    let ended = end_all(&nodes).await;
    if ended.is_err() {
        return thaw(&frozen, ended).await;
    }
    if wipe {
        for node in &nodes {
            wiped(world, node).await?;
        }
    }
    world.record(Event::FaultDone { node: names });
    Ok(())
}

/// Freezes those servers that run: all of them, or none.
pub(super) async fn freeze<'n, 'a>(nodes: &'n [Node<'a>]) -> Result<Vec<&'n Node<'a>>, Failure> {
    let mut frozen = Vec::new();
    for node in nodes {
        if !matches!(node.state(), Ok(NodeState::Running)) {
            continue;
        }
        match node.pause().await {
            Ok(()) => frozen.push(node),
            Err(error) => thaw(&frozen, Err(impossible(error))).await?,
        }
    }
    Ok(frozen)
}

/// Lets servers that were frozen run on, and says how what was done meanwhile ended.
pub(super) async fn thaw(frozen: &[&Node<'_>], mut outcome: Outcome) -> Outcome {
    for node in frozen {
        if matches!(node.state(), Ok(NodeState::Paused)) {
            outcome = node.resume().await.map_err(impossible).and(outcome);
        }
    }
    outcome
}

async fn end_all(nodes: &[Node<'_>]) -> Outcome {
    for node in nodes {
        node.kill().await.map_err(impossible)?;
    }
    Ok(())
}

/// Starts all servers that ended.
pub(super) async fn start_all(world: &World<'_>) -> Outcome {
    let mut nodes = world.cluster().nodes();
    nodes.retain(|node| matches!(node.state(), Ok(NodeState::Stopped)));
    if nodes.is_empty() {
        return Err(impossible("no server has ended"));
    }
    for node in &nodes {
        let started = node.start().await;
        started.map_err(|error| by_launch(world, error))?;
    }
    world.note(format!("{} run again", names_of(&nodes)));
    Ok(())
}

pub(super) fn names_of(nodes: &[Node<'_>]) -> String {
    let names: Vec<_> = nodes.iter().map(Node::name).collect();
    names.join(", ")
}

pub(super) async fn stop(world: &World<'_>, choice: &NodeChoice, alias: &str) -> Outcome {
    let node = fault(world, choice, alias, FaultKind::Stop).await?;
    node.stop().await.map_err(impossible)?;
    done(world, &node)
}

pub(super) async fn pause(world: &World<'_>, choice: &NodeChoice, alias: &str) -> Outcome {
    let node = fault(world, choice, alias, FaultKind::Pause).await?;
    node.pause().await.map_err(impossible)?;
    done(world, &node)
}

pub(super) async fn resume(world: &World<'_>, choice: &NodeChoice) -> Outcome {
    let node = chosen(world, choice).await?;
    node.resume().await.map_err(impossible)
}

pub(super) async fn start(world: &World<'_>, choice: &NodeChoice) -> Outcome {
    let node = chosen(world, choice).await?;
    let started = node.start().await;
    started.map_err(|error| by_launch(world, error))
}

/// An error of a server's launch: one that panics breaks a promise.
pub(super) fn by_launch(world: &World<'_>, error: HarnessError) -> Failure {
    if world.record_panic(&error) {
        broken(error)
    } else {
        impossible(error)
    }
}

/// Starts a node that must not come up.
pub(super) async fn start_fails(world: &World<'_>, choice: &NodeChoice) -> Outcome {
    let node = chosen(world, choice).await?;
    match node.start().await {
        Err(error) if world.record_panic(&error) => Err(broken(error)),
        Err(HarnessError::Exited {
            status, log_tail, ..
        }) => {
            let last = log_tail.lines().last().unwrap_or_default();
            world.note(format!("{} ended ({status}): {last}", node.name()));
            Ok(())
        }
        Err(error) => Err(impossible(error)),
        Ok(()) => Err(broken(format!("{} started all the same", node.name()))),
    }
}

/// Waits until a node's server ends by itself.
pub(super) async fn ends(world: &World<'_>, choice: &NodeChoice, within: Duration) -> Outcome {
    let node = chosen(world, choice).await?;
    let status = node.wait_ended(within).await.map_err(by_harness)?;
    world.note(format!("the server of {} ended: {status}", node.name()));
    Ok(())
}

pub(super) async fn fill_disk(world: &World<'_>, choice: &NodeChoice, alias: &str) -> Outcome {
    let node = fault(world, choice, alias, FaultKind::FillDisk).await?;
    node.fill_disk().await.map_err(impossible)?;
    done(world, &node)
}

pub(super) async fn free_disk(world: &World<'_>, choice: &NodeChoice) -> Outcome {
    let node = chosen(world, choice).await?;
    node.free_disk().await.map_err(impossible)
}

pub(super) async fn read_only(world: &World<'_>, choice: &NodeChoice) -> Outcome {
    let name = choose(world, choice).await?;
    let node = fault(world, choice, &name, FaultKind::ReadOnly).await?;
    node.set_read_only(true).await.map_err(impossible)?;
    done(world, &node)
}

pub(super) async fn writable(world: &World<'_>, choice: &NodeChoice) -> Outcome {
    let node = chosen(world, choice).await?;
    node.set_read_only(false).await.map_err(impossible)
}

pub(super) async fn limit_memory(
    world: &World<'_>,
    choice: &NodeChoice,
    alias: &str,
    bytes: Option<u64>,
) -> Outcome {
    if bytes.is_none() {
        let node = chosen(world, choice).await?;
        return node.limit_memory(None).await.map_err(impossible);
    }
    let node = fault(world, choice, alias, FaultKind::LimitMemory).await?;
    node.limit_memory(bytes).await.map_err(impossible)?;
    done(world, &node)
}

/// The node of a step that breaks nothing.
pub(super) async fn chosen<'a>(
    world: &World<'a>,
    choice: &NodeChoice,
) -> Result<Node<'a>, Failure> {
    let node = choose(world, choice).await?;
    Ok(world.cluster().node(&node))
}
