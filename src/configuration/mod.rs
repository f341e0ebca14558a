//! The configuration of an account's streams and consumers, as files that can be kept under version
//! control, and back: the layout in which `nats backup` wrote it until 2022.

mod apply;
mod compare;
mod data;
mod error;
mod file;
mod plan;
mod read;
mod save;

pub use apply::{Applied, apply};
pub use compare::Change;
pub use error::{ConfigurationError, Result};
pub use plan::{Action, Plan, Step};
pub use read::{SavedConfiguration, read};
pub use save::{SaveOptions, Saved, SavedData, save};
