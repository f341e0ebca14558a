//! An `index.db`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat::archive::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::index(bytes));
