//! Any bytes as a tar, with headers whose checksums are made right: read to the end, and again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_fuzz::read;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    // The fuzzer would hardly ever get past the checksum of a header.
    let mut at = 0;
    while let Some(header) = bytes.get_mut(at..at + 512) {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = std::str::from_utf8(&header[124..135]).ok();
        let size = size.and_then(|text| usize::from_str_radix(text.trim(), 8).ok());
        at = at.saturating_add(512 + size.unwrap_or(0).next_multiple_of(512));
    }
    read(bytes);
});
