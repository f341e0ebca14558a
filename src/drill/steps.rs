//! The verbs of a scenario, carried out.

use std::time::{Duration, Instant};

use lifeboat_harness::Node;
use lifeboat_harness::wait::{Probe, TimedOut, pause_for, until};

use super::again::publish_again;
use super::choice::{choose, choose_unnamed, members};
use super::failure::{Failure, broken, by_harness, impossible};
use super::observe::{copies, live};
use super::world::World;
use super::{
    backups, buckets, catch_up, clusters, configurations, damage, disks, faults, network, operator,
    transfers,
};
use crate::ledger::{Event, StepEnd};
use crate::scenario::{Batch, DiskStep, MOST_AGAIN, NodeChoice, OperatorStep, Step};

/// How long a step that publishes many messages may take.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(120);
/// A stream that acknowledges nothing for so long while it is asked takes no messages.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(1);
/// How often leaders step down for another to lead: of three, each is elected every other time.
const MOST_STEP_DOWNS: usize = 20;
/// How often something that must not happen is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) type Outcome = Result<(), Failure>;

/// Carries out one step, and writes down that it began and how it ended.
pub(super) async fn carry_out(world: &World<'_>, number: usize, step: &Step) -> StepEnd {
    carry_out_or(world, number, step, |reason| StepEnd::Impossible { reason }).await
}

/// The same of a step that somebody asks for who goes on otherwise when it is not possible. What was
/// done half-way is no less done.
pub(super) async fn try_out(world: &World<'_>, number: usize, step: &Step) -> StepEnd {
    let states = || -> Vec<_> {
        let nodes = world.cluster().nodes();
        let state = |node: &Node<'_>| (node.name().to_owned(), node.state().ok());
        nodes.iter().map(state).collect()
    };
    let before = (states(), world.deeds());
    carry_out_or(world, number, step, |reason| {
        if before == (states(), world.deeds()) {
            StepEnd::Withdrawn { reason }
        } else {
            StepEnd::Impossible { reason }
        }
    })
    .await
}

async fn carry_out_or(
    world: &World<'_>,
    number: usize,
    step: &Step,
    impossible: impl FnOnce(String) -> StepEnd,
) -> StepEnd {
    let steps = world.scenario.steps.len();
    let text = step.to_string();
    world.recorder.watcher.step_began(number, steps, &text);
    world.record(Event::StepBegan { number, text });
    let began = Instant::now();
    let mut outcome = perform(world, step).await;
    if step.is_to_fail() {
        outcome = refused(world, outcome);
    }
    let end = match outcome {
        Ok(()) => StepEnd::Done,
        Err(Failure::Broken(reason)) => StepEnd::Broken { reason },
        Err(Failure::Impossible(reason)) => impossible(reason),
    };
    world.record(Event::StepEnded {
        number,
        end: end.clone(),
    });
    world
        .recorder
        .watcher
        .step_ended(number, &end, began.elapsed());
    end
}

/// What a step says that the servers are to refuse. No answer is as good as a refusal.
fn refused(world: &World<'_>, outcome: Outcome) -> Outcome {
    match outcome {
        Ok(()) => Err(broken("it succeeded, and the servers were to refuse it")),
        Err(Failure::Broken(reason)) => {
            world.note(format!("it failed, as it should: {reason}"));
            Ok(())
        }
        Err(Failure::Impossible(reason)) => Err(Failure::Impossible(reason)),
    }
}

