//! Any bytes as the entries of a message archive: read to the end, and its messages read again.

#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use lifeboat::archive::{Archive, Level};

fuzz_target!(|bytes: &[u8]| read([&b"NATSARC1"[..], bytes].concat()));

fn read(bytes: Vec<u8>) {
    let archive = Archive::in_memory(bytes);
    let Ok(survey) = archive.survey(Level::Content) else {
        return;
    };
    let mut messages = 0;
    let read = archive.messages(Some(&survey.live), &mut |message| {
        assert!(survey.live.contains(message.sequence));
        messages += 1;
        Ok(ControlFlow::Continue(()))
    });
    // What nothing is wrong with is read to its end.
    if survey.defects.first_damage().is_none() {
        read.unwrap();
        assert_eq!(messages, survey.live.len());
    }
}
