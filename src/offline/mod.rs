//! What can be done with a backup without a server: look at it, check it, read it, convert it, and
//! put it into the store of a stopped one.

mod account;
mod convert;
mod digest;
mod error;
mod extract;
mod filter;
mod info;
mod look;
mod manifest;
mod messages;
mod saved_consumers;
mod staging;
mod store_check;
mod store_use;
mod verify;

pub use account::{AccountLook, AccountRecord, Counts, StreamRecord};
pub use convert::{ConvertOptions, Converted, convert};
pub use error::{OfflineError, Result};
pub use extract::{ExtractOptions, Extracted, extract};
pub use filter::{Filter, SubjectPattern};
pub use info::{Info, inspect};
pub use look::{Look, Metadata};
pub use manifest::{Manifest, Method, Origin};
pub use messages::{ReadMessages, read_messages};
pub use saved_consumers::{SavedConsumer, Why};
pub use verify::{Report, Verdict, verify};

pub(crate) use digest::{Digesting, sha256};
pub(crate) use staging::{Staging, finish, sweep, unfinished};
pub(crate) use verify::examine;
