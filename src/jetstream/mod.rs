//! The wire: everything that is said to a server. The only code here that names async-nats.

mod connection;
mod consumer;
mod error;
mod messages;
mod publish;
mod restore;
mod snapshot;
mod stream;

pub use connection::{ConnectSettings, Connection};
pub use consumer::{Batch, Delivery, PullConsumer};
pub use error::{RequestError, Result};
pub use messages::read_messages;
pub use publish::OutgoingMessage;
pub use restore::{RestoreTransfer, RestoreTuning};
pub use snapshot::{Snapshot, SnapshotOptions};
pub use stream::{StreamInfo, StreamState};
