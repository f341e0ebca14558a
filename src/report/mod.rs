//! What is told of finished runs, of matrices, of backups and of audits: tables for people, JSON for tools, JUnit for CI.

mod account;
mod audit;
mod backup;
mod catalogue;
mod cluster;
mod drills;
mod json;
mod junit;
mod lab;
mod markdown;
mod matrix;
mod metrics;
mod rehearsal;
mod schema;
mod text;

pub use account::{account_text, account_verification_json, account_verification_text};
pub use audit::{AuditView, audit_json, audit_text};
pub use backup::{info_json, info_text, message_line, verification_json, verification_text};
pub use catalogue::catalogue;
pub use cluster::{Row, cluster_rows, load_rows};
pub use drills::drills_text;
pub use json::{RunDocument, RunsDocument, runs_as_json};
pub use junit::runs_as_junit;
pub use lab::{lab_text, lab_welcome};
pub use markdown::{rehearsal_markdown, runs_markdown};
pub use matrix::{matrix_counts, matrix_markdown, matrix_text};
pub use metrics::{rehearsal_as_metrics, runs_as_metrics};
pub use rehearsal::{rehearsal_as_junit, rehearsal_headline, rehearsal_text};
pub use schema::{SCHEMAS, schema};
pub use text::{headline, summary};
