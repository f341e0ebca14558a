//! Talking to a lab: one question, and the answers to it.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;

use super::place::LabPlace;
use super::talk::{Answer, Question};

/// A question that is being answered.
#[derive(Debug)]
pub struct Call {
    name: String,
    answers: Lines<BufReader<UnixStream>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody is there.
    #[error("there is no lab `{name}`{others}; `lifeboat lab up` starts one")]
    NotThere {
        /// The name.
        name: String,
        /// Which labs there are.
        others: String,
    },
    /// It hung up: it was ended, or has crashed.
    #[error("lab `{name}` went away before it had answered: its evidence tells how far it got")]
    Lost {
        /// The name.
        name: String,
    },
    /// The system.
    #[error("talking to lab `{name}`: {source}")]
    Io {
        /// The name.
        name: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// It is of another version of this program.
    #[error("lab `{name}` says what is not understood, as one of another version: {source}")]
    Unreadable {
        /// The name.
        name: String,
        /// What was wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl Call {
    /// Asks a lab.
    ///
    /// # Errors
    /// [`CallError::NotThere`] when it is not there.
    pub async fn begin(place: &LabPlace, question: &Question) -> Result<Self, CallError> {
        let name = place.name().to_owned();
        let Ok(mut stream) = UnixStream::connect(place.socket()).await else {
            let others = others(&name);
            return Err(CallError::NotThere { name, others });
        };
        let asking = async {
            let mut line = serde_json::to_vec(question)?;
            line.push(b'\n');
            stream.write_all(&line).await
        };
        match asking.await {
            Ok(()) => Ok(Self {
                name,
                answers: BufReader::new(stream).lines(),
            }),
            Err(source) => Err(CallError::Io { name, source }),
        }
    }

    /// The next answer; after the last one there is none.
    ///
    /// # Errors
    /// [`CallError::Lost`] when the lab hangs up.
    pub async fn next(&mut self) -> Result<Answer, CallError> {
        let name = || self.name.clone();
        match self.answers.next_line().await {
            Ok(Some(line)) => serde_json::from_str(&line).map_err(|source| CallError::Unreadable {
                name: name(),
                source,
            }),
            Ok(None) => Err(CallError::Lost { name: name() }),
            Err(source) => Err(CallError::Io {
                name: name(),
                source,
            }),
        }
    }
}

/// The labs that there are, in words.
fn others(name: &str) -> String {
    let mut names = LabPlace::names().unwrap_or_default();
    names.retain(|one| one != name);
    match names.as_slice() {
        [] => String::new(),
        names => format!(", but there is {}", names.join(", ")),
    }
}
