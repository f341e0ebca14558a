//! Having a server begin a restore, which takes the stream's name.
//!
//! The meta leader picks at random which replica is to receive it, also one whose node is down
//! (`setPreferred` in `jetstream_cluster.go`; later servers leave out those that they know to be down).
//! Then nobody answers, or servers to 2.14 make an empty stream instead: of three replicas one in
//! three such requests goes wrong, each for itself.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::clean_up::Begun;
use super::error::{BackupError, Result};
use super::mark::Mark;
use super::outgoing::Outgoing;
use super::restore::{Failure, Work};
use super::sending::refused;
use crate::jetstream::{RequestError, RestoreTransfer, RestoreTuning};

/// So often a server is asked that gives no answer, or makes an empty stream instead.
const MOST_ASKED: u32 = 5;
/// A cluster that refuses later than this may leave what it began (`canDelete` of
/// `processStreamAssignmentResults` in `jetstream_cluster.go`).
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

impl Work<'_> {
    /// Has the server begin; a cluster that gave it to a node that is down is asked again once nothing
    /// of that is left.
    pub(super) async fn begin(
        &self,
        mark: &Mark,
        outgoing: &Outgoing,
        stop: impl Future<Output = ()>,
    ) -> Result<RestoreTransfer> {
        let mut stop = pin!(stop);
        self.progress.phase("asking", None);
        let mut asked = 1;
        loop {
            // Its answer is awaited, whatever happens: without it nobody knows whose the name is.
            let failure = match self.ask(mark, outgoing).await {
                Ok(transfer) => return Ok(transfer),
                // What was asked for before may have come late.
                Err(Failure::Before(error)) if asked == 1 || !is_taken(&error) => {
                    return Err(error);
                }
                Err(Failure::Before(error) | Failure::Within(error)) => error,
            };
            let is_made = is_made_instead(&failure);
            let failure = self.unsent(mark, is_made).clean_up(failure).await;
            let is_gone = !matches!(failure, BackupError::LeftBehind { .. });
            if is_gone && stop.as_mut().now_or_never().is_some() {
                return Err(BackupError::Interrupted);
            }
            // Without a mark nobody knows whose the stream is that is found next.
            if !self.is_worth_asking_again(&failure) || !mark.is_set() {
                return Err(failure);
            }
            if asked == MOST_ASKED {
                return Err(BackupError::GaveUp {
                    attempts: asked,
                    failure: Box::new(failure),
                });
            }
            asked += 1;
            self.progress.note(&format!(
                "{failure}: it was given to a node that is down, perhaps; asking again"
            ));
        }
    }

    async fn ask(&self, mark: &Mark, outgoing: &Outgoing) -> Result<RestoreTransfer, Failure> {
        let stream = &self.plan.stream;
        let tuning = self.options.tuning;
        let tuning = tuning.unwrap_or_else(|| RestoreTuning::for_connection(self.connection));
        let config = json!(mark.put_on(&self.plan.named_config()));
        let asked = Instant::now();
        let begun = (self.connection).restore(stream, &config, &outgoing.state, tuning);
        begun.await.map_err(|error| {
            // Without an answer it may have begun.
            let is_refused = matches!(error, RequestError::NoResponders { .. })
                || (matches!(error, RequestError::Refused { .. })
                    && asked.elapsed() < REFUSED_WITHIN);
            let error = refused(stream, "asking to restore", error);
            if is_refused || is_taken(&error) {
                Failure::Before(error)
            } else {
                Failure::Within(error)
            }
        })
    }

    fn is_worth_asking_again(&self, failure: &BackupError) -> bool {
        let is_silence = matches!(
            failure,
            BackupError::Request {
                source: RequestError::TimedOut { .. },
                ..
            }
        );
        (is_silence && self.connection.is_clustered())
            || is_made_instead(failure)
            || is_taken(failure)
    }

    /// What may be there although nothing was sent: whatever it holds is new, unless it fills itself.
    fn unsent<'a>(&'a self, mark: &'a Mark, is_certain: bool) -> Begun<'a> {
        let config = &self.plan.config;
        let is_empty = |value: &Value| value.is_null() || value == &json!([]);
        let has = |key: &str| config.get(key).is_some_and(|value| !is_empty(value));
        let last_sequence = if has("mirror") || has("sources") {
            self.backup.last_sequence()
        } else {
            let first = config.get("first_seq").and_then(Value::as_u64);
            first.unwrap_or(0).saturating_sub(1)
        };
        Begun {
            last_sequence,
            ..self.begun(mark, is_certain)
        }
    }
}

fn is_taken(failure: &BackupError) -> bool {
    matches!(failure, BackupError::StreamExists { .. })
}

fn is_made_instead(failure: &BackupError) -> bool {
    matches!(
        failure,
        BackupError::Request {
            source: RequestError::MadeInstead { .. },
            ..
        }
    )
}
