//! A stream's own directory in a stopped node's store: what this replica really holds.

use std::ops::ControlFlow;
use std::path::Path;

use super::defect::{Defect, Level, Severity};
use super::error::Result;
use super::open::Archive;
use crate::model::Fingerprint;

/// What a stream's directory holds.
#[derive(Debug, Default)]
pub struct StreamDirectory {
    /// The messages, in the order of their sequences.
    pub messages: Vec<Fingerprint>,
    /// What is wrong with it. A sound directory has nothing here.
    pub defects: Vec<Defect>,
}

/// Reads a stream's directory. Every defect is reported, and whatever could be read all the same.
///
/// # Errors
/// When there is no directory to read, or it is in a form that can't be read.
pub fn read_stream_directory(directory: &Path) -> Result<StreamDirectory> {
    let archive = Archive::open(directory)?;
    let survey = archive.survey(Level::Content)?;
    let mut messages = Vec::new();
    archive.readable_messages(&survey.live, &mut |message| {
        messages.push(message.to_stored().fingerprint());
        Ok(ControlFlow::Continue(()))
    })?;
    let defects = survey.defects.kept().iter();
    Ok(StreamDirectory {
        messages,
        defects: defects
            .filter(|defect| defect.severity > Severity::Remark)
            .cloned()
            .collect(),
    })
}
