//! The schemas of what is printed and written as JSON. Keys are only ever added.

use schemars::{Schema, schema_for};

use super::json::RunsDocument;
use crate::matrix::Table;
use crate::rehearsal::Rehearsal;

/// The documents that have a schema, by name.
pub const SCHEMAS: [&str; 3] = ["matrix", "rehearsal", "runs"];

/// The schema of a document; none under another name.
pub fn schema(name: &str) -> Option<Schema> {
    match name {
        "matrix" => Some(schema_for!(Table)),
        "rehearsal" => Some(schema_for!(Rehearsal)),
        "runs" => Some(schema_for!(RunsDocument)),
        _ => None,
    }
}
