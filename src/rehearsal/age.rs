//! How old a backup is: as its manifest tells, or, where there is none, as far as anything does.

use std::time::Duration;

use time::OffsetDateTime;

use super::check::{Check, CheckName};
use super::saved::SavedStream;

/// Whether every stream was taken as lately as that.
pub(super) fn check_age(streams: &[SavedStream], most: Duration, now: OffsetDateTime) -> Check {
    let name = CheckName::Fresh;
    let mut oldest: Option<(Duration, &SavedStream)> = None;
    let mut unknown = Vec::new();
    for stream in streams {
        match age_of(stream, most, now) {
            Some(age) if oldest.is_none_or(|(oldest, _)| age > oldest) => {
                oldest = Some((age, stream));
            }
            Some(_) => {}
            None => unknown.push(stream.name.as_str()),
        }
    }
    let allowed = format!("{} are allowed", text(most));
    if let Some((age, stream)) = oldest.filter(|(age, _)| *age > most) {
        let detail = format!("{} is {} old, {allowed}", stream.name, text(age));
        return Check::broken(name, detail);
    }
    if !unknown.is_empty() {
        let detail = format!(
            "nothing in the backup tells when it was taken: {}",
            unknown.join(", ")
        );
        return Check::inconclusive(name, detail);
    }
    let age = oldest.map_or(Duration::ZERO, |(age, _)| age);
    Check::held(name, format!("at most {} old, {allowed}", text(age)))
}

/// How old a stream's backup is. Where no manifest tells, it is no older than its last message, and no
/// younger than its file, which copying makes younger but nothing older.
fn age_of(stream: &SavedStream, most: Duration, now: OffsetDateTime) -> Option<Duration> {
    // What is of the future tells nothing.
    let age = |time: OffsetDateTime| Duration::try_from(now - time).ok();
    if let Some(taken_at) = stream.taken_at {
        return age(taken_at);
    }
    let at_most = stream.last_message_at.and_then(age);
    let at_least = stream.modified_at.and_then(age);
    at_most
        .filter(|at_most| *at_most <= most)
        .or_else(|| at_least.filter(|at_least| *at_least > most))
}

/// A duration as people say it, no finer than seconds.
pub(super) fn text(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckOutcome;
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_clock_that_is_wrong_tells_nothing() {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000_000).unwrap();
        let mut stream = SavedStream::unknown("S");
        stream.taken_at = Some(now + HOUR);
        let check = check_age(&[stream], HOUR * 24, now);
        assert_eq!(check.outcome, CheckOutcome::Inconclusive);
    }

    fn outcome(taken: Option<u32>, last_message: Option<u32>, file: Option<u32>) -> CheckOutcome {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000_000).unwrap();
        let ago = |hours: Option<u32>| hours.map(|hours| now - HOUR * hours);
        let stream = SavedStream {
            taken_at: ago(taken),
            last_message_at: ago(last_message),
            modified_at: ago(file),
            ..SavedStream::unknown("S")
        };
        check_age(&[stream], HOUR * 24, now).outcome
    }

    #[test]
    fn what_nothing_tells_is_not_taken_for_fresh() {
        assert_eq!(outcome(Some(23), None, None), CheckOutcome::Held);
        assert_eq!(outcome(Some(25), Some(1), Some(1)), CheckOutcome::Broken);
        // Without a manifest: written since, copied since, and what can't be told.
        assert_eq!(outcome(None, Some(2), Some(1)), CheckOutcome::Held);
        assert_eq!(outcome(None, Some(90), Some(80)), CheckOutcome::Broken);
        assert_eq!(outcome(None, Some(90), Some(1)), CheckOutcome::Inconclusive);
        assert_eq!(outcome(None, None, None), CheckOutcome::Inconclusive);
    }
}
