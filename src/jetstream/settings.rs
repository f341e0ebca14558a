//! Where to connect and as whom: addresses, a login, TLS, and how an account is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};

use super::error::{RequestError, Result};

/// How long making a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A server that hangs, as a paused one does, is given up after two of these.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Where to connect, and as whom.
#[derive(Clone, Default)]
pub struct ConnectSettings {
    /// Addresses such as `nats://127.0.0.1:4222`; any of them will do.
    pub servers: Vec<String>,
    /// The first address is tried first, the next when it does not answer; else any.
    pub in_order: bool,
    /// Who asks.
    pub login: Login,
    /// A token, which may come with any login.
    pub token: Option<String>,
    /// How the connection is encrypted, beyond what an address of `tls://` asks for.
    pub tls: Tls,
    /// The JetStream domain, when it is not the connected server's own.
    pub domain: Option<String>,
    /// The prefix of JetStream's API, as an import of another account may rename it.
    pub api_prefix: Option<String>,
    /// What the names of inboxes begin with, where permissions ask for it.
    pub inbox_prefix: Option<String>,
    /// How long one request may take.
    pub timeout: Option<Duration>,
}

/// Who asks.
#[derive(Clone, Default)]
pub enum Login {
    /// Nobody in particular, or whoever the address names.
    #[default]
    None,
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A file with the seed of an nkey.
    Nkey(PathBuf),
    /// A credentials file, as `nsc` writes it.
    Credentials(PathBuf),
    /// The content of a credentials file.
    CredentialsText(String),
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Encrypted in any case.
    pub required: bool,
    /// A file with the certificates of those who may vouch for a server.
    pub ca: Option<PathBuf>,
    /// Files with the client's certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The handshake comes before the server says anything.
    pub first: bool,
}

impl fmt::Debug for ConnectSettings {
    /// Secrets do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {:?}", self.shown(), self.login)
    }
}

impl fmt::Debug for Login {
    /// Secrets do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nobody"),
            Self::Password { user, .. } => write!(f, "user {user}"),
            Self::Nkey(path) => write!(f, "nkey {}", path.display()),
            Self::Credentials(path) => write!(f, "credentials {}", path.display()),
            Self::CredentialsText(_) => f.write_str("credentials"),
        }
    }
}

impl ConnectSettings {
    /// The addresses, without any password that is written into them.
    pub fn shown(&self) -> String {
        let shown = self.servers.iter().map(|server| without_login(server));
        shown.collect::<Vec<_>>().join(", ")
    }

    /// What the subjects of JetStream's API begin with.
    pub(super) fn prefix(&self) -> String {
        match (&self.api_prefix, &self.domain) {
            (Some(prefix), _) => prefix.trim_end_matches('.').to_owned(),
            (None, Some(domain)) => format!("$JS.{domain}.API"),
            (None, None) => String::from("$JS.API"),
        }
    }

    pub(super) fn addresses(&self) -> Result<Vec<ServerAddr>> {
        let read = |server: &String| {
            server
                .trim()
                .parse::<ServerAddr>()
                .map_err(|error| self.unreachable(format!("{}: {error}", without_login(server))))
        };
        self.servers.iter().map(read).collect()
    }

    pub(super) async fn options(&self) -> Result<ConnectOptions> {
        let mut options = ConnectOptions::new()
            .name("lifeboat")
            .ping_interval(PING_EVERY)
            .connection_timeout(self.timeout.unwrap_or(CONNECT_WITHIN).max(CONNECT_WITHIN))
            .reconnect_delay_callback(|_| Duration::from_millis(100));
        if self.in_order {
            options = options.retain_servers_order();
        }
        if let Some(prefix) = &self.inbox_prefix {
            options = options.custom_inbox_prefix(prefix.trim_end_matches('.'));
        }
        if let Some(token) = &self.token {
            options = options.token(token.clone());
        }
        self.log_in(self.encrypt(options)?).await
    }

    async fn log_in(&self, options: ConnectOptions) -> Result<ConnectOptions> {
        let wrong = |path: &Path, error: &dyn fmt::Display| {
            self.unreachable(format!("{}: {error}", path.display()))
        };
        Ok(match &self.login {
            Login::None => options,
            Login::Password { user, password } => {
                options.user_and_password(user.clone(), password.clone())
            }
            Login::Nkey(path) => {
                let text = tokio::fs::read_to_string(path)
                    .await
                    .map_err(|error| wrong(path, &error))?;
                let seed = seed_in(&text)
                    .ok_or_else(|| wrong(path, &"there is no seed of an nkey in it"))?;
                options.nkey(seed.to_owned())
            }
            Login::Credentials(path) => {
                let text = tokio::fs::read_to_string(path)
                    .await
                    .map_err(|error| wrong(path, &error))?;
                options
                    .credentials(&text)
                    .map_err(|error| wrong(path, &error))?
            }
            Login::CredentialsText(text) => options
                .credentials(text)
                .map_err(|error| self.unreachable(format!("the credentials: {error}")))?,
        })
    }

    fn encrypt(&self, mut options: ConnectOptions) -> Result<ConnectOptions> {
        let Tls {
            required,
            ca,
            client,
            first,
        } = &self.tls;
        // The client library tells of a missing file only that TLS does not work.
        let files = ca
            .iter()
            .chain(client.iter().flat_map(|(cert, key)| [cert, key]));
        for path in files {
            std::fs::File::open(path)
                .map_err(|error| self.unreachable(format!("{}: {error}", path.display())))?;
        }
        if let Some(ca) = ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let Some((certificate, key)) = client {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        if *first {
            options = options.tls_first();
        }
        if *required || *first || ca.is_some() || client.is_some() {
            options = options.require_tls(true);
        }
        Ok(options)
    }

    pub(super) fn unreachable(&self, reason: String) -> RequestError {
        RequestError::Unreachable {
            servers: self.shown(),
            reason,
        }
    }
}

/// The seed in a file that holds nothing else, or decorated as `nsc` does it.
fn seed_in(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with('S') && line.len() >= 56)
}

/// An address without the user and password in it.
fn without_login(server: &str) -> String {
    let (scheme, rest) = match server.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), server),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{host}"),
        None => server.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let settings = ConnectSettings {
            servers: vec![
                String::from("nats://me:s3cret@host:4222"),
                String::from("host"),
            ],
            login: Login::Password {
                user: String::from("me"),
                password: String::from("s3cret"),
            },
            ..ConnectSettings::default()
        };
        assert_eq!(settings.shown(), "nats://host:4222, host");
        assert!(!format!("{:?}", settings.login).contains("s3cret"));
    }

    #[test]
    fn the_prefix_follows_from_domain_and_import() {
        let mut settings = ConnectSettings::default();
        assert_eq!(settings.prefix(), "$JS.API");
        settings.domain = Some(String::from("hub"));
        assert_eq!(settings.prefix(), "$JS.hub.API");
        settings.api_prefix = Some(String::from("HUB.API."));
        assert_eq!(settings.prefix(), "HUB.API");
    }

    #[test]
    fn a_seed_is_found_bare_and_decorated() {
        let seed = "SUAOCSWPYSA4PLHVQFCUEMEQD4XAVKTMNGPGOVPS5PTKFMNRCU6B3EXOAA";
        assert_eq!(seed_in(&format!("{seed}\n")), Some(seed));
        let decorated =
            format!("-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n");
        assert_eq!(seed_in(&decorated), Some(seed));
        assert_eq!(seed_in("nothing"), None);
    }
}
