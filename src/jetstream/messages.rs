//! Reading stored messages one by one, exactly as the stream's leader holds them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::connection::Connection;
use super::error::{RequestError, Result};
use crate::model::StoredMessage;

/// How many requests are under way at once.
const IN_FLIGHT: usize = 64;

#[derive(Deserialize)]
struct Answer {
    message: Stored,
}

#[derive(Deserialize)]
struct Stored {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    time: String,
}

/// Reads the messages of these sequences (`$JS.API.STREAM.MSG.GET`), in that order. Unlike a
/// consumer this works for every kind of stream, and returns headers and times as stored.
pub fn read_messages(
    connection: &Connection,
    stream: &str,
    sequences: impl IntoIterator<Item = u64>,
) -> impl Stream<Item = Result<StoredMessage>> {
    let call = format!("STREAM.MSG.GET.{stream}");
    futures_util::stream::iter(sequences)
        .map(move |sequence| {
            let (connection, call) = (connection.clone(), call.clone());
            async move {
                let body = json!({ "seq": sequence });
                let answer: Answer = connection.call_again(&call, &body).await?;
                stored(&call, answer.message)
            }
        })
        .buffered(IN_FLIGHT)
}

impl Connection {
    /// The newest message of a stream whose subject matches a pattern, when there is one.
    ///
    /// # Errors
    /// [`RequestError::is_stream_not_found`] tells when there is no such stream.
    pub async fn last_message(&self, stream: &str, subject: &str) -> Result<Option<StoredMessage>> {
        self.get_message(stream, &json!({ "last_by_subj": subject }))
            .await
    }

    /// The message of a stream at a sequence, when there is one.
    ///
    /// # Errors
    /// See [`Connection::last_message`].
    pub async fn message_at(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>> {
        self.get_message(stream, &json!({ "seq": sequence })).await
    }

    async fn get_message(&self, stream: &str, body: &Value) -> Result<Option<StoredMessage>> {
        let call = format!("STREAM.MSG.GET.{stream}");
        match self.call::<Answer>(&call, body).await {
            Ok(answer) => stored(&call, answer.message).map(Some),
            Err(error) if error.is_message_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn stored(call: &str, message: Stored) -> Result<StoredMessage> {
    let binary = |text: &str| {
        STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(|error| RequestError::unreadable(call, &error))
    };
    let time = OffsetDateTime::parse(&message.time, &Rfc3339)
        .map_err(|error| RequestError::unreadable(call, &error))?;
    Ok(StoredMessage {
        sequence: message.seq,
        headers: binary(&message.hdrs)?,
        payload: binary(&message.data)?,
        subject: message.subject,
        time_ns: i64::try_from(time.unix_timestamp_nanos())
            .map_err(|error| RequestError::unreadable(call, &error))?,
    })
}
