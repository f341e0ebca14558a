//! The only place that sleeps: bounded waits on a level, which remember what they last saw.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::error::Error;

/// What one look at the world found.
#[derive(Debug)]
pub enum Probe<T> {
    /// The condition holds.
    Ready(T),
    /// It does not hold yet; the text says what was seen instead.
    Pending(String),
}

/// The first pause between two looks; it grows to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A bounded wait that ended without its condition.
#[derive(Debug, Clone)]
pub struct TimedOut {
    /// How long was waited.
    pub waited: Duration,
    /// What the last look saw.
    pub last_seen: String,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "waited {:.1?}; last seen: {}",
            self.waited, self.last_seen
        )
    }
}

impl TimedOut {
    /// The harness error that says what was awaited.
    pub fn awaiting(self, what: impl Into<String>) -> Error {
        Error::Timeout {
            what: what.into(),
            waited: self.waited,
            last_seen: self.last_seen,
        }
    }
}

/// Looks again and again until the condition holds or `within` has passed.
///
/// The probe is asked at least once, and once more after the deadline has passed between
/// two looks, so a slow machine gets the benefit of the doubt. A probe that hangs is cut
/// off at the deadline.
///
/// # Errors
/// [`TimedOut`], with what the last finished look saw.
///
/// ```
/// use std::time::Duration;
/// use lifeboat_harness::wait::{until, Probe};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let mut looks = 0;
/// let seen = until(Duration::from_secs(5), || {
///     looks += 1;
///     let looks = looks;
///     async move { if looks == 3 { Probe::Ready(looks) } else { Probe::Pending(format!("look {looks}")) } }
/// })
/// .await
/// .expect("the third look is ready");
/// assert_eq!(seen, 3);
/// # });
/// ```
pub async fn until<T, F, Fut>(within: Duration, mut probe: F) -> Result<T, TimedOut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Probe<T>>,
{
    let started = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    let mut last_seen = String::from("nothing yet");
    loop {
        let left = within.saturating_sub(started.elapsed()).max(SHORTEST_PAUSE);
        match tokio::time::timeout(left, probe()).await {
            Ok(Probe::Ready(value)) => return Ok(value),
            Ok(Probe::Pending(seen)) => last_seen = seen,
            Err(_) => {}
        }
        if started.elapsed() >= within {
            return Err(TimedOut {
                waited: started.elapsed(),
                last_seen,
            });
        }
        pause_for(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Lets `span` pass. For pacing and for watching that something does *not* happen; to wait
/// for something that does, use [`until`].
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that sleeps, so that no other wait can forget its bound"
)]
pub async fn pause_for(span: Duration) {
    tokio::time::sleep(span).await;
}
