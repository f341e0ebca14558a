//! Many drills on many server versions: what is to be run, what was run so far, and the one table that
//! comes of it. Pure: nothing here starts a server.

mod change;
mod plan;
mod results;
#[cfg(test)]
mod sample;
mod table;

pub use change::Change;
pub use plan::{Partition, Planned, plan};
pub use results::{Done, Results, ResultsError};
pub use table::{Cell, Range, Row, Server, Table};
