//! The last results as OpenMetrics text, for a file that a metrics collector reads.

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::judge::RunRecord;
use crate::model::Verdict;
use crate::rehearsal::Rehearsal;

type Labels = Vec<(&'static str, String)>;
type Values = Family<Labels, Gauge<f64, AtomicU64>>;

/// The verdicts, each with its word.
const VERDICTS: [Verdict; 3] = [Verdict::Held, Verdict::Broken, Verdict::Inconclusive];

/// Metrics that begin with the same word.
struct Metrics {
    registry: Registry,
}

impl Metrics {
    fn new(prefix: &str) -> Self {
        Self {
            registry: Registry::with_prefix(prefix),
        }
    }

    fn family(&mut self, name: &str, help: &str, unit: Option<Unit>) -> Values {
        let values = Values::default();
        match unit {
            Some(unit) => self
                .registry
                .register_with_unit(name, help, unit, values.clone()),
            None => self.registry.register(name, help, values.clone()),
        }
        values
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// One for the verdict that it is, zero for the others.
fn set_verdict(values: &Values, labels: &Labels, verdict: Verdict) {
    for one in VERDICTS {
        let mut labels = labels.clone();
        labels.push(("verdict", one.to_string()));
        let value = if one == verdict { 1.0 } else { 0.0 };
        values.get_or_create(&labels).set(value);
    }
}

fn set(values: &Values, labels: &Labels, value: impl Into<f64>) {
    values.get_or_create(labels).set(value.into());
}

/// A count as metrics have it.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers; nobody counts beyond 2^53"
)]
fn count(number: u64) -> f64 {
    number as f64
}

fn timestamp(text: &str) -> Option<f64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let seconds = time - OffsetDateTime::UNIX_EPOCH;
    Some(seconds.as_seconds_f64())
}

/// Runs of drills; of several of one drill on one version the last counts.
///
/// # Errors
/// Never in practice: writing to memory does not fail.
pub fn runs_as_metrics(runs: &[RunRecord]) -> Result<String, fmt::Error> {
    let mut metrics = Metrics::new("lifeboat_drill");
    let verdict = metrics.family("verdict", "Whether the last run had this verdict", None);
    let expected = metrics.family("as_expected", "Whether the last run was as expected", None);
    let lost = metrics.family(
        "lost_messages",
        "Acknowledged messages that were lost",
        None,
    );
    let recovery = metrics.family(
        "recovery",
        "From the fault until whole again",
        Some(Unit::Seconds),
    );
    let outage = metrics.family(
        "write_outage",
        "The longest time without an acknowledged message",
        Some(Unit::Seconds),
    );
    let began = metrics.family(
        "began_timestamp",
        "When the last run began",
        Some(Unit::Seconds),
    );
    // The last run of all that were made, not of all that are listed.
    let mut runs: Vec<_> = runs.iter().collect();
    runs.sort_by(|a, b| {
        let began = |run: &RunRecord| timestamp(&run.began_at).unwrap_or(f64::MIN);
        began(a).total_cmp(&began(b))
    });
    for run in runs {
        let labels = vec![
            ("drill", run.scenario.clone()),
            ("promise", run.promise.clone()),
            ("server", run.server.clone()),
        ];
        let figures = &run.judgement.figures;
        set_verdict(&verdict, &labels, run.verdict());
        set(
            &expected,
            &labels,
            f64::from(u8::from(run.is_as_expected())),
        );
        // What was not read may be lost as well.
        let is_read = figures.unread == 0;
        let optional = [
            (&lost, is_read.then_some(count(figures.lost))),
            (&recovery, figures.recovery_seconds),
            (&outage, figures.write_outage_seconds),
            (&began, timestamp(&run.began_at)),
        ];
        for (values, value) in optional {
            // What an earlier run had is no result of this one.
            values.remove(&labels);
            if let Some(value) = value {
                set(values, &labels, value);
            }
        }
    }
    metrics.text()
}

/// A rehearsal. What is live is called `live`: its backup is another every time.
///
/// # Errors
/// Never in practice: writing to memory does not fail.
pub fn rehearsal_as_metrics(rehearsal: &Rehearsal) -> Result<String, fmt::Error> {
    let mut metrics = Metrics::new("lifeboat_rehearsal");
    let backup = match &rehearsal.live {
        Some(_) => String::from("live"),
        None => rehearsal.backup.display().to_string(),
    };
    let labels = vec![("backup", backup)];
    let verdict = metrics.family(
        "verdict",
        "Whether the last rehearsal had this verdict",
        None,
    );
    set_verdict(&verdict, &labels, rehearsal.verdict);
    let seconds = Some(Unit::Seconds);
    let began = metrics.family("began_timestamp", "When it began", seconds.clone());
    if let Some(time) = timestamp(&rehearsal.began_at) {
        set(&began, &labels, time);
    }
    let taken = metrics.family(
        "backup_taken_timestamp",
        "When the oldest of its streams was taken",
        seconds.clone(),
    );
    if let Some(time) = rehearsal.taken_at.as_deref().and_then(timestamp) {
        set(&taken, &labels, time);
    }
    let recovery = metrics.family(
        "recovery",
        "Until every stream was restored and compared",
        seconds.clone(),
    );
    if let Some(seconds) = rehearsal.recovery_seconds {
        set(&recovery, &labels, seconds);
    }
    let streams = metrics.family("streams", "Streams that were rehearsed", None);
    set(&streams, &labels, count(rehearsal.streams.len() as u64));
    let own_recovery = metrics.family(
        "stream_recovery",
        "Until the stream was restored and compared",
        seconds.clone(),
    );
    let messages = metrics.family("stream_messages", "Messages in the stream's backup", None);
    for one in &rehearsal.streams {
        let labels = with(&labels, "stream", &one.stream);
        if one.came_back {
            set(&own_recovery, &labels, one.recovery_seconds);
        }
        set(&messages, &labels, count(one.messages));
    }
    let checks = metrics.family(
        "check",
        "A check and how it ended; of the whole backup where no stream is named",
        None,
    );
    for (stream, check) in rehearsal.all_checks() {
        let labels = with(&labels, "stream", stream.unwrap_or_default());
        let labels = with(&labels, "check", check.name.name());
        let outcome = check.outcome.name().replace(' ', "-");
        set(&checks, &with(&labels, "outcome", &outcome), 1.0);
    }
    add_live(&mut metrics, rehearsal, &labels);
    metrics.text()
}

fn add_live(metrics: &mut Metrics, rehearsal: &Rehearsal, labels: &Labels) {
    let Some(live) = &rehearsal.live else {
        return;
    };
    let since = metrics.family(
        "recovery_point_messages",
        "Messages published since the stream's backup",
        None,
    );
    let age = metrics.family(
        "recovery_point",
        "Time since the stream's backup",
        Some(Unit::Seconds),
    );
    for point in &live.recovery_points {
        let labels = with(labels, "stream", &point.stream);
        if let Some(seconds) = point.age_seconds {
            set(&age, &labels, seconds);
        }
        if let Some(messages) = point.messages_since {
            set(&since, &labels, count(messages));
        }
    }
}

fn with(labels: &Labels, name: &'static str, value: &str) -> Labels {
    let mut labels = labels.clone();
    labels.push((name, value.to_owned()));
    labels
}
