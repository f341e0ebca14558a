//! What can be typed about labs.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::{Place, ServerChoice};

const UP_EXAMPLES: &str = "\
Examples:
  lifeboat lab up --nodes 4 --stream ORDERS
  lifeboat lab kill \"leader of ORDERS\" --wipe
  lifeboat lab remove n2
  lifeboat lab wait ORDERS --replicas 3
  lifeboat lab status --watch
  lifeboat lab down";

/// What can be done with labs.
#[derive(Debug, Subcommand)]
pub enum Lab {
    /// Start a cluster that stays, with streams and load if asked
    ///
    /// It stays until `lab down`, in a process of its own. What is done to it by the other commands is
    /// written down as a drill's steps, judged at its end, and can be done again by `drill run`; what other
    /// clients do is not known to it.
    #[command(after_help = UP_EXAMPLES)]
    Up(Box<LabUp>),
    /// Run a lab; `lab up` starts this
    #[command(hide = true)]
    Serve(Box<LabServe>),
    /// Show nodes, leaders, what every replica holds, the load, and what is missing so far
    Status {
        /// The lab
        #[command(flatten)]
        lab: LabName,
        /// Go on showing it, until Ctrl-C
        #[arg(long, short)]
        watch: bool,
        /// Print a JSON object; with --watch a line each second
        #[arg(long)]
        json: bool,
    },
    /// Show the labs that run
    List,
    /// What is done to a cluster
    #[command(flatten)]
    Verb(LabVerb),
    /// Carry out the next step of the scenario that the lab was started with
    Next(LabName),
    /// Print what was done as a scenario, which `drill run` does again
    ///
    /// A node is named there by what it was when it was hit, such as the leader of a stream: in another run
    /// another node is. Between steps the load runs as long as it did.
    History {
        /// Write it into this file, which must not be there
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// The lab
        #[command(flatten)]
        lab: LabName,
    },
    /// End a lab, read what every replica holds, and judge it as a drill
    Down {
        /// End it at once, without a verdict
        #[arg(long)]
        discard: bool,
        /// Print the run as `drill run --json` does
        #[arg(long, conflicts_with = "discard")]
        json: bool,
        /// The lab
        #[command(flatten)]
        lab: LabName,
    },
}

/// What can be done to the cluster of a lab: each is a step of a drill.
#[derive(Debug, Subcommand)]
pub enum LabVerb {
    /// End a node's server at once, as a crash does; with --wipe its disk is gone too
    Kill {
        /// The node
        #[command(flatten)]
        node: Victim,
        /// Remove its disk
        #[arg(long)]
        wipe: bool,
    },
    /// End a node's server in good order
    Stop(Victim),
    /// Freeze a node's server: connections stay open, nobody answers
    Pause(Victim),
    /// Let a frozen server run on
    Resume(OneNode),
    /// Start the server of a node again that ended
    Start(OneNode),
    /// Remove a node's disk; its server is killed before, if it runs
    Wipe(Victim),
    /// Cut the network between nodes and others, or all others
    Cut {
        /// What is cut
        #[command(flatten)]
        network: Network,
        /// In which direction nothing passes
        #[arg(long, value_parser = PossibleValuesParser::new(["both", "out", "in"]), default_value = "both")]
        way: String,
    },
    /// Slow the network between nodes and others down
    Delay {
        /// What is slowed down
        #[command(flatten)]
        network: Network,
        /// By how much, such as 50ms
        #[arg(long, value_name = "TIME")]
        by: String,
    },
    /// Heal the network of nodes, or all of it
    Heal {
        /// The nodes; all when none is named
        nodes: Vec<String>,
        /// The lab
        #[command(flatten)]
        lab: LabName,
    },
    /// Remove a node from the meta group, as when it never comes back
    Remove(OneNode),
    /// Add a fresh node
    Add(LabName),
    /// Damage the disk of a node whose server has ended
    Corrupt {
        /// The node
        #[command(flatten)]
        node: OneNode,
        /// The stream; not for the meta group
        #[arg(long)]
        stream: Option<String>,
        /// What is damaged; "header length" is that of a message in the first block, which no hash covers
        #[arg(long, default_value = "last block", value_parser = PossibleValuesParser::new([
            "first block", "last block", "header length", "index", "messages", "consumers", "configuration", "meta group",
        ]))]
        what: String,
        /// How; a header length is flipped, or overflows, which nothing else does
        #[arg(long, default_value = "flip", value_parser = PossibleValuesParser::new(["flip", "truncate", "overflow", "remove"]))]
        how: String,
    },
    /// Wait until a stream has so many replicas that hold all of it
    Wait {
        /// The stream
        stream: String,
        /// How many replicas [default: as many as it is to have]
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
        replicas: Option<u8>,
        /// How long it may take
        #[arg(long, value_name = "TIME", default_value = "60s")]
        within: String,
        /// The lab
        #[command(flatten)]
        lab: LabName,
    },
    /// Publish messages, each of which must be acknowledged
    Publish {
        /// The stream
        stream: String,
        /// How many
        messages: u32,
        /// The lab
        #[command(flatten)]
        lab: LabName,
    },
    /// Carry out any step of a drill, written as in a scenario
    ///
    /// Such as: lifeboat lab step 'backup = { stream = "ORDERS", as = "nightly" }'
    Step {
        /// The step
        text: String,
        /// The lab
        #[command(flatten)]
        lab: LabName,
    },
}

