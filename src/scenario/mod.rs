//! Scenario files: what breaks, and what must be true afterwards. As written, and
//! as resolved ([`Scenario`]): with every name checked and every default filled in.

mod bucket_step;
mod bucket_steps;
mod catalog;
mod cluster_spec;
mod clusters;
mod diagnostic;
mod disk_step;
mod disk_steps;
mod feed;
mod growing;
mod inverted;
mod names;
mod operator_step;
mod operator_steps;
mod replay;
mod resolve;
mod resolved;
mod step;
mod step_text;
mod steps;
mod stream_config;
mod transfer_step;
mod transfer_steps;
mod values;
mod written;
mod written_operator_step;
mod written_step;

pub use bucket_step::BucketStep;
pub use catalog::{Catalog, Source};
pub use cluster_spec::ClusterSpec;
pub use diagnostic::Diagnostic;
pub use disk_step::{DamageTarget, DiskStep, Harm, StreamPart};
pub use growing::GrowingScenario;
pub use operator_step::{Key, OperatorStep};
pub use replay::{TypedStep, is_role, write_step};
pub use resolve::load;
pub use resolved::{Expectations, KnownVerdict, Load, Scenario, StreamSpec};
pub use step::{Batch, MOST_AGAIN, NetworkPart, NodeChoice, RestoreChanges, Step, Ways};
pub use transfer_step::TransferStep;
