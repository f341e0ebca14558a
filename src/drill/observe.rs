//! Looking at a cluster from outside: who holds a stream, and whether they hold all of it.

use lifeboat_harness::wait::Probe;
use lifeboat_harness::{Cluster, NodeState, StreamMembers, StreamState};

use crate::scenario::StreamSpec;

/// The members of a stream whose servers run.
pub(super) fn live(cluster: &Cluster, members: &StreamMembers) -> Vec<String> {
    let mut names = members.all();
    names.retain(|name| matches!(cluster.node(name).state(), Ok(NodeState::Running)));
    names
}

/// The running nodes that have a copy of a stream in their store, members or not.
///
/// # Errors
/// When any of them does not answer: nobody knows what it has.
pub(super) async fn copies(
    cluster: &Cluster,
    stream: &str,
) -> lifeboat_harness::Result<Vec<String>> {
    let account = &cluster.credentials().account;
    let mut holders = Vec::new();
    for node in cluster.running() {
        let view = node.monitor()?.jetstream().await?;
        if view.stream(account, stream).is_some() {
            holders.push(node.name().to_owned());
        }
    }
    Ok(holders)
}

/// Whether a stream has just so many replicas and each holds all that its leader held a moment
/// before, and no more than that held a moment later: a replica that holds more has been left alone
/// with it. Judged by what each node says of its own copy: `current` is what the leader thinks.
/// Of a stream that drops messages by itself only the ends can be compared: nodes are asked one
/// after the other, and it goes on meanwhile.
pub(super) async fn whole_replicas(
    cluster: &Cluster,
    stream: &StreamSpec,
    wanted: usize,
) -> Probe<()> {
    match find_gap(cluster, &stream.name, stream.keeping.drops(), wanted).await {
        Ok(None) => Probe::Ready(()),
        Ok(Some(seen)) => Probe::Pending(seen),
        Err(error) => Probe::Pending(error.to_string()),
    }
}

/// What is missing, if anything is.
async fn find_gap(
    cluster: &Cluster,
    stream: &str,
    drops: bool,
    wanted: usize,
) -> lifeboat_harness::Result<Option<String>> {
    let members = cluster.stream_members(stream).await?;
    let Some(leader) = &members.leader else {
        return Ok(Some(format!("{stream} has no leader")));
    };
    let mut live = live(cluster, &members);
    // Who is cut off may hold all there was before, and holds nothing of what comes.
    let reachable = cluster.reachable();
    live.retain(|name| reachable.iter().any(|node| node.name() == name));
    if live.len() != wanted {
        let seen = format!(
            "{} of {wanted} replicas within reach ({})",
            live.len(),
            live.join(", ")
        );
        return Ok(Some(seen));
    }
    let account = &cluster.credentials().account;
    let state_on = async |node: &str| {
        let view = cluster.node(node).monitor()?.jetstream().await?;
        Ok::<_, lifeboat_harness::Error>(view.stream(account, stream))
    };
    let Some(reference) = state_on(leader).await? else {
        return Ok(Some(format!(
            "{leader} leads {stream} and has no copy of it"
        )));
    };
    let mut seen = Vec::new();
    for node in &live {
        let Some(own) = state_on(node).await? else {
            return Ok(Some(format!("{node} has no copy of {stream}")));
        };
        let has_all = own.first_seq == reference.first_seq && own.messages >= reference.messages;
        let has_rest = drops && own.first_seq >= reference.first_seq;
        let whole = own.last_seq >= reference.last_seq && (has_all || has_rest);
        if !whole {
            return Ok(Some(difference(node, &own, &reference)));
        }
        seen.push((node, own));
    }
    let Some(later) = state_on(leader).await? else {
        return Ok(Some(format!("{leader} has no copy of {stream} any more")));
    };
    let ahead = seen.iter().find(|(_, own)| own.last_seq > later.last_seq);
    Ok(ahead.map(|(node, own)| difference(node, own, &later)))
}

fn difference(node: &str, own: &StreamState, leader: &StreamState) -> String {
    format!(
        "{node} holds {} messages up to {}, the leader {} up to {}",
        own.messages, own.last_seq, leader.messages, leader.last_seq
    )
}
