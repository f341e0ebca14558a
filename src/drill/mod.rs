//! Runs one scenario on a cluster of its own: load, faults, recovery, and then the look at
//! every replica that the judges need. Read [`run_drill`] first.

mod again;
mod backups;
mod buckets;
mod cast;
mod catch_up;
mod choice;
mod clients;
mod clusters;
mod configurations;
mod damage;
mod disks;
mod evidence;
mod failure;
mod faults;
mod lab;
mod load;
mod lookout;
mod needs;
mod network;
mod observe;
mod operator;
mod replicas;
mod room;
mod run;
mod served;
mod steps;
mod transfers;
mod watch;
mod world;

pub use lab::{LabAccess, LabDesk, LabOrder, LabStream, LabView, run_lab};
pub use needs::check_runnable;
pub use room::{Cost, Place, Room};
pub use run::{DrillError, DrillSettings, rules, run_drill};
pub use watch::{Rates, Tally, Watcher};
