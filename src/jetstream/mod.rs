//! The wire: everything that is said to a server. The only code here that names async-nats.

mod account;
mod bucket;
mod claim;
mod configuration;
mod connection;
mod consumer;
mod context;
mod deletion;
mod error;
mod listing;
mod messages;
mod objects;
mod presence;
mod publish;
mod restore;
mod settings;
mod snapshot;
mod stream;
mod system;

pub use account::{AccountLimits, AccountTotals, ConsumerInfo, ConsumerList};
pub use bucket::BucketEntry;
pub use claim::Claim;
pub use connection::Connection;
pub use consumer::{Batch, Delivery, PullConsumer};
pub use context::{ContextError, read_context, selected_context};
pub use deletion::HeldSequences;
pub use error::{RequestError, Result};
pub use listing::{SilentStream, StreamListing};
pub use messages::read_messages;
pub use presence::Presence;
pub use publish::{Acknowledgement, OutgoingMessage};
pub use restore::{RestoreTransfer, RestoreTuning};
pub use settings::{ConnectSettings, Login, Tls};
pub use snapshot::{Snapshot, SnapshotOptions};
pub use stream::{StreamGroup, StreamInfo, StreamReplica, StreamState};
pub use system::{CopyState, ServerView};
