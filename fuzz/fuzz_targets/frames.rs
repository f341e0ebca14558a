//! Any bytes as S2 frames: read to the end, and its messages read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_fuzz::read;

fuzz_target!(|bytes: &[u8]| read([&b"\xff\x06\0\0S2sTwO"[..], bytes].concat()));
