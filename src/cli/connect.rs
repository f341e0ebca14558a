//! How to reach servers, typed as users of the `nats` CLI type it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Where to connect
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connect {
    /// Servers to connect to, separated by commas [default: those of the context, else 127.0.0.1]
    #[arg(
        long,
        short = 's',
        value_name = "URL",
        env = "NATS_URL",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub server: Vec<String>,
    /// A context of the nats CLI [default: the selected one]
    ///
    /// What is said here besides takes precedence over what the context says. A file's absolute path
    /// will do as well.
    #[arg(long, value_name = "NAME", env = "NATS_CONTEXT")]
    pub context: Option<String>,
    /// User name; without a password it is taken for a token
    #[arg(long, env = "NATS_USER", hide_env_values = true)]
    pub user: Option<String>,
    /// Password
    #[arg(long, env = "NATS_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Token
    #[arg(long, env = "NATS_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// File with the seed of an nkey
    #[arg(long, value_name = "FILE", env = "NATS_NKEY")]
    pub nkey: Option<PathBuf>,
    /// Credentials file
    #[arg(long, value_name = "FILE", env = "NATS_CREDS")]
    pub creds: Option<PathBuf>,
    /// Certificate of this client
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_CERT",
        alias = "tls-cert",
        requires = "tlskey"
    )]
    pub tlscert: Option<PathBuf>,
    /// Private key of that certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_KEY",
        alias = "tls-key",
        requires = "tlscert"
    )]
    pub tlskey: Option<PathBuf>,
    /// Certificates of those who may vouch for the servers
    #[arg(long, value_name = "FILE", env = "NATS_CA", alias = "tls-ca")]
    pub tlsca: Option<PathBuf>,
    /// Shake hands before the server says anything
    #[arg(long, alias = "tls-first")]
    pub tlsfirst: bool,
    /// JetStream domain
    #[arg(long, value_name = "DOMAIN")]
    pub js_domain: Option<String>,
    /// Prefix of JetStream's API, when it is imported under another name
    #[arg(long, value_name = "PREFIX", conflicts_with = "js_domain")]
    pub js_api_prefix: Option<String>,
    /// What the names of inboxes begin with
    #[arg(long, value_name = "PREFIX")]
    pub inbox_prefix: Option<String>,
    /// How long one request may take, such as 5s; a restore is given at least 10s to begin
    #[arg(
        long,
        value_name = "TIME",
        env = "NATS_TIMEOUT",
        value_parser = humantime::parse_duration
    )]
    pub timeout: Option<Duration>,
}
