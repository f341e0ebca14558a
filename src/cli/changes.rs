//! What a restore changes of streams, as it is typed: for a real one and for a rehearsal alike.

use clap::Args;

/// What is changed of every stream, and how closely it is compared.
#[derive(Debug, Args)]
pub struct Changes {
    /// Give streams another number of replicas
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: Option<u8>,
    /// Change a field of the configuration, such as max_age=24h or storage=file; may be repeated
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Set consumers that are ahead of their stream back to its end
    #[arg(long)]
    pub reset_consumers: bool,
    /// Compare the leader's replica alone
    #[arg(long)]
    pub compare_leader: bool,
}
