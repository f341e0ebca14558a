//! The backup and restore engine on real servers: what comes back, what is refused, what is
//! noticed, and what is left when it is interrupted.

mod account;
mod damage;
mod eviction;
mod interrupted;
mod killed;
mod model;
mod refused;
mod restores;
mod roundtrip;
pub(crate) mod world;
