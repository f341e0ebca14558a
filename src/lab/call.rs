//! Talking to a lab: one question, and the answers to it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::place::LabPlace;
use super::talk::{Answer, Question};

/// How long a question may take that needs no step.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

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
    /// It does not answer: it is frozen, or starved.
    #[error("lab `{name}` has not answered within {ANSWERED_WITHIN:?}")]
    Silent {
        /// The name.
        name: String,
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
        let mut stream = match UnixStream::connect(place.socket()).await {
            Ok(stream) => stream,
            Err(error) if is_nobody(&error) => {
                let others = others(&name);
                return Err(CallError::NotThere { name, others });
            }
            Err(source) => return Err(CallError::Io { name, source }),
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

    /// Asks what is answered at once, and returns the answer.
    ///
    /// # Errors
    /// [`CallError::Silent`] when there is none in time.
    pub async fn ask(place: &LabPlace, question: &Question) -> Result<Answer, CallError> {
        let asking = async { Self::begin(place, question).await?.next().await };
        let answered = timeout(ANSWERED_WITHIN, asking).await;
        answered.unwrap_or_else(|_| {
            let name = place.name().to_owned();
            Err(CallError::Silent { name })
        })
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
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(CallError::Lost { name: name() })
            }
            Err(source) => Err(CallError::Io {
                name: name(),
                source,
            }),
        }
    }
}

/// Whether that is what connecting to a lab that is not there gives.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// The labs that there are, in words.
fn others(name: &str) -> String {
    let mut names = LabPlace::names().unwrap_or_default();
    names.retain(|one| one != name);
    match names.as_slice() {
        [] => String::new(),
        names => format!(", but there is {} (say so with --name)", names.join(", ")),
    }
}
