//! What every server says of its own: asked through the system account, answered by all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, decode};
use super::error::{RequestError, Result};

/// Who a connection is: `{"data":{"account":…}}`.
const WHO_AM_I: &str = "$SYS.REQ.USER.INFO";
/// Asks every server what JetStream is to it.
const ALL_SERVERS: &str = "$SYS.REQ.SERVER.PING.JSZ";

/// All servers are asked at once: when some have answered, the others are not much later.
const QUIET: Duration = Duration::from_secs(2);

/// A server by its own word.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerView {
    /// Its name.
    pub name: String,
    /// How often it writes what it has acknowledged to disk.
    pub sync_interval: Option<Duration>,
    /// It writes to disk before it acknowledges.
    pub sync_always: bool,
    /// Its own copies of the account's streams, by name.
    pub copies: BTreeMap<String, CopyState>,
}

/// What one copy of a stream holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct CopyState {
    /// Messages in it.
    pub messages: u64,
    /// Bytes they take in the store.
    pub bytes: u64,
    /// The first sequence.
    pub first_seq: u64,
    /// The last sequence.
    pub last_seq: u64,
    /// Sequences between first and last that hold no message.
    #[serde(default)]
    pub num_deleted: u64,
}

#[derive(Deserialize)]
struct Answer {
    server: Server,
    data: Data,
}

#[derive(Deserialize)]
struct Server {
    name: String,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    account_details: Vec<Account>,
}

/// Times are in nanoseconds, as Go counts them.
#[derive(Default, Deserialize)]
struct Config {
    sync_interval: Option<u64>,
    #[serde(default)]
    sync_always: bool,
}

#[derive(Deserialize)]
struct Account {
    name: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    stream_detail: Vec<Copy>,
}

#[derive(Deserialize)]
struct Copy {
    name: String,
    #[serde(default)]
    state: CopyState,
}

impl Connection {
    /// The name of the server this connection happens to be with, when that is where JetStream is
    /// asked: not in another domain, and not by a name that another account gave the API.
    pub fn own_server(&self) -> Option<String> {
        let server = self.client().server_info();
        let is_own = server.jetstream && self.api("INFO") == "$JS.API.INFO";
        is_own.then_some(server.server_name)
    }

    /// The account this connection belongs to, as servers call it.
    ///
    /// # Errors
    /// [`RequestError`] when the server does not tell.
    pub async fn account_name(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Told {
            data: User,
        }
        #[derive(Deserialize)]
        struct User {
            account: String,
        }
        let within = self.answer_within();
        let answer = self.ask(WHO_AM_I, None, Bytes::new(), within).await?;
        Ok(decode::<Told>(WHO_AM_I, &answer)?.data.account)
    }

    /// Asks every server for its own copies of an account's streams, until those in `wanted` have
    /// answered, or without any named nobody else does, or the time is up. Whoever does not answer
    /// is missing in the result.
    ///
    /// # Errors
    /// [`RequestError::NoResponders`] when the connection is not of the system account.
    pub async fn server_views(
        &self,
        account: &str,
        wanted: Option<&BTreeSet<String>>,
        within: Duration,
    ) -> Result<Vec<ServerView>> {
        let client = self.client();
        let lost = |error: String| RequestError::disconnected(ALL_SERVERS, &error);
        let inbox = client.new_inbox();
        let mut answers = client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| lost(error.to_string()))?;
        let body = json!({ "account": account, "streams": true });
        client
            .publish_with_reply(ALL_SERVERS, inbox, body.to_string().into())
            .await
            .map_err(|error| lost(error.to_string()))?;
        let deadline = Instant::now() + within;
        let mut quiet = deadline;
        let mut views: Vec<ServerView> = Vec::new();
        let is_complete = |views: &[ServerView]| {
            let is_there = |name: &String| views.iter().any(|view| view.name == *name);
            !views.is_empty() && wanted.is_some_and(|wanted| wanted.iter().all(is_there))
        };
        while !is_complete(&views) {
            let Ok(Some(message)) = timeout_at(quiet, answers.next()).await else {
                break;
            };
            if message.status == Some(StatusCode::NO_RESPONDERS) {
                return Err(RequestError::NoResponders {
                    subject: ALL_SERVERS.to_owned(),
                });
            }
            views.extend(view(&message.payload, account));
            quiet = deadline.min(Instant::now() + QUIET);
        }
        Ok(views)
    }
}

/// Reads a server's answer; one that has no JetStream, or can't tell, has no view.
fn view(payload: &[u8], account: &str) -> Option<ServerView> {
    let Answer { server, data } = serde_json::from_slice(payload).ok()?;
    if data.disabled {
        return None;
    }
    let details = data.account_details.into_iter();
    let copies = details
        // What is shown as its name may be a tag; what it was asked by is its id.
        .filter(|details| details.name == account || details.id == account)
        .flat_map(|details| details.stream_detail)
        .map(|copy| (copy.name, copy.state));
    Some(ServerView {
        name: server.name,
        sync_interval: data.config.sync_interval.map(Duration::from_nanos),
        sync_always: data.config.sync_always,
        copies: copies.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_tells_its_own_copies_of_one_account() {
        let answer = json!({
            "server": { "name": "n1" },
            "data": {
                "config": { "sync_interval": 120_000_000_000_u64, "sync_always": true },
                "account_details": [
                    { "name": "B", "id": "B", "stream_detail": [{ "name": "T" }] },
                    { "name": "shown", "id": "A", "stream_detail": [
                        { "name": "S", "state": { "messages": 2, "bytes": 9, "first_seq": 1, "last_seq": 3, "num_deleted": 1 } }
                    ] },
                ],
            },
        });
        let view = view(answer.to_string().as_bytes(), "A").unwrap();
        assert_eq!(view.sync_interval, Some(Duration::from_secs(120)));
        assert!(view.sync_always);
        assert_eq!(view.copies.keys().collect::<Vec<_>>(), ["S"]);
        assert_eq!(view.copies["S"].last_seq, 3);
    }

    #[test]
    fn a_server_without_jetstream_has_no_view() {
        let answer = json!({ "server": { "name": "n1" }, "data": { "disabled": true } });
        assert_eq!(view(answer.to_string().as_bytes(), "A"), None);
    }
}
