//! What is told of finished runs: a table for people, JSON for tools, JUnit for CI.

mod json;
mod junit;
mod text;

pub use json::runs_as_json;
pub use junit::runs_as_junit;
pub use text::{headline, summary};
