//! Exit codes: the contract with scripts. They never change their meaning.

use std::process::ExitCode;

/// Why the program ends as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or every verdict as expected.
    Done = 0,
    /// Something nobody foresaw.
    Unexpected = 1,
    /// The command line, or a scenario file, is wrong.
    Usage = 2,
    /// A promise was broken, or held where a known defect should have broken it; a drill holds whatever
    /// is expected of it; or an audit found something.
    Broken = 10,
    /// A drill could not tell, and none was broken, or none ran; or an audit found nothing as bad, and got no
    /// answer to some of its questions.
    Inconclusive = 11,
    /// A backup lacks something.
    Incomplete = 12,
    /// A backup is damaged, or was interrupted while it was made.
    Damaged = 13,
    /// A server, or its binary, is not to be had.
    NotReady = 14,
    /// Refused by a precondition, such as a stream that exists.
    Refused = 15,
    /// An archive of a form this version does not read.
    Unsupported = 16,
    /// Interrupted by Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