async fn perform(world: &World<'_>, step: &Step) -> Outcome {
    match step {
        Step::Publish { stream, batch } => publish(world, stream, *batch).await,
        Step::Run { time } => run(*time).await,
        Step::Kill { node, alias, wipe } => faults::kill(world, node, alias, *wipe).await,
        Step::Stop { node, alias } => faults::stop(world, node, alias).await,
        Step::Pause { node, alias } => faults::pause(world, node, alias).await,
        Step::Resume { node } => faults::resume(world, node).await,
        Step::Start { node } => faults::start(world, node).await,
        Step::StartFails { node } => faults::start_fails(world, node).await,
        Step::Ends { node, within } => faults::ends(world, node, *within).await,
        Step::FillDisk { node, alias } => faults::fill_disk(world, node, alias).await,
        Step::FreeDisk { node } => faults::free_disk(world, node).await,
        Step::ReadOnly { node } => faults::read_only(world, node).await,
        Step::Writable { node } => faults::writable(world, node).await,
        Step::LimitMemory { node, alias, bytes } => {
            faults::limit_memory(world, node, alias, *bytes).await
        }
        Step::Cut {
            network,
            alias,
            ways,
        } => network::cut(world, network, alias.as_deref(), *ways).await,
        Step::Delay { network, alias, by } => {
            network::delay(world, network, alias.as_deref(), *by).await
        }
        Step::Heal { network } => network::heal(world, network.as_ref()).await,
        Step::Elect {
            stream,
            not,
            within,
        } => network::elect(world, stream, not, *within).await,
        Step::Refuse {
            node,
            stream,
            watched,
        } => network::refuse(world, node, stream, *watched).await,
        Step::AddNode { alias } => add_node(world, alias).await,
        Step::PeerRemove { node, .. } => peer_remove(world, node).await,
        Step::StepDown { stream, to } => step_down(world, stream, to.as_ref()).await,
        Step::Unavailable { stream, within } => unavailable(world, stream, *within).await,
        Step::Wait {
            stream,
            replicas,
            within,
        } => wait(world, stream, *replicas, *within).await,
        Step::NoReplacement { stream, watched } => no_replacement(world, stream, *watched).await,
        Step::Backup {
            stream,
            name,
            lacks,
            ..
        } => backups::backup(world, stream, name, lacks).await,
        Step::DeleteStream {
            stream,
            within,
            fails,
        } => backups::delete_stream(world, stream, *within, *fails).await,
        Step::Restore {
            backup,
            changes,
            fails,
        } => backups::restore(world, backup, changes, *fails).await,
        Step::Disk(step) => on_disk(world, step).await,
        Step::Operator(step) => operate(world, step).await,
        Step::Transfer(step) => transfers::carry_out(world, step).await,
        Step::Bucket(step) => buckets::carry_out(world, step).await,
    }
}

/// Lets the load run.
async fn run(time: Duration) -> Outcome {
    pause_for(time).await;
    Ok(())
}

async fn peer_remove(world: &World<'_>, node: &NodeChoice) -> Outcome {
    let node = choose(world, node).await?;
    world.cluster().peer_remove(&node).await.map_err(by_harness)
}

async fn on_disk(world: &World<'_>, step: &DiskStep) -> Outcome {
    match step {
        DiskStep::Wipe { node, alias } => faults::wipe(world, node, alias).await,
        DiskStep::Damage { node, target, harm } => damage::damage(world, node, target, *harm).await,
        DiskStep::CopyDisk { nodes, name } => disks::copy(world, nodes, name).await,
        DiskStep::RollBack { nodes, copy } => disks::roll_back(world, nodes, copy).await,
        DiskStep::Extract { backup, node } => backups::extract(world, backup, node).await,
    }
}

async fn operate(world: &World<'_>, step: &OperatorStep) -> Outcome {
    match step {
        OperatorStep::Upgrade { node, alias, to } => {
            operator::upgrade(world, node, alias, to).await
        }
        OperatorStep::Purge { stream, keep } => operator::purge(world, stream, *keep).await,
        OperatorStep::DeleteMessages { stream, every } => {
            operator::delete_messages(world, stream, *every).await
        }
        OperatorStep::Update { stream, config, .. } => {
            operator::update(world, stream, config).await
        }
        OperatorStep::StreamPeerRemove { stream, node, .. } => {
            operator::stream_peer_remove(world, stream, node).await
        }
        OperatorStep::MetaRescue {
            node,
            quorum,
            fails,
        } => operator::meta_rescue(world, node, *quorum, *fails).await,
        OperatorStep::MetaStepDown => operator::meta_step_down(world).await,
        OperatorStep::KillAll { wipe } => faults::kill_all(world, *wipe).await,
        OperatorStep::StartAll => faults::start_all(world).await,
        OperatorStep::SaveConfig { name, data } => {
            configurations::save_config(world, name, data.as_deref()).await
        }
        OperatorStep::ApplyConfig { from } => configurations::apply_config(world, from).await,
        OperatorStep::NameNode { node, alias } => {
            let node = choose_unnamed(world, node).await?;
            world.name_node(alias, &node);
            world.note(format!("{alias} is {node}"));
            Ok(())
        }
        OperatorStep::FailOver => clusters::fail_over(world).await,
        OperatorStep::Rekey { nodes, key } => operator::rekey(world, nodes, *key).await,
    }
}

async fn publish(world: &World<'_>, stream: &str, batch: Batch) -> Outcome {
    let Some(publisher) = world.publisher(stream) else {
        return Err(impossible(format!("nobody publishes to {stream}")));
    };
    let Batch { messages, again } = batch;
    if again {
        let messages = usize::try_from(messages).unwrap_or(MOST_AGAIN);
        return publish_again(world, publisher, messages, PUBLISHED_WITHIN).await;
    }
    let acknowledged = publisher.publish_many(messages, PUBLISHED_WITHIN).await;
    if acknowledged == messages {
        return Ok(());
    }
    Err(impossible(format!(
        "{acknowledged} of {messages} messages were acknowledged within {PUBLISHED_WITHIN:?}"
    )))
}

