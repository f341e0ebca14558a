//! Steps about disks: damaged, copied aside, put back, filled from a backup.

use std::fmt;

use serde::Serialize;

use super::step::NodeChoice;

/// What of a stopped node's disk is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DamageTarget {
    /// Part of a stream.
    Stream {
        /// The stream.
        stream: String,
        /// The part.
        part: StreamPart,
    },
    /// What the node knows of the meta group.
    MetaGroup,
}

impl fmt::Display for DamageTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream { stream, part } => write!(f, "{part} of {stream}"),
            Self::MetaGroup => f.write_str("the meta group"),
        }
    }
}

/// Part of a stream on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamPart {
    /// The block of the oldest messages.
    FirstBlock,
    /// The block of the newest messages.
    LastBlock,
    /// In the block of the oldest messages, how long the headers of one are, which no hash covers.
    HeaderLength,
    /// What is known of all blocks: `msgs/index.db`.
    Index,
    /// All messages.
    Messages,
    /// Where the consumers stand.
    Consumers,
    /// The stream's configuration: `meta.inf`.
    Configuration,
}

impl fmt::Display for StreamPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstBlock => "the first block",
            Self::LastBlock => "the last block",
            Self::HeaderLength => "a message's header length",
            Self::Index => "the index",
            Self::Messages => "all messages",
            Self::Consumers => "the state of all consumers",
            Self::Configuration => "the configuration",
        })
    }
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// One bit is another.
    Flip,
    /// The last third is cut off.
    Truncate,
    /// A length is more than there is.
    Overflow,
    /// It is gone.
    Remove,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flip => "flip a bit in",
            Self::Truncate => "cut off a third of",
            Self::Overflow => "flip a high bit in",
            Self::Remove => "remove",
        })
    }
}

/// Something done to disks, or with them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields say what they are, as in the file")]
pub enum DiskStep {
    /// Remove a node's disk; its server is killed before, if it runs.
    Wipe { node: NodeChoice, alias: String },
    /// Damage an ended server's disk.
    Damage {
        node: NodeChoice,
        target: DamageTarget,
        harm: Harm,
    },
    /// Copy whole disks aside, all as they are at one moment.
    CopyDisk {
        nodes: Vec<NodeChoice>,
        name: String,
    },
    /// Put ended servers' disks back as they were when they were copied.
    RollBack {
        nodes: Vec<NodeChoice>,
        copy: String,
    },
    /// Put a backup's stream into the store of an ended server.
    Extract { backup: String, node: NodeChoice },
}

impl DiskStep {
    /// Whether it breaks something.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Wipe { .. } | Self::Damage { .. } | Self::RollBack { .. } => true,
            Self::CopyDisk { .. } | Self::Extract { .. } => false,
        }
    }
}

impl fmt::Display for DiskStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wipe { node, .. } => write!(f, "wipe the disk of {node}"),
            Self::Damage { node, target, harm } => write!(f, "{harm} {target} on {node}"),
            Self::CopyDisk { nodes, name } => {
                write!(f, "copy the disk of {} aside as `{name}`", list(nodes))
            }
            Self::RollBack { nodes, copy } => {
                write!(f, "put the disk of {} back to `{copy}`", list(nodes))
            }
            Self::Extract { backup, node } => {
                write!(f, "extract backup `{backup}` into the store of {node}")
            }
        }
    }
}

fn list(nodes: &[NodeChoice]) -> String {
    let names: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    names.join(", ")
}
