//! What holds for every input: readers never panic nor take garbage for data, and judges find
//! what is planted.

mod archive;
mod hostile;
mod judge;
mod page;
mod scenario;
mod streams;

use proptest::test_runner::Config;

/// A few hundred cases, or as many as `PROPTEST_CASES` says; a failure is printed with its input,
/// and kept nowhere.
fn config() -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok();
    Config {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(300),
        failure_persistence: None,
        ..Config::default()
    }
}
