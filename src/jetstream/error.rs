//! How a request can fail, sorted by what may be concluded from it.

use std::time::Duration;

use async_nats::RequestErrorKind;
use serde::Deserialize;

/// The result of a request.
pub type Result<T, E = RequestError> = std::result::Result<T, E>;

/// JetStream's error number for a stream that does not exist.
const STREAM_NOT_FOUND: u32 = 10059;
/// JetStream's error number for a snapshot that can't be made, or not now.
const SNAPSHOT_FAILED: u32 = 10064;
/// JetStream's error number for a sequence that holds no message.
const NO_MESSAGE: u32 = 10037;
/// The same, of a sequence that was to be deleted.
const SEQUENCE_NOT_FOUND: u32 = 10043;
/// JetStream's error number for a consumer that does not exist.
const CONSUMER_NOT_FOUND: u32 = 10014;

/// A request that did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No server could be reached.
    #[error("can't connect to {servers}: {reason}")]
    Unreachable {
        /// The addresses tried.
        servers: String,
        /// Why.
        reason: String,
    },
    /// A server answered with an error: it did not do what was asked.
    #[error("{subject}: {description} ({code}/{err_code})")]
    Refused {
        /// What was asked.
        subject: String,
        /// HTTP-like status.
        code: u16,
        /// JetStream's error number, 0 without one.
        err_code: u32,
        /// The server's words.
        description: String,
    },
    /// Nobody listens: nothing was done.
    #[error("{subject}: nobody listens (no responders)")]
    NoResponders {
        /// What was asked.
        subject: String,
    },
    /// No answer in time: it may have been done.
    #[error("{subject}: no answer within {within:.1?}")]
    TimedOut {
        /// What was asked.
        subject: String,
        /// How long was waited.
        within: Duration,
    },
    /// The connection failed meanwhile: it may have been done.
    #[error("{subject}: {reason}")]
    Disconnected {
        /// What was asked.
        subject: String,
        /// What happened.
        reason: String,
    },
    /// A server that was asked to restore made an empty stream, and answered so.
    #[error("{subject}: the server made an empty stream instead of beginning to restore")]
    MadeInstead {
        /// What was asked.
        subject: String,
    },
    /// An answer that can't be read.
    #[error("{subject}: unreadable answer: {reason}")]
    Unreadable {
        /// What was asked.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RequestError {
    /// Whether the server said that the stream does not exist.
    pub fn is_stream_not_found(&self) -> bool {
        self.err_code() == Some(STREAM_NOT_FOUND)
    }

    /// Whether the server said that the consumer does not exist.
    pub fn is_consumer_not_found(&self) -> bool {
        self.err_code() == Some(CONSUMER_NOT_FOUND)
    }

    /// Whether a sequence holds no message, or none any more.
    pub fn is_message_not_found(&self) -> bool {
        matches!(self.err_code(), Some(NO_MESSAGE | SEQUENCE_NOT_FOUND))
    }

    /// Whether a server ended a snapshot that it had begun, such as for want of acknowledgements,
    /// or would not begin one while another is made (10064).
    pub fn is_of_a_snapshot(&self) -> bool {
        matches!(self.err_code(), Some(0 | SNAPSHOT_FAILED))
    }

    /// Whether a server gave a snapshot up for want of a consumer's state: 2.15 does when nobody leads
    /// one (`jetstream_snapshot.go`), and it has no error number.
    pub fn is_of_a_silent_consumer(&self) -> bool {
        matches!(self, Self::Refused { description, .. }
            if description.starts_with("failed to get consumer state"))
    }

    /// JetStream's error number, when the server gave one.
    pub fn err_code(&self) -> Option<u32> {
        if let Self::Refused { err_code, .. } = self {
            Some(*err_code)
        } else {
            None
        }
    }

    /// Whether a server said no: not that it can't now, as one of a cluster without a quorum.
    pub fn is_refusal(&self) -> bool {
        const UNAVAILABLE: u16 = 503;
        matches!(self, Self::Refused { code, .. } if *code != UNAVAILABLE)
    }

    pub(super) fn from_request(
        subject: &str,
        within: Duration,
        error: &async_nats::RequestError,
    ) -> Self {
        let subject = subject.to_owned();
        match error.kind() {
            RequestErrorKind::NoResponders => Self::NoResponders { subject },
            RequestErrorKind::TimedOut => Self::TimedOut { subject, within },
            RequestErrorKind::InvalidSubject
            | RequestErrorKind::MaxPayloadExceeded
            | RequestErrorKind::Other => Self::Disconnected {
                subject,
                reason: error.to_string(),
            },
        }
    }

    pub(super) fn disconnected(subject: &str, reason: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self::Disconnected {
            subject: subject.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn unreadable(subject: &str, reason: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self::Unreadable {
            subject: subject.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// The error object of an answer.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ApiError {
    code: u16,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

impl ApiError {
    pub(super) fn refusing(self, subject: &str) -> RequestError {
        RequestError::Refused {
            subject: subject.to_owned(),
            code: self.code,
            err_code: self.err_code,
            description: self.description,
        }
    }
}
