//! Messages taken out of a stream by an operator: all of them, all but the newest, or single ones.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::Connection;
use super::error::Result;

/// Which sequences of a stream hold a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct HeldSequences {
    /// The first that holds one.
    pub first_seq: u64,
    /// The last that was given.
    pub last_seq: u64,
    /// Those in between that hold none.
    #[serde(default)]
    deleted: Option<Vec<u64>>,
}

impl HeldSequences {
    /// All that hold a message, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let deleted = self.deleted.iter().flatten().copied();
        let deleted: HashSet<u64> = deleted.collect();
        (self.first_seq.max(1)..=self.last_seq).filter(move |sequence| !deleted.contains(sequence))
    }
}

impl Connection {
    /// Removes all messages of a stream but the newest so many.
    ///
    /// # Errors
    /// [`super::RequestError::Refused`] with the server's reason. Without an answer it may have
    /// been done.
    pub async fn purge_stream(&self, name: &str, keep: u64) -> Result<()> {
        let body = if keep == 0 {
            json!({})
        } else {
            json!({ "keep": keep })
        };
        self.call::<Value>(&format!("STREAM.PURGE.{name}"), &body)
            .await
            .map(|_| ())
    }

    /// Deletes one message.
    ///
    /// # Errors
    /// [`super::RequestError::Refused`] with the server's reason. Without an answer it may have
    /// been done.
    pub async fn delete_message(&self, stream: &str, sequence: u64) -> Result<()> {
        let body = json!({ "seq": sequence });
        self.call::<Value>(&format!("STREAM.MSG.DELETE.{stream}"), &body)
            .await
            .map(|_| ())
    }

    /// Which sequences of a stream hold a message, as its leader tells it.
    ///
    /// # Errors
    /// [`super::RequestError::is_stream_not_found`] tells when there is no such stream.
    pub async fn held_sequences(&self, stream: &str) -> Result<HeldSequences> {
        #[derive(Deserialize)]
        struct Answer {
            state: HeldSequences,
        }
        let body = json!({ "deleted_details": true });
        let call = format!("STREAM.INFO.{stream}");
        let answer: Answer = self.call_again(&call, &body).await?;
        Ok(answer.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deleted_is_not_held() {
        let held: HeldSequences =
            serde_json::from_str(r#"{"first_seq":3,"last_seq":7,"deleted":[4,6]}"#).unwrap();
        assert_eq!(held.iter().collect::<Vec<_>>(), [3, 5, 7]);
        let fresh: HeldSequences = serde_json::from_str(r#"{"first_seq":0,"last_seq":0}"#).unwrap();
        assert_eq!(fresh.iter().count(), 0);
    }
}
