//! The connection contexts of the `nats` CLI: named settings in files below its configuration
//! directory (`natscontext/context.go` of jsm.go tells their fields).

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;

use super::settings::{ConnectSettings, Login, Tls};

/// A context that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("nats context {name}: {reason}")]
pub struct ContextError {
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// A context's file. Everything is text, and empty when it is not set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    url: String,
    socks_proxy: String,
    token: String,
    user: String,
    password: String,
    creds: String,
    nkey: String,
    cert: String,
    key: String,
    ca: String,
    nsc: String,
    jetstream_domain: String,
    jetstream_api_prefix: String,
    inbox_prefix: String,
    user_jwt: String,
    user_seed: String,
    tls_first: bool,
}

/// The name of the context that `nats context select` selected.
pub fn selected_context() -> Option<String> {
    let name = fs::read_to_string(directory()?.join("context.txt")).ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Reads a context by its name, or from the file of that path.
///
/// # Errors
/// When there is none, when it can't be read, or when it asks for something that only the `nats`
/// CLI does: a SOCKS proxy, a lookup with `nsc`, secrets in a password manager.
pub fn read_context(name: &str) -> Result<ConnectSettings, ContextError> {
    let wrong = |reason: String| ContextError {
        name: name.to_owned(),
        reason,
    };
    let is_path = Path::new(name).is_absolute();
    let path = if is_path {
        PathBuf::from(name)
    } else if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(wrong(String::from("that is no context's name")));
    } else {
        let directory = directory().ok_or_else(|| wrong(String::from("HOME is not set")))?;
        directory.join("context").join(format!("{name}.json"))
    };
    let text = fs::read(&path).map_err(|error| {
        let known = known(path.parent());
        wrong(format!("{}: {error}{known}", path.display()))
    })?;
    let file: File = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("{}: {error}", path.display())))?;
    file.settings().map_err(wrong)
}

/// The directory of the `nats` CLI's configuration.
fn directory() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let base = match set("XDG_CONFIG_HOME") {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(set("HOME")?).join(".config"),
    };
    Some(base.join("nats"))
}

/// The contexts that there are, for whoever misspelled one.
fn known(directory: Option<&Path>) -> String {
    let entries = directory.and_then(|path| fs::read_dir(path).ok());
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            Some(name.strip_suffix(".json")?.to_owned())
        })
        .collect();
    names.sort_unstable();
    if names.is_empty() {
        return String::new();
    }
    format!("; there are: {}", names.join(", "))
}

impl File {
    fn settings(self) -> Result<ConnectSettings, String> {
        for (field, value) in [("socks_proxy", &self.socks_proxy), ("nsc", &self.nsc)] {
            if !value.is_empty() {
                return Err(format!("its {field} is set, which is not supported here"));
            }
        }
        let some = |text: String| (!text.is_empty()).then_some(text);
        let url = if self.url.is_empty() {
            String::from("nats://127.0.0.1:4222")
        } else {
            self.url.clone()
        };
        let client = match (path("cert", &self.cert)?, path("key", &self.key)?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(String::from("cert and key belong together")),
        };
        Ok(ConnectSettings {
            servers: url.split(',').map(|one| one.trim().to_owned()).collect(),
            token: some(secret("token", &self.token)?),
            tls: Tls {
                required: false,
                ca: path("ca", &self.ca)?,
                client,
                first: self.tls_first,
            },
            login: self.login()?,
            domain: some(self.jetstream_domain),
            api_prefix: some(self.jetstream_api_prefix),
            inbox_prefix: some(self.inbox_prefix),
            in_order: false,
            timeout: None,
        })
    }

    /// The first login that is set, in the order in which the `nats` CLI looks for one.
    fn login(&self) -> Result<Login, String> {
        Ok(if !self.user.is_empty() {
            Login::Password {
                user: self.user.clone(),
                password: secret("password", &self.password)?,
            }
        } else if self.creds.starts_with("env://") {
            Login::CredentialsText(secret("creds", &self.creds)?)
        } else if let Some(path) = path("creds", &self.creds)? {
            Login::Credentials(path)
        } else if let Some(path) = path("nkey", &self.nkey)? {
            Login::Nkey(path)
        } else if !self.user_jwt.is_empty() {
            let (jwt, seed) = (
                secret("user_jwt", &self.user_jwt)?,
                secret("user_seed", &self.user_seed)?,
            );
            if seed.is_empty() {
                return Err(String::from(
                    "its user_jwt comes without a user_seed, which is not supported here",
                ));
            }
            Login::CredentialsText(format!(
                "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
                 -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
            ))
        } else {
            Login::None
        })
    }
}