async fn add_node(world: &World<'_>, alias: &str) -> Outcome {
    let added = world.cluster().add_node().await;
    let node = added.map_err(|error| {
        if world.record_panic(&error) {
            broken(error)
        } else {
            by_harness(error)
        }
    })?;
    world.name_node(alias, node.name());
    world.note(format!("{} joined", node.name()));
    Ok(())
}

async fn step_down(world: &World<'_>, stream: &str, to: Option<&NodeChoice>) -> Outcome {
    match to {
        None => step_down_once(world, stream).await,
        Some(choice) => step_down_to(world, stream, choice).await,
    }
}

async fn step_down_once(world: &World<'_>, stream: &str) -> Outcome {
    let leader = world.cluster().step_down_stream(stream).await;
    let leader = leader.map_err(by_harness)?;
    world.note(format!("{leader} leads {stream} now"));
    Ok(())
}

/// Has leaders step down until one node leads, whom servers before 2.11 can't be asked for.
async fn step_down_to(world: &World<'_>, stream: &str, choice: &NodeChoice) -> Outcome {
    let wanted = choose(world, choice).await?;
    world.note(format!("{choice} is {wanted}"));
    for tries in 0.. {
        let members = members(world, stream).await?;
        if members.leader.as_ref() == Some(&wanted) {
            return Ok(());
        }
        if !members.followers.contains(&wanted) {
            return Err(impossible(format!("{wanted} holds no replica of {stream}")));
        }
        if tries == MOST_STEP_DOWNS {
            break;
        }
        step_down_once(world, stream).await?;
    }
    Err(impossible(format!(
        "{wanted} did not lead {stream} after {MOST_STEP_DOWNS} step-downs"
    )))
}

/// Waits until the load gets nothing acknowledged for a while, although it asks.
async fn unavailable(world: &World<'_>, stream: &str, within: Duration) -> Outcome {
    let Some(publisher) = world.publisher(stream) else {
        return Err(impossible(format!("nobody publishes to {stream}")));
    };
    if world.scenario.load.rate == 0 {
        let reason = "without a load nobody sees whether messages are taken: use `refuse`";
        return Err(impossible(reason));
    }
    let tally = publisher.tally();
    let mut quiet_since = Instant::now();
    let mut acknowledged = tally.acknowledged();
    let mut failed = tally.refused() + tally.unknown();
    until(within, || {
        if tally.acknowledged() != acknowledged {
            acknowledged = tally.acknowledged();
            failed = tally.refused() + tally.unknown();
            quiet_since = Instant::now();
        }
        let quiet = quiet_since.elapsed();
        let asked = tally.refused() + tally.unknown() > failed;
        async move {
            if quiet >= UNAVAILABLE_FOR && asked {
                Probe::Ready(())
            } else {
                Probe::Pending(format!("the last message was acknowledged {quiet:.1?} ago"))
            }
        }
    })
    .await
    .map_err(|timed_out| broken(format!("{stream} still takes messages: {timed_out}")))
}

async fn wait(world: &World<'_>, stream: &str, replicas: usize, within: Duration) -> Outcome {
    let Some(spec) = world.stream(stream) else {
        return Err(impossible(format!("there is no stream {stream}")));
    };
    let seen = until(within, || catch_up::whole(world, spec, replicas)).await;
    seen.map_err(|timed_out: TimedOut| broken(timed_out))?;
    world.record(Event::Recovered {
        stream: stream.to_owned(),
    });
    let holders = members(world, stream).await?;
    world.note(format!("{stream} is on {}", holders.all().join(", ")));
    Ok(())
}

/// Watches that nobody becomes a member, or gets a copy, who was not one at the beginning.
async fn no_replacement(world: &World<'_>, stream: &str, watched: Duration) -> Outcome {
    let before = members(world, stream).await?;
    let known = before.all();
    world.note(format!(
        "{stream} is on {}, watched for {watched:?}",
        known.join(", ")
    ));
    let began = Instant::now();
    let mut looks = 0_u32;
    while began.elapsed() < watched {
        pause_for(LOOK_EVERY.min(watched)).await;
        let Ok(mut holders) = copies(world.cluster(), stream).await else {
            continue;
        };
        if let Ok(members) = world.cluster().stream_members(stream).await {
            holders.extend(live(world.cluster(), &members));
            looks += 1;
        }
        if let Some(new) = holders.iter().find(|name| !known.contains(name)) {
            let after = began.elapsed();
            return Err(broken(format!("{new} became a replica after {after:.1?}")));
        }
    }
    // A spare that died meanwhile could not have become a replica.
    world.cluster().check_alive().await.map_err(impossible)?;
    if looks == 0 {
        return Err(impossible(format!("{stream} never told who holds it")));
    }
    Ok(())
}
