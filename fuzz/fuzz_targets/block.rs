//! A block file, compressed or not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat::archive::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::block(bytes));
