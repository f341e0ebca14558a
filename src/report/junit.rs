//! Runs as a JUnit report, for CI systems that show one.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::judge::RunRecord;
use crate::model::Verdict;

/// A report with a suite per server version and a case per run. A verdict that is not the
/// expected one is a failure; one that could not be told, an error.
///
/// # Errors
/// Never in practice: writing to memory does not fail.
pub fn runs_as_junit(runs: &[RunRecord]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("lifeboat drills");
    let mut versions: Vec<&str> = runs.iter().map(|run| run.server.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    for version in versions {
        let mut suite = TestSuite::new(format!("nats-server {version}"));
        let cases = runs.iter().filter(|run| run.server == version).map(case);
        suite.add_test_cases(cases);
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(run: &RunRecord) -> TestCase {
    let status = if run.is_as_expected() {
        TestCaseStatus::success()
    } else {
        let kind = match run.verdict() {
            Verdict::Inconclusive => NonSuccessKind::Error,
            Verdict::Held | Verdict::Broken => NonSuccessKind::Failure,
        };
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(format!(
            "{}, expected {}",
            run.verdict(),
            run.expected.verdict
        ));
        let findings = run.judgement.findings.iter();
        let texts: Vec<_> = findings.map(|finding| finding.text.as_str()).collect();
        status.set_description(texts.join("\n"));
        status
    };
    let mut case = TestCase::new(run.scenario.clone(), status);
    case.set_classname(run.promise.clone());
    case.set_time(Duration::from_secs_f64(run.elapsed_seconds));
    case.add_property(Property::new(
        "evidence",
        run.evidence.display().to_string(),
    ));
    case.add_property(Property::new("server_sha256", run.server_sha256.clone()));
    case
}
