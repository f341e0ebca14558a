//! `lab`: which verb is which step of a drill, and how a lab is asked to carry it out.

use toml::{Table, Value};

use super::{Failure, Outcome};
use crate::cli::{LabName, LabVerb, Network, OneNode, Victim};
use crate::exit::Exit;
use crate::lab::{Answer, Call, LabPlace, LabStatus, Question};
use crate::ledger::StepEnd;
use crate::scenario::write_step;
use crate::ui;

/// Has a lab do something to its cluster.
pub(super) async fn run(verb: LabVerb) -> Outcome {
    match verb {
        LabVerb::Kill { node, wipe } => {
            on_victim("kill", node, Some(("wipe", Value::from(wipe)))).await
        }
        LabVerb::Stop(victim) => on_victim("stop", victim, None).await,
        LabVerb::Pause(victim) => on_victim("pause", victim, None).await,
        LabVerb::Resume(on) => on_node("resume", on).await,
        LabVerb::Start(on) => on_node("start", on).await,
        LabVerb::Remove(on) => on_node("peer_remove", on).await,
        LabVerb::Wipe(victim) => on_victim("wipe", victim, None).await,
        LabVerb::Cut { network, way } => {
            let way = (way != "both").then(|| ("way", Value::from(way)));
            over_network("cut", network, way).await
        }
        LabVerb::Delay { network, by } => {
            over_network("delay", network, Some(("by", Value::from(by)))).await
        }
        LabVerb::Heal { nodes: names, lab } => {
            let named = (!names.is_empty()).then(|| ("node", nodes(names)));
            step(&lab, &written("heal", named)).await
        }
        LabVerb::Add(lab) => add(&lab).await,
        LabVerb::Corrupt {
            node,
            stream,
            what,
            how,
        } => {
            let fields = [
                Some(("node", Value::from(node.node))),
                stream.map(|stream| ("stream", Value::from(stream))),
                Some(("what", Value::from(what))),
                Some(("how", Value::from(how))),
            ];
            step(&node.lab, &written("damage", fields.into_iter().flatten())).await
        }
        LabVerb::Wait {
            stream,
            replicas,
            within,
            lab,
        } => wait(&lab, stream, replicas, within).await,
        LabVerb::Publish {
            stream,
            messages,
            lab,
        } => {
            let fields = [
                ("stream", Value::from(stream)),
                ("messages", Value::from(i64::from(messages))),
            ];
            step(&lab, &written("publish", fields)).await
        }
        LabVerb::Step { text, lab } => step(&lab, &text).await,
    }
}

