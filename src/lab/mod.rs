//! Labs: clusters that stay until they are taken down, broken and repaired by hand, step by step. A lab is a
//! drill at work in a background process; whoever has a terminal talks to it through a socket. Read
//! [`serve()`] first, and [`crate::drill::run_lab`], which does the work.

mod bell;
mod call;
mod place;
mod serve;
mod status;
mod talk;

pub use call::{Call, CallError};
pub use place::{LabPlace, PlaceError};
pub use serve::{ServeError, Served, serve};
pub use status::{FaultStatus, LabStatus, StepStatus, StreamStatus};
pub use talk::{Answer, Question};
