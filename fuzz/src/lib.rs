//! What the targets that read whole archives have in common.

use std::ops::ControlFlow;

use lifeboat::archive::{Archive, Level};

/// Reads an archive to its end, and its messages again.
pub fn read(bytes: Vec<u8>) {
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
