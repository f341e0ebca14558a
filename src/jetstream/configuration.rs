//! Configurations of streams and consumers: asked for and set, as the server's own JSON.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::connection::Connection;
use super::error::Result;

/// The part of an answer that is a configuration.
#[derive(Deserialize)]
struct Answer {
    config: Map<String, Value>,
}

impl Connection {
    /// A stream's configuration; none when there is no such stream.
    ///
    /// # Errors
    /// When that can't be told.
    pub async fn stream_config(&self, name: &str) -> Result<Option<Map<String, Value>>> {
        let call = format!("STREAM.INFO.{name}");
        match self.call_again::<Answer>(&call, &json!({})).await {
            Ok(answer) => Ok(Some(answer.config)),
            Err(error) if error.is_stream_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A consumer's configuration; none when the stream has no such consumer.
    ///
    /// # Errors
    /// [`super::RequestError::is_stream_not_found`] tells when there is no such stream.
    pub async fn consumer_config(
        &self,
        stream: &str,
        name: &str,
    ) -> Result<Option<Map<String, Value>>> {
        let call = format!("CONSUMER.INFO.{stream}.{name}");
        match self.call_again::<Answer>(&call, &json!({})).await {
            Ok(answer) => Ok(Some(answer.config)),
            Err(error) if error.is_consumer_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a stream, or changes one that is there, and returns what the server made of it.
    ///
    /// # Errors
    /// [`super::RequestError::Refused`] with the server's reason.
    pub async fn put_stream(
        &self,
        name: &str,
        config: &Map<String, Value>,
        is_new: bool,
    ) -> Result<Map<String, Value>> {
        let verb = if is_new { "CREATE" } else { "UPDATE" };
        let call = format!("STREAM.{verb}.{name}");
        let answer: Answer = self.call(&call, &json!(config)).await?;
        Ok(answer.config)
    }

    /// Makes a durable consumer, or changes one that is there, and returns what the server made of it.
    ///
    /// # Errors
    /// [`super::RequestError::Refused`] with the server's reason.
    pub async fn put_consumer(
        &self,
        stream: &str,
        name: &str,
        config: &Map<String, Value>,
        is_new: bool,
    ) -> Result<Map<String, Value>> {
        // Without an action a server does either, whatever became of the consumer meanwhile (2.10).
        let action = if is_new { "create" } else { "update" };
        let body = json!({ "stream_name": stream, "config": config, "action": action });
        let call = format!("CONSUMER.DURABLE.CREATE.{stream}.{name}");
        let answer: Answer = self.call(&call, &body).await?;
        Ok(answer.config)
    }
}
