//! Launch real multi-node NATS JetStream clusters in a test, and break them.
//!
//! ```
//! use lifeboat_harness::Cluster;
//!
//! #[tokio::main]
//! async fn main() -> lifeboat_harness::Result<()> {
//!     let cluster = Cluster::builder().nodes(3).start().await?; // real servers, ready when this returns
//!     cluster.node("n2").kill().await?; // SIGKILL
//!     cluster.node("n2").wipe().await?; // its disk is gone
//!     cluster.peer_remove("n2").await?; // as an operator would
//!     let fresh = cluster.add_node().await?; // and a fresh node in its place
//!     assert_eq!(fresh.name(), "n4");
//!     Ok(())
//! } // everything is gone: processes, ports, directories
//! ```
//!
//! # What you get
//! - **Real servers.** The binary is found or fetched by version ([`ServerRequest`]), and its
//!   version and digest are known ([`Cluster::binary`]).
//! - **Ready means ready**: every node healthy, one meta leader known to all, every peer
//!   current, JetStream answering the account.
//! - **Addresses that stay right.** Servers pick their own ports; clients and other servers
//!   reach them through links the harness holds ([`Cluster::client_urls`]).
//! - **Processes or containers**, the same API ([`Runtime`]), and a network between the nodes
//!   that can be cut, slowed down and healed ([`Cluster::between`]). A fault that is not
//!   possible here is told before anything starts ([`ClusterBuilder::needs`]).
//! - **Nothing left behind.** Servers die with the process that started them, even when it is
//!   killed with SIGKILL (on Linux), and their directory goes with them. After a panic it is
//!   kept and its place printed. Containers go with their networks and volumes, by a watchdog
//!   which is your own program, started again before its `main`.
//! - **Errors that tell**: a timeout says what was awaited and what was seen last.
//!
//! Connect with any client as [`Cluster::credentials`]; the crate makes no choice for you.
//!
//! # What it will not tell you
//! A node's [`Health`] and the `current` flags of its peers are what the *servers* believe.
//! They are known to lie: a removed server says it is healthy, a replica is called current
//! before it holds a single message. Compare content, for instance the state each node
//! reports of its own copy ([`JetStreamView::stream`]).

mod error;
pub mod wait;

mod binary;
mod builder;
mod cluster;
mod fault;
mod forming;
mod membership;
mod node;
mod operator;
mod partition;

mod admin;
mod config;
mod monitor;

mod keeper;
mod link;
mod runtime;
mod scratch;
mod wiring;

pub use admin::StreamMembers;
pub use binary::{
    Cache, CachedServer, DEFAULT_VERSION, KNOWN_VERSIONS, ServerBinary, ServerRequest,
    ServerSource, choose_version, parse_version,
};
pub use builder::{ClusterBuilder, MAX_NODES};
pub use cluster::Cluster;
pub use config::Credentials;
pub use error::{BinaryError, Error, Result};
pub use fault::Fault;
pub use monitor::{
    AccountView, GroupView, Health, JetStreamView, MetaView, Monitor, PeerView, StreamState,
    StreamView,
};
pub use node::{Node, NodeState};
pub use partition::Between;
pub use runtime::container::{ContainerEngine, identify_image};
pub use runtime::{Runtime, StoreArea};
