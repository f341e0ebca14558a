//! What holds for every input: readers never panic nor take garbage for data, and judges find
//! what is planted.

mod archive;
mod judge;
mod scenario;

use proptest::test_runner::Config;

/// A few hundred cases; a failure is printed with its input, and kept nowhere.
fn config() -> Config {
    Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    }
}
