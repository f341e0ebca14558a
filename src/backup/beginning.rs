//! Having a server begin a restore, which takes the stream's name.

use std::pin::pin;

use futures_util::FutureExt as _;
use serde_json::json;

use super::error::{BackupError, Result};
use super::mark::Mark;
use super::outgoing::Outgoing;
use super::restore::{Failure, Work};
use super::sending::refused;
use crate::jetstream::{RequestError, RestoreTransfer, RestoreTuning};

/// So often a server is asked.
const MOST_ASKED: u32 = 3;

impl Work<'_> {
    /// Has the server begin. One that gave no answer, or made an empty stream instead, as servers do
    /// that were told of a deletion a moment ago, is asked again once nothing of that is left.
    pub(super) async fn begin(
        &self,
        mark: &Mark,
        outgoing: &Outgoing,
        stop: impl Future<Output = ()>,
    ) -> Result<RestoreTransfer> {
        let mut stop = pin!(stop);
        let mut asked = 1;
        loop {
            // Its answer is awaited, whatever happens: without it nobody knows whose the name is.
            let failure = match self.ask(mark, outgoing).await {
                Ok(transfer) => return Ok(transfer),
                Err(Failure::Before(error)) => return Err(error),
                Err(Failure::Within(error)) => error,
            };
            let is_certain = false;
            let failure = self.begun(mark, is_certain).clean_up(failure).await;
            if asked == MOST_ASKED || matches!(failure, BackupError::LeftBehind { .. }) {
                return Err(failure);
            }
            if stop.as_mut().now_or_never().is_some() {
                return Err(BackupError::Interrupted);
            }
            asked += 1;
            self.progress
                .note(&format!("{failure}; nothing of it is left: asking again"));
        }
    }

    async fn ask(&self, mark: &Mark, outgoing: &Outgoing) -> Result<RestoreTransfer, Failure> {
        let stream = &self.plan.stream;
        let tuning = self.options.tuning;
        let tuning = tuning.unwrap_or_else(|| RestoreTuning::for_connection(self.connection));
        let config = json!(mark.put_on(&self.plan.named_config()));
        let begun = (self.connection).restore(stream, &config, &outgoing.state, tuning);
        begun.await.map_err(|error| {
            // Without an answer it may have begun.
            let is_refused = matches!(
                error,
                RequestError::Refused { .. } | RequestError::NoResponders { .. }
            );
            let error = refused(stream, "asking to restore", error);
            if is_refused {
                Failure::Before(error)
            } else {
                Failure::Within(error)
            }
        })
    }
}
