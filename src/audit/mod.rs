//! What an account would lose now: its streams and consumers, their copies, and its backups are
//! looked at, and judged. Nothing on a server is changed.

mod again;
mod ask;
mod backups;
mod copies;
mod facts;
mod finding;
mod judge;
mod judge_consumers;
mod judge_servers;
#[cfg(test)]
mod tests;
mod words;

pub use ask::observe;
pub use backups::{Backup, Backups, Odd, find_backups};
pub use copies::Agreement;
pub use facts::{Facts, ServerFacts, StreamFacts, Unchecked};
pub use finding::{Finding, Kind, Severity};
pub use judge::{Cover, Rules, age, cover, judge, messages_since};