/// Which lab.
#[derive(Debug, Args)]
pub struct LabName {
    /// Which lab
    #[arg(long, value_name = "NAME", default_value = "lab", env = "LIFEBOAT_LAB")]
    pub name: String,
}

/// A node of a lab.
#[derive(Debug, Args)]
pub struct OneNode {
    /// The node: n2, "leader of ORDERS", "follower of ORDERS", "spare of ORDERS" or "meta leader"
    pub node: String,
    /// The lab
    #[command(flatten)]
    pub lab: LabName,
}

/// A node of a lab, to which something happens.
#[derive(Debug, Args)]
pub struct Victim {
    /// The node
    #[command(flatten)]
    pub node: OneNode,
    /// Give it a name by which other commands find it, such as victim
    #[arg(long = "as", value_name = "NAME")]
    pub alias: Option<String>,
}

/// The network between nodes.
#[derive(Debug, Args)]
pub struct Network {
    /// The nodes on one side
    #[arg(required = true)]
    pub nodes: Vec<String>,
    /// The nodes on the other; all others when none is named
    #[arg(long, value_name = "NODE")]
    pub from: Vec<String>,
    /// Their clients too
    #[arg(long)]
    pub clients: bool,
    /// The lab
    #[command(flatten)]
    pub lab: LabName,
}

/// What to start.
#[derive(Debug, Args)]
pub struct LabUp {
    /// How many nodes
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9), conflicts_with = "scenario")]
    pub nodes: Option<u8>,
    /// A stream to make, such as ORDERS, or ORDERS:1 for one replica; may be repeated
    ///
    /// Without a number it has three replicas, or as many as there are nodes. It is published to, and has a
    /// consumer that reads it.
    #[arg(long, value_name = "NAME[:REPLICAS]", conflicts_with = "scenario")]
    pub stream: Vec<String>,
    /// Messages a second on every stream; 0 for none [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000), conflicts_with = "scenario")]
    pub rate: Option<u32>,
    /// Begin as this drill does: its cluster, streams, load and expectations; `lab next` carries out its steps
    #[arg(long, value_name = "NAME|FILE")]
    pub scenario: Option<String>,
    /// How it is run
    #[command(flatten)]
    pub serve: LabServe,
    /// Print how it is as a JSON object, with its addresses and passwords
    #[arg(long)]
    pub json: bool,
}

/// How a lab is run.
#[derive(Debug, Args)]
pub struct LabServe {
    /// The lab
    #[command(flatten)]
    pub lab: LabName,
    /// Which server runs
    #[command(flatten)]
    pub server: ServerChoice,
    /// Where the nodes run
    #[command(flatten)]
    pub place: Place,
    /// Make every random choice follow from this number
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where the evidence goes, a directory for every lab
    #[arg(long, value_name = "DIR", default_value = "lifeboat-runs")]
    pub evidence: PathBuf,
}