/// A step as it is written.
fn written(name: &str, fields: impl IntoIterator<Item = (&'static str, Value)>) -> String {
    let fields = fields.into_iter();
    // What is not the case is not said.
    let fields = fields.filter(|(_, value)| *value != Value::Boolean(false));
    let fields: Table = fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    write_step(name, fields)
}

async fn on_node(name: &str, on: OneNode) -> Outcome {
    step(&on.lab, &written(name, [("node", Value::from(on.node))])).await
}

async fn on_victim(name: &str, victim: Victim, more: Option<(&'static str, Value)>) -> Outcome {
    let fields = [
        Some(("node", Value::from(victim.node.node))),
        victim.alias.map(|alias| ("as", Value::from(alias))),
        more,
    ];
    step(
        &victim.node.lab,
        &written(name, fields.into_iter().flatten()),
    )
    .await
}

async fn over_network(
    name: &str,
    network: Network,
    more: Option<(&'static str, Value)>,
) -> Outcome {
    let from = (!network.from.is_empty()).then(|| ("from", nodes(network.from)));
    let fields = [
        Some(("node", nodes(network.nodes))),
        from,
        Some(("clients", Value::from(network.clients))),
        more,
    ];
    step(&network.lab, &written(name, fields.into_iter().flatten())).await
}

/// One node, which then gets a name, or several.
fn nodes(names: Vec<String>) -> Value {
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Value::from(name),
        Err(names) => Value::from(names),
    }
}

async fn wait(lab: &LabName, stream: String, replicas: Option<u8>, within: String) -> Outcome {
    let replicas = match replicas {
        Some(replicas) => i64::from(replicas),
        None => replicas_of(lab, &stream).await?,
    };
    let fields = [
        ("stream", Value::from(stream)),
        ("replicas", Value::from(replicas)),
        ("within", Value::from(within)),
    ];
    step(lab, &written("wait", fields)).await
}

/// How many replicas a stream is to have.
async fn replicas_of(lab: &LabName, stream: &str) -> Result<i64, Failure> {
    let status = status(&LabPlace::of(&lab.name)?).await?;
    let found = status.streams.iter().find(|one| one.stream == stream);
    let replicas = found.and_then(|one| i64::try_from(one.replicas).ok());
    replicas.ok_or_else(|| {
        let text = format!("nobody publishes to a stream `{stream}`: say how many --replicas");
        Failure::new(Exit::Usage, text)
    })
}

/// A node is called by the name that it will have.
async fn add(lab: &LabName) -> Outcome {
    let status = status(&LabPlace::of(&lab.name)?).await?;
    let nodes = &status.seen.nodes;
    let prefix = nodes
        .first()
        .map_or("n", |seen| seen.node.trim_end_matches(char::is_numeric));
    let mut names = (nodes.len() + 1..).map(|number| format!("{prefix}{number}"));
    let name = names.find(|name| nodes.iter().all(|seen| seen.node != *name));
    let fields = name.map(|name| ("as", Value::from(name)));
    step(lab, &written("add_node", fields)).await
}

/// Has it carry out the next step of the scenario that it was started with.
pub(super) async fn next(lab: &LabName) -> Outcome {
    let status = status(&LabPlace::of(&lab.name)?).await?;
    match status.planned.first() {
        Some(text) => step(lab, text).await,
        None => {
            let text = "no step of a scenario is left: lab up --scenario begins with one";
            Err(Failure::new(Exit::Usage, text))
        }
    }
}

/// How a lab is.
pub(super) async fn status(place: &LabPlace) -> Result<LabStatus, Failure> {
    let answer = Call::ask(place, &Question::Status).await?;
    if let Answer::Status { status } = answer {
        return Ok(*status);
    }
    Err(unexpected(answer))
}

/// What a lab tells on the way; any other answer is none to what was asked.
pub(super) fn heard(answer: Answer) -> Result<String, Failure> {
    if let Answer::Stage { text } | Answer::Note { text } = answer {
        return Ok(text);
    }
    Err(unexpected(answer))
}

/// An answer that is none to what was asked.
pub(super) fn unexpected(answer: Answer) -> Failure {
    match answer {
        Answer::Refused {
            reason,
            is_misuse: true,
        } => Failure::new(Exit::Usage, reason),
        Answer::Refused { reason, .. } => Failure::new(Exit::Refused, reason),
        Answer::Ended | Answer::Judged { .. } => {
            Failure::new(Exit::Refused, "the lab was taken down meanwhile")
        }
        Answer::Stage { .. }
        | Answer::Note { .. }
        | Answer::StepEnded { .. }
        | Answer::Status { .. }
        | Answer::History { .. } => {
            Failure::new(Exit::Unexpected, "the lab answered something else")
        }
    }
}

/// Has a lab carry out a step, and tells what comes of it.
async fn step(lab: &LabName, text: &str) -> Outcome {
    let question = Question::Step {
        text: text.to_owned(),
    };
    let mut call = Call::begin(&LabPlace::of(&lab.name)?, &question).await?;
    ui::say(text);
    loop {
        let answer = call.next().await?;
        if let Answer::StepEnded { end, seconds } = answer {
            return told(&end, seconds);
        }
        ui::say(&format!("  {}", heard(answer)?));
    }
}

fn told(end: &StepEnd, seconds: f64) -> Outcome {
    match end {
        StepEnd::Done => {
            ui::say(&format!("  done in {seconds:.1} s"));
            Ok(Exit::Done)
        }
        StepEnd::Broken { reason } => Err(Failure::new(Exit::Broken, format!("broken: {reason}"))),
        StepEnd::Impossible { reason } | StepEnd::Withdrawn { reason } => Err(Failure::new(
            Exit::Refused,
            format!("not carried out: {reason}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_step_whatever_it_holds() {
        let fields = [
            ("node", Value::from("leader of \"O\"")),
            ("wipe", Value::from(false)),
        ];
        let text = written("kill", fields);
        let read: Table = text.parse().unwrap();
        assert_eq!(read["kill"]["node"].as_str(), Some("leader of \"O\""));
        assert!(read["kill"].get("wipe").is_none());
    }
}
