//! Many drills on many server versions: what is to be run, what was run so far, and the one table that
//! comes of it. Pure: nothing here starts a server.

mod cell;
mod change;
mod plan;
mod results;
#[cfg(test)]
mod sample;
mod table;

pub use cell::{Brief, Cell, Range};
pub use change::Change;
pub use plan::{Partition, Planned, plan};
pub use results::{Done, Results, ResultsError};
pub use table::{Row, Server, Table};
