//! Steps in words, as watchers and reports show them.

use std::fmt;

use super::step::{NodeChoice, Step, Ways};

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f)?;
        f.write_str(if self.is_to_fail() {
            ", which is to be refused"
        } else {
            ""
        })
    }
}

impl Ways {
    fn words(self) -> &'static str {
        match self {
            Self::Both => "",
            Self::Out | Self::In => ", one way",
        }
    }
}

impl Step {
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish { stream, batch } => write!(f, "publish {batch} to {stream}"),
            Self::Run { time } => write!(f, "let the load run for {time:?}"),
            Self::Kill {
                node, wipe: false, ..
            } => write!(f, "kill {node}"),
            Self::Kill {
                node, wipe: true, ..
            } => write!(f, "kill {node} and wipe its disk"),
            Self::Stop { node, .. } => write!(f, "stop {node}"),
            Self::Pause { node, .. } => write!(f, "pause {node}"),
            Self::Resume { node } => write!(f, "resume {node}"),
            Self::Start { node } => write!(f, "start {node}"),
            Self::AddNode { alias } => write!(f, "add a fresh node ({alias})"),
            Self::PeerRemove { node, .. } => write!(f, "remove {node} from the meta group"),
            Self::StepDown { stream, to } => tell_step_down(f, stream, to.as_ref()),
            Self::Unavailable { stream, .. } => write!(f, "see that {stream} takes no messages"),
            Self::Wait {
                stream, replicas, ..
            } => {
                write!(f, "wait for {replicas} whole replicas of {stream}")
            }
            Self::NoReplacement { stream, watched } => {
                write!(f, "see for {watched:?} that {stream} gets no new replica")
            }
            Self::Backup { stream, .. } => write!(f, "back {stream} up"),
            Self::DeleteStream { stream, .. } => write!(f, "delete {stream}"),
            Self::Restore {
                backup, changes, ..
            } => write!(f, "restore from backup `{backup}`{changes}"),
            Self::Cut { network, ways, .. } => {
                write!(f, "cut the network between {network}{}", ways.words())
            }
            Self::Delay { network, by, .. } => {
                write!(f, "delay the network between {network} by {by:?}")
            }
            Self::Heal { network: None } => f.write_str("heal the network"),
            Self::Heal {
                network: Some(network),
            } => write!(f, "heal the network between {}", network.without_clients()),
            Self::Elect { stream, not, .. } => {
                write!(f, "wait until another node than {not} leads {stream}")
            }
            Self::Refuse {
                node,
                stream,
                watched,
            } => write!(
                f,
                "see for {watched:?} that {node} takes nothing for {stream}"
            ),
            Self::FillDisk { node, .. } => write!(f, "fill the disk of {node}"),
            Self::FreeDisk { node } => write!(f, "free the disk of {node}"),
            Self::ReadOnly { node } => write!(f, "make the store of {node} read-only"),
            Self::Writable { node } => write!(f, "make the store of {node} writable"),
            Self::StartFails { node } => write!(f, "see that {node} does not start"),
            Self::LimitMemory {
                node,
                bytes: Some(bytes),
                ..
            } => write!(f, "limit the memory of {node} to {bytes} bytes"),
            Self::LimitMemory { node, .. } => write!(f, "limit the memory of {node} no longer"),
            Self::Ends { node, .. } => write!(f, "wait until the server of {node} ends"),
            Self::Disk(step) => write!(f, "{step}"),
            Self::Operator(step) => write!(f, "{step}"),
            Self::Transfer(step) => write!(f, "{step}"),
            Self::Bucket(step) => write!(f, "{step}"),
        }
    }
}

fn tell_step_down(
    f: &mut fmt::Formatter<'_>,
    stream: &str,
    to: Option<&NodeChoice>,
) -> fmt::Result {
    match to {
        None => write!(f, "have the leader of {stream} step down"),
        Some(node) => write!(f, "have leaders of {stream} step down until {node} leads"),
    }
}