/// A path as it is written in a context: bare or `file://`, with `~` and variables in it.
fn path(field: &str, written: &str) -> Result<Option<PathBuf>, String> {
    let written = written.strip_prefix("file://").unwrap_or(written);
    if let Some((scheme, _)) = written.split_once("://") {
        return Err(format!(
            "its {field} is kept in {scheme}://, which is not supported here"
        ));
    }
    let expanded = expand(written);
    Ok((!expanded.is_empty()).then(|| PathBuf::from(expanded)))
}

/// A secret as it is written in a context: as it is, or in an environment variable.
fn secret(field: &str, written: &str) -> Result<String, String> {
    if let Some(name) = written.strip_prefix("env://") {
        return env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                format!("its {field} is kept in the variable {name}, which is not set")
            });
    }
    match written.split_once("://") {
        Some((scheme @ ("op" | "nsc" | "file"), _)) => Err(format!(
            "its {field} is kept in {scheme}://, which is not supported here"
        )),
        _ => Ok(written.to_owned()),
    }
}

/// Puts in the home directory and `$VARIABLES`, as the `nats` CLI does.
fn expand(written: &str) -> String {
    let home = || env::var("HOME").unwrap_or_default();
    let mut expanded = String::new();
    let mut rest = match written.strip_prefix('~') {
        Some(rest) => {
            expanded.push_str(&home());
            rest
        }
        None => written,
    };
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = match rest
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
        {
            Some(braced) => braced,
            None => rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len())),
        };
        if name.is_empty() {
            expanded.push('$');
        } else {
            expanded.push_str(&env::var(name).unwrap_or_default());
        }
        rest = after;
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ConnectSettings, String> {
        serde_json::from_str::<File>(text).unwrap().settings()
    }

    #[test]
    fn a_context_becomes_settings() {
        let settings = read(
            r#"{"description":"x","url":"tls://a:4222, tls://b:4222","token":"","user":"me","password":"pw",
                "creds":"/ignored","cert":"/c.pem","key":"/k.pem","ca":"~/ca.pem",
                "jetstream_domain":"hub","inbox_prefix":"_IN","tls_first":true,"color_scheme":""}"#,
        )
        .unwrap();
        assert_eq!(settings.servers, ["tls://a:4222", "tls://b:4222"]);
        assert!(
            matches!(&settings.login, Login::Password { user, password } if user == "me" && password == "pw")
        );
        assert_eq!(settings.domain.as_deref(), Some("hub"));
        assert_eq!(settings.inbox_prefix.as_deref(), Some("_IN"));
        assert!(settings.tls.first && settings.token.is_none());
        let home = env::var("HOME").unwrap();
        assert_eq!(
            settings.tls.ca,
            Some(PathBuf::from(format!("{home}/ca.pem")))
        );
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for (text, named) in [
            (r#"{"socks_proxy":"socks5://x"}"#, "socks_proxy"),
            (r#"{"nsc":"nsc://op/acc/user"}"#, "nsc"),
            (r#"{"creds":"op://vault/item"}"#, "op://"),
            (r#"{"cert":"/only"}"#, "belong together"),
            (
                r#"{"token":"env://LIFEBOAT_NO_SUCH_VARIABLE"}"#,
                "LIFEBOAT_NO_SUCH_VARIABLE",
            ),
            (r#"{"user_jwt":"ey"}"#, "user_seed"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn variables_and_home_are_put_in() {
        let home = env::var("HOME").unwrap();
        assert_eq!(expand("~/x"), format!("{home}/x"));
        assert_eq!(expand("$HOME/x-${HOME}$"), format!("{home}/x-{home}$"));
    }
}
