//! The wire: everything that is said to a server. The only code here that names async-nats.

mod account;
mod configuration;
mod connection;
mod consumer;
mod context;
mod error;
mod messages;
mod publish;
mod restore;
mod settings;
mod snapshot;
mod stream;

pub use account::{AccountTotals, ConsumerInfo, ConsumerList};
pub use connection::Connection;
pub use consumer::{Batch, Delivery, PullConsumer};
pub use context::{ContextError, read_context, selected_context};
pub use error::{RequestError, Result};
pub use messages::read_messages;
pub use publish::OutgoingMessage;
pub use restore::{RestoreTransfer, RestoreTuning};
pub use settings::{ConnectSettings, Login, Tls};
pub use snapshot::{Snapshot, SnapshotOptions};
pub use stream::{StreamInfo, StreamState};
