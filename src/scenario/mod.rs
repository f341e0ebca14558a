//! Scenario files: what breaks, and what must be true afterwards. As written, and
//! as resolved ([`Scenario`]): with every name checked and every default filled in.

mod catalog;
mod diagnostic;
mod inverted;
mod names;
mod resolve;
mod resolved;
mod steps;
mod values;
mod written;

pub use catalog::{Catalog, Source};
pub use diagnostic::Diagnostic;
pub use resolve::load;
pub use resolved::{
    Expectations, KnownVerdict, Load, NetworkPart, NodeChoice, Scenario, Step, StreamSpec, Ways,
};
