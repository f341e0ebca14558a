//! From what was typed, the environment and a `nats` context to a connection.

use super::Failure;
use crate::cli::{Connect, SystemLogin};
use crate::exit::Exit;
use crate::jetstream::{ConnectSettings, Connection, Login, read_context, selected_context};

/// Where a server is looked for when nothing says where.
const DEFAULT_SERVER: &str = "nats://127.0.0.1:4222";

pub(super) async fn open(connect: &Connect) -> Result<Connection, Failure> {
    Ok(Connection::open(&settings(connect)?).await?)
}

/// How to connect a second time, as a user of the system account: by a context of its own, or to
/// the same servers as somebody else.
pub(super) fn system_settings(
    connect: &Connect,
    system: &SystemLogin,
) -> Result<Option<ConnectSettings>, Failure> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut settings = match given(&system.sys_context) {
        Some(name) => read_context(&name)?,
        None => settings(connect)?,
    };
    settings.timeout = connect.timeout.or(settings.timeout);
    if let Some(path) = &system.sys_creds {
        settings.login = Login::Credentials(path.clone());
        settings.token = None;
    } else if let Some(user) = given(&system.sys_user) {
        let password = given(&system.sys_password);
        let password = password.ok_or_else(|| wrong("--sys-user needs a --sys-password"))?;
        settings.login = Login::Password { user, password };
        settings.token = None;
    } else if given(&system.sys_context).is_none() {
        return Ok(None);
    }
    Ok(Some(settings))
}

/// The context's settings, and over them what was typed.
fn settings(connect: &Connect) -> Result<ConnectSettings, Failure> {
    let context = connect.context.clone().filter(|name| !name.is_empty());
    let is_placed = connect.server.iter().any(|server| !server.is_empty());
    let mut settings = match (context, selected_context()) {
        (Some(name), _) => read_context(&name)?,
        // One that is selected and not there does not matter to whom says where to connect.
        (None, Some(name)) => match read_context(&name) {
            Err(_) if is_placed => ConnectSettings::default(),
            read => read?,
        },
        (None, None) => ConnectSettings::default(),
    };
    let servers = connect.server.iter().filter(|server| !server.is_empty());
    let servers: Vec<String> = servers.cloned().collect();
    if !servers.is_empty() {
        settings.servers = servers;
    } else if settings.servers.is_empty() {
        settings.servers = vec![DEFAULT_SERVER.to_owned()];
    }
    if let Some((login, token)) = login(connect)? {
        settings.login = login;
        settings.token = token;
    }
    if let (Some(certificate), Some(key)) = (&connect.tlscert, &connect.tlskey) {
        settings.tls.client = Some((certificate.clone(), key.clone()));
    }
    if connect.tlsca.is_some() {
        settings.tls.ca.clone_from(&connect.tlsca);
    }
    settings.tls.first |= connect.tlsfirst;
    if connect.js_domain.is_some() || connect.js_api_prefix.is_some() {
        settings.domain.clone_from(&connect.js_domain);
        settings.api_prefix.clone_from(&connect.js_api_prefix);
    }
    if connect.inbox_prefix.is_some() {
        settings.inbox_prefix.clone_from(&connect.inbox_prefix);
    }
    settings.timeout = connect.timeout.or(settings.timeout);
    Ok(settings)
}

/// Who asks, when anything was said of it: one way of several, as the `nats` CLI has them.
fn login(connect: &Connect) -> Result<Option<(Login, Option<String>)>, Failure> {
    let mut ways = Vec::new();
    match (&connect.user, &connect.password) {
        (Some(user), Some(password)) => ways.push((
            Login::Password {
                user: user.clone(),
                password: password.clone(),
            },
            connect.token.clone(),
        )),
        (Some(token), None) => ways.push((Login::None, Some(token.clone()))),
        (None, Some(_)) => return Err(wrong("a password needs a user (--user)")),
        (None, None) => {
            if let Some(token) = &connect.token {
                ways.push((Login::None, Some(token.clone())));
            }
        }
    }
    if let Some(path) = &connect.nkey {
        ways.push((Login::Nkey(path.clone()), None));
    }
    if let Some(path) = &connect.creds {
        ways.push((Login::Credentials(path.clone()), None));
    }
    if ways.len() > 1 {
        return Err(wrong(
            "too many ways to log in: one of --user, --token, --nkey and --creds will do",
        ));
    }
    Ok(ways.pop())
}

fn wrong(reason: &str) -> Failure {
    Failure::new(Exit::Usage, reason)
}
