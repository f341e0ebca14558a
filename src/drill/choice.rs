//! Which node a step is about, decided when the step comes.

use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};
use lifeboat_harness::{Node, StreamMembers};

use super::failure::{Failure, impossible};
use super::world::World;
use crate::scenario::NodeChoice;

/// How long a stream may take to say who holds it.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// Finds the node a step is about, now.
pub(super) async fn choose(world: &World<'_>, choice: &NodeChoice) -> Result<String, Failure> {
    let cluster = world.cluster();
    match choice {
        NodeChoice::Named(name) => Ok(name.clone()),
        NodeChoice::Alias(alias) => world
            .named_node(alias)
            .ok_or_else(|| impossible(format!("no step named a node `{alias}`"))),
        NodeChoice::LeaderOf(stream) => {
            let members = members(world, stream).await?;
            members
                .leader
                .ok_or_else(|| impossible(format!("{stream} has no leader")))
        }
        NodeChoice::FollowerOf(stream) => {
            let members = members(world, stream).await?;
            let meta = cluster.meta_leader().await;
            let mut followers = members.followers;
            followers.sort_by_key(|name| Some(name) == meta.as_ref());
            let first = followers.into_iter().next();
            first.ok_or_else(|| impossible(format!("{stream} has no follower")))
        }
        NodeChoice::SpareOf(stream) => {
            let members = members(world, stream).await?.all();
            let running = cluster.running();
            let mut spares = running.iter().map(Node::name);
            let spare = spares.find(|name| !members.iter().any(|member| member == name));
            spare
                .map(str::to_owned)
                .ok_or_else(|| impossible(format!("every node holds {stream}")))
        }
        NodeChoice::ConsumerOf { stream, consumer } => until(TOLD_WITHIN, || async {
            let Ok(connection) = world.connection().await else {
                return Probe::Pending(String::from("no node can be asked"));
            };
            match connection.consumer(stream, consumer).leader().await {
                Ok(Some(leader)) => Probe::Ready(leader),
                // A server alone names no leader.
                Ok(None) => match &cluster.nodes()[..] {
                    [alone] => Probe::Ready(alone.name().to_owned()),
                    _ => Probe::Pending(String::from("nobody leads it")),
                },
                Err(error) => Probe::Pending(error.to_string()),
            }
        })
        .await
        .map_err(|timed_out| impossible(format!("{consumer} of {stream}: {timed_out}"))),
        NodeChoice::MetaLeader => until(TOLD_WITHIN, || async {
            match cluster.meta_leader().await {
                Some(leader) => Probe::Ready(leader),
                None => Probe::Pending(String::from("there is none")),
            }
        })
        .await
        .map_err(|timed_out| impossible(format!("the meta leader: {timed_out}"))),
    }
}

/// The same, but of followers and spares one that has no name yet, where there is one.
pub(super) async fn choose_unnamed(
    world: &World<'_>,
    choice: &NodeChoice,
) -> Result<String, Failure> {
    let (stream, are_followers) = match choice {
        NodeChoice::FollowerOf(stream) => (stream, true),
        NodeChoice::SpareOf(stream) => (stream, false),
        NodeChoice::Named(_)
        | NodeChoice::Alias(_)
        | NodeChoice::LeaderOf(_)
        | NodeChoice::ConsumerOf { .. }
        | NodeChoice::MetaLeader => return choose(world, choice).await,
    };
    let members = members(world, stream).await?;
    let running = world.cluster().running();
    let found = running.iter().map(Node::name).find(|name| {
        let is_follower = members.followers.iter().any(|one| one == name);
        let is_leader = members.leader.as_deref() == Some(name);
        let fits = if are_followers {
            is_follower
        } else {
            !is_follower && !is_leader
        };
        fits && !world.is_named(name)
    });
    match found {
        Some(name) => Ok(name.to_owned()),
        None => choose(world, choice).await,
    }
}

/// Who holds a stream; asked until a leader answers.
pub(super) async fn members(world: &World<'_>, stream: &str) -> Result<StreamMembers, Failure> {
    until(TOLD_WITHIN, || async {
        match world.cluster().stream_members(stream).await {
            Ok(members) if members.leader.is_some() => Probe::Ready(members),
            Ok(_) => Probe::Pending(format!("{stream} has no leader")),
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await
    .map_err(impossible)
}
