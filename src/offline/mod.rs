//! What can be done with a backup without a server: look at it, check it, read it, convert it, and
//! put it into the store of a stopped one.

mod account;
mod convert;
mod digest;
mod error;
mod extract;
mod filter;
mod info;
mod info_account;
mod look;
mod manifest;
mod messages;
mod original;
mod saved_consumers;
mod staging;
mod store_check;
mod store_use;
mod verify;
mod verify_account;

pub use account::{AccountLook, AccountRecord, Counts, StreamRecord};
pub use convert::{ConvertOptions, Converted, convert};
pub use error::{OfflineError, Result};
pub use extract::{ExtractOptions, Extracted, extract};
pub use filter::{Filter, SubjectPattern};
pub use info::{Info, inspect};
pub use info_account::{AccountInfo, inspect_account};
pub use look::{Look, Metadata};
pub use manifest::{Manifest, Method, Origin, mark_replaced};
pub use messages::{ReadMessages, read_messages};
pub use saved_consumers::{SavedConsumer, Why};
pub use verify::{Report, Verdict, verify};
pub use verify_account::{AccountReport, verify_account};

pub(crate) use digest::{Digesting, message_digest, sha256};
pub(crate) use original::{Original, is_mirror};
pub(crate) use staging::{Staging, UNFINISHED, finish, sweep, unfinished};
pub(crate) use verify::examine;
pub(crate) use verify_account::examine_account;
