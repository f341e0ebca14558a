//! Any bytes as the entries of a message archive: read to the end, and its messages read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_fuzz::read;

fuzz_target!(|bytes: &[u8]| read([&b"NATSARC1"[..], bytes].concat()));
