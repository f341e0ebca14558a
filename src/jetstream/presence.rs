//! Being there, and being seen to be there: a subject that is answered as long as a process lives.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::connection::Connection;
use super::error::{RequestError, Result};

/// How long an answer may take; whoever is paused gives none, and is there all the same.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Answers on a subject of its own until it is dropped.
#[derive(Debug)]
pub struct Presence {
    subject: String,
    answering: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Presence {
    /// The subject to be asked.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Ends it: what is asked next on this connection is not answered any more.
    pub(super) async fn end(mut self) {
        if let Some(stop) = self.stop.take() {
            // When nobody listens it has ended already.
            let _told = stop.send(());
        }
        let _ended = (&mut self.answering).await;
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

impl Connection {
    /// Begins to answer on a new subject.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn presence(&self) -> Result<Presence> {
        self.presence_at(self.client().new_inbox()).await
    }

    /// Begins to answer on a subject.
    pub(super) async fn presence_at(&self, subject: String) -> Result<Presence> {
        let client = self.client().clone();
        let lost = |error: String| RequestError::disconnected("presence", &error);
        let mut asked = client
            .subscribe(subject.clone())
            .await
            .map_err(|error| lost(error.to_string()))?;
        client
            .flush()
            .await
            .map_err(|error| lost(error.to_string()))?;
        let (stop, mut stopped) = oneshot::channel();
        let answering = tokio::spawn(async move {
            loop {
                let question = tokio::select! {
                    Some(question) = asked.next() => question,
                    _ = &mut stopped => break,
                    else => break,
                };
                if let Some(reply) = question.reply {
                    // Whoever asked may be gone.
                    let _answered = client.publish(reply, Bytes::new()).await;
                }
            }
            // Without a connection nobody asks any more.
            let _left = asked.unsubscribe().await;
        });
        Ok(Presence {
            subject,
            answering,
            stop: Some(stop),
        })
    }

    /// Whether anybody listens on a subject; only the server's word that nobody does counts.
    pub async fn is_anybody_at(&self, subject: &str) -> bool {
        let asked = self.ask(subject, None, Bytes::new(), ANSWER_WITHIN).await;
        !matches!(asked, Err(RequestError::NoResponders { .. }))
    }
}
