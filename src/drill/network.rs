//! Steps that break and heal the network, and that see what each side makes of it.

use std::time::{Duration, Instant};

use lifeboat_harness::Between;
use lifeboat_harness::wait::{Probe, pause_for, until};

use tokio::task::JoinSet;

use super::choice::choose;
use super::failure::{Failure, broken, impossible};
use super::faults::chosen;
use super::steps::Outcome;
use super::world::{World, connect};
use crate::ledger::{Event, FaultKind};
use crate::scenario::{NetworkPart, NodeChoice, Ways};

/// How often a node that must take nothing is tried.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// The nodes of a part of the network, chosen now.
struct Sides {
    nodes: Vec<String>,
    from: Vec<String>,
    clients: bool,
}

impl Sides {
    async fn choose(world: &World<'_>, network: &NetworkPart) -> Result<Self, Failure> {
        Ok(Self {
            nodes: choose_all(world, &network.nodes).await?,
            from: choose_all(world, &network.from).await?,
            clients: network.clients,
        })
    }

    /// The network between the two sides, in this order or the other.
    fn between<'a>(&self, world: &World<'a>, swapped: bool) -> Result<Between<'a>, Failure> {
        let others = self.others(world);
        let (nodes, others) = (as_strs(&self.nodes), as_strs(&others));
        let (one, other) = if swapped {
            (others, nodes)
        } else {
            (nodes, others)
        };
        let between = world.cluster().between(&one, &other);
        let between = between.map_err(impossible)?;
        Ok(if self.clients && !swapped {
            between.with_clients()
        } else {
            between
        })
    }

    fn others(&self, world: &World<'_>) -> Vec<String> {
        if !self.from.is_empty() {
            return self.from.clone();
        }
        let all = world.cluster().nodes();
        let others = all.iter().map(|node| node.name().to_owned());
        others.filter(|name| !self.nodes.contains(name)).collect()
    }
}

fn as_strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

pub(super) async fn choose_all(
    world: &World<'_>,
    choices: &[NodeChoice],
) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for choice in choices {
        names.push(choose(world, choice).await?);
    }
    Ok(names)
}

pub(super) async fn cut(
    world: &World<'_>,
    network: &NetworkPart,
    alias: Option<&str>,
    ways: Ways,
) -> Outcome {
    let sides = broken_between(world, network, alias, FaultKind::Cut).await?;
    let between = sides.between(world, ways == Ways::In)?;
    match ways {
        Ways::Both => between.cut().await,
        Ways::Out | Ways::In => between.cut_one_way().await,
    }
    .map_err(impossible)?;
    over(world, &sides);
    Ok(())
}

pub(super) async fn delay(
    world: &World<'_>,
    network: &NetworkPart,
    alias: Option<&str>,
    by: Duration,
) -> Outcome {
    let sides = broken_between(world, network, alias, FaultKind::Delay).await?;
    let delayed = sides.between(world, false)?.delay(by).await;
    delayed.map_err(impossible)?;
    over(world, &sides);
    Ok(())
}

/// Chooses and names who is concerned, and writes down that it begins.
async fn broken_between(
    world: &World<'_>,
    network: &NetworkPart,
    alias: Option<&str>,
    fault: FaultKind,
) -> Result<Sides, Failure> {
    // A server that died by itself is no fault of ours.
    world.cluster().check_alive().await.map_err(impossible)?;
    let sides = Sides::choose(world, network).await?;
    if let (Some(alias), [node]) = (alias, &*sides.nodes) {
        world.name_node(alias, node);
    }
    let others = sides.others(world).join(", ");
    let nodes = sides.nodes.join(", ");
    world.note(format!("between {nodes} and {others}"));
    world.record(Event::FaultBegan { fault, node: nodes });
    Ok(sides)
}

fn over(world: &World<'_>, sides: &Sides) {
    world.record(Event::FaultDone {
        node: sides.nodes.join(", "),
    });
}

pub(super) async fn heal(world: &World<'_>, network: Option<&NetworkPart>) -> Outcome {
    let Some(network) = network else {
        world.cluster().heal().await;
        return Ok(());
    };
    let sides = Sides::choose(world, network).await?;
    let healed = sides.between(world, false)?.heal().await;
    healed.map_err(impossible)
}

/// Waits until another node leads a stream, as those see it who are not cut off.
pub(super) async fn elect(
    world: &World<'_>,
    stream: &str,
    not: &NodeChoice,
    within: Duration,
) -> Outcome {
    let old = choose(world, not).await?;
    let began = Instant::now();
    let elected = until(within, || async {
        match world.cluster().stream_members(stream).await {
            Ok(members) => match members.leader {
                Some(leader) if leader != old => Probe::Ready(leader),
                leader => Probe::Pending(format!("leader {leader:?}")),
            },
            Err(error) => Probe::Pending(error.to_string()),
        }
    });
    let leader = elected.await.map_err(broken)?;
    let after = began.elapsed();
    world.note(format!("{leader} leads {stream}, seen after {after:.1?}"));
    Ok(())
}

/// Watches that a node acknowledges nothing to a client of its own. Each try is in the ledger:
/// one that was acknowledged after all has to be in the stream at the end.
pub(super) async fn refuse(
    world: &World<'_>,
    node: &NodeChoice,
    stream: &str,
    watched: Duration,
) -> Outcome {
    let node = chosen(world, node).await?;
    let Some(publisher) = world.publisher(stream) else {
        return Err(impossible(format!("nobody publishes to {stream}")));
    };
    let url = node.client_url().map_err(impossible)?;
    let client = connect(world.cluster(), vec![url])
        .await
        .map_err(impossible)?;
    let began = Instant::now();
    let mut tries = JoinSet::new();
    while began.elapsed() < watched {
        let (publisher, client) = (publisher.clone(), client.clone());
        tries.spawn(async move { publisher.publish(&client).await });
        pause_for(TRY_EVERY).await;
    }
    let tried = tries.len();
    let outcomes = tries.join_all().await;
    let taken = outcomes.into_iter().filter(|taken| *taken).count();
    let name = node.name();
    if taken > 0 {
        return Err(broken(format!(
            "{name} acknowledged {taken} of {tried} messages"
        )));
    }
    world.note(format!("{name} acknowledged none of {tried} messages"));
    Ok(())
}
