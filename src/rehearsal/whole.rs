//! The checks of a backup as a whole: nothing of an account is missing, and an operator's policy is kept.

use std::time::Duration;

use time::OffsetDateTime;

use super::age::{check_age, text};
use super::check::{Check, CheckName};
use super::policy::Policy;
use super::saved::{SavedBackup, SavedStream};
use crate::archive::{Defect, Severity};

/// So many defects are told; `verify` tells all.
const MOST_DEFECTS: usize = 3;

/// The first of these, and how many more there are.
pub(super) fn told<'a>(defects: impl Iterator<Item = &'a Defect>) -> Option<String> {
    let texts: Vec<String> = defects.map(ToString::to_string).collect();
    if texts.is_empty() {
        return None;
    }
    let more = texts.len().saturating_sub(MOST_DEFECTS);
    let mut text = texts[..texts.len() - more].join("; ");
    if more > 0 {
        text.push_str("; and ");
        text.push_str(&more.to_string());
        text.push_str(" more");
    }
    Some(text)
}

/// Whether an account's backup is one, and whole.
pub(super) fn check_account(backup: &SavedBackup) -> Vec<Check> {
    if !backup.of_account {
        return Vec::new();
    }
    let of = |severity: Severity| {
        let kept = backup.defects.kept().iter();
        told(kept.filter(move |defect| defect.severity == severity))
    };
    let streams = backup.streams.len();
    let sound = match of(Severity::Damage) {
        Some(damage) => Check::broken(CheckName::Sound, damage),
        None => Check::held(
            CheckName::Sound,
            of(Severity::Remark)
                .unwrap_or_else(|| String::from("nothing is in it that does not belong there")),
        ),
    };
    let complete = match of(Severity::Lack) {
        Some(lacks) => Check::broken(CheckName::Complete, lacks),
        None if backup.has_record => {
            Check::held(CheckName::Complete, "no stream of its record is missing")
        }
        None => Check::held(
            CheckName::Complete,
            format!("{streams} streams; no record proves that these are all"),
        ),
    };
    vec![sound, complete]
}

/// Whether an operator's policy is kept.
pub(super) fn check_policy(
    policy: Policy,
    streams: &[SavedStream],
    (began_at, is_sample): (OffsetDateTime, bool),
    recovery: Option<Duration>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(most) = policy.max_age {
        checks.push(check_age(streams, most, began_at));
    }
    if let Some(most) = policy.max_recovery_time {
        checks.push(check_recovery_time(most, is_sample, recovery));
    }
    checks
}

fn check_recovery_time(most: Duration, is_sample: bool, recovery: Option<Duration>) -> Check {
    let name = CheckName::InTime;
    let Some(took) = recovery else {
        return Check::inconclusive(name, "not every stream was restored");
    };
    let detail = format!("{:.1} s, {} are allowed", took.as_secs_f64(), text(most));
    if took > most {
        Check::broken(name, detail)
    } else if is_sample {
        // What a part of it takes says nothing of all.
        Check::inconclusive(
            name,
            format!("{detail}, for a sample, which can't show that all of it takes no longer"),
        )
    } else {
        Check::held(name, detail)
    }
}
