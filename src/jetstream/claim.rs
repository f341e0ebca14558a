//! A claim on a name, which no two clients hold at once: servers let two clients restore one stream at
//! the same time, and remove the files of the one that wins when the other fails (measured, standalone
//! 2.15.1).
//!
//! First one asks aloud and listens whether somebody else does, then looks whether somebody holds it,
//! begins to hold it, and listens once more. On a single server of two clients at least one hears of the
//! other, wherever they are; in a cluster the meta leader tells them apart.

use std::time::Duration;

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{RequestError, Result};
use super::presence::Presence;

/// How long one's own word may take to come back. For a user who may not say it, it never does.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// A name that is held until this is dropped, or a moment longer.
#[derive(Debug)]
pub struct Claim(Option<Presence>);

impl Claim {
    /// Gives the name up: who claims it next on this connection gets it.
    pub async fn release(self) {
        if let Some(presence) = self.0 {
            presence.end().await;
        }
    }
}

/// Somebody who asks for a name.
struct Asking {
    connection: Connection,
    subject: String,
    /// What tells this one's words from another's.
    own: String,
    words: u32,
    heard: Subscriber,
}

/// What was heard.
enum Heard {
    Nobody,
    Another,
    /// Not even oneself.
    Nothing,
}

impl Connection {
    /// Claims a name; nothing when somebody else holds it, or claims it at this very moment. A user
    /// whose permissions keep these words from being heard gets a claim that nobody sees, and so do
    /// users whose inboxes have other prefixes.
    ///
    /// # Errors
    /// When the connection is gone, or stalls.
    pub async fn claim(&self, name: &str) -> Result<Option<Claim>> {
        let inbox = self.client().new_inbox();
        let (prefix, own) = inbox.rsplit_once('.').unwrap_or(("_INBOX", &inbox));
        // The same name in another domain is another stream's.
        let whose = format!("{}.{name}", self.api_prefix());
        let held = format!("{prefix}.lifeboat.held.{whose}");
        let claimed = format!("{prefix}.lifeboat.claim.{whose}");
        let mut asking = Asking::begin(self, claimed, own).await?;
        match asking.say().await? {
            Heard::Nothing => return Ok(Some(Claim(None))),
            Heard::Another => return Ok(None),
            Heard::Nobody => {}
        }
        if self.is_anybody_at(&held).await {
            return Ok(None);
        }
        let presence = self.presence_at(held).await?;
        match asking.say().await? {
            Heard::Nobody => Ok(Some(Claim(Some(presence)))),
            Heard::Another => Ok(None),
            Heard::Nothing => Err(lost(&"the server did not pass a word on in time")),
        }
    }
}

impl Asking {
    async fn begin(connection: &Connection, subject: String, own: &str) -> Result<Self> {
        let heard = connection.client().subscribe(subject.clone()).await;
        Ok(Self {
            connection: connection.clone(),
            heard: heard.map_err(|error| lost(&error))?,
            subject,
            own: own.to_owned(),
            words: 0,
        })
    }

    /// Says that one asks, and listens to everything that was said before the server had passed that on
    /// to everybody: it takes a client's words one after the other, so that is so when a second one
    /// comes back.
    async fn say(&mut self) -> Result<Heard> {
        for _ in 0..2 {
            self.words += 1;
            let word = Bytes::from(format!("{} {}", self.own, self.words));
            let client = self.connection.client();
            let said = client.publish(self.subject.clone(), word).await;
            said.map_err(|error| lost(&error))?;
        }
        let last = format!("{} {}", self.own, self.words);
        let listening = async {
            while let Some(word) = self.heard.next().await {
                if word.payload == last.as_bytes() {
                    return Heard::Nobody;
                }
                if !word.payload.starts_with(self.own.as_bytes()) {
                    return Heard::Another;
                }
            }
            Heard::Nothing
        };
        Ok(timeout(HEARD_WITHIN, listening)
            .await
            .unwrap_or(Heard::Nothing))
    }
}

fn lost(error: &dyn std::fmt::Display) -> RequestError {
    RequestError::disconnected("a claim", error)
}
