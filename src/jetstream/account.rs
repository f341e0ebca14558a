//! What an account holds by its own word: totals, and every stream and consumer by name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::connection::Connection;
use super::error::{RequestError, Result};
use super::stream::StreamGroup;
use crate::model::SequencePair;

/// What an account holds, in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTotals {
    /// Streams, those without a leader too.
    pub streams: u64,
    /// Consumers.
    pub consumers: u64,
    /// Bytes of storage in files, of all replicas.
    #[serde(default)]
    pub storage: u64,
    /// Bytes of storage in memory, of all replicas.
    #[serde(default)]
    pub memory: u64,
    /// What it may have.
    #[serde(default)]
    pub limits: AccountLimits,
}

/// What an account may have; -1 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountLimits {
    /// Bytes of storage in memory.
    pub max_memory: i64,
    /// Bytes of storage in files.
    pub max_storage: i64,
    /// Streams.
    pub max_streams: i64,
    /// Consumers of one stream.
    pub max_consumers: i64,
    /// Every stream must say how large it may become.
    pub max_bytes_required: bool,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_bytes_required: false,
        }
    }
}

/// A consumer, as its leader tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsumerInfo {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// Its configuration, as the server gave it.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// The last message it delivered.
    #[serde(default)]
    pub delivered: SequencePair,
    /// Everything up to here is acknowledged.
    #[serde(default)]
    pub ack_floor: SequencePair,
    /// Messages that wait for an acknowledgement; which ones is not told.
    #[serde(default)]
    pub num_ack_pending: u64,
    /// Messages that were delivered more than once and wait for an acknowledgement.
    #[serde(default)]
    pub num_redelivered: u64,
    /// Messages it has yet to deliver.
    #[serde(default)]
    pub num_pending: u64,
    /// Its raft group.
    #[serde(default, skip_serializing)]
    pub cluster: Option<StreamGroup>,
}

/// The consumers of a stream.
#[derive(Debug, Clone, Default)]
pub struct ConsumerList {
    /// Those whose leader answered.
    pub infos: Vec<ConsumerInfo>,
    /// The names of all others.
    pub silent: Vec<String>,
}

impl Connection {
    /// What the account holds. The meta leader tells it.
    ///
    /// # Errors
    /// [`RequestError::Refused`] when JetStream is not enabled for the account.
    pub async fn account_totals(&self) -> Result<AccountTotals> {
        self.call_again("INFO", &json!({})).await
    }

    /// What the account holds, and the names of its streams in order.
    ///
    /// # Errors
    /// See [`Connection::account_totals`].
    pub async fn account_overview(&self) -> Result<(AccountTotals, Vec<String>)> {
        let totals = self.account_totals().await?;
        let mut names = self.stream_names().await?;
        names.sort_unstable();
        // A stream that is made while pages are read may be on two of them.
        names.dedup();
        Ok((totals, names))
    }

    /// Every consumer of a stream. A leader that does not answer costs four seconds.
    ///
    /// # Errors
    /// [`RequestError::is_stream_not_found`] tells when there is no such stream.
    pub async fn list_consumers(&self, stream: &str) -> Result<ConsumerList> {
        #[derive(Deserialize)]
        struct Page {
            total: usize,
            #[serde(default)]
            limit: usize,
            consumers: Option<Vec<ConsumerInfo>>,
        }
        let call = format!("CONSUMER.LIST.{stream}");
        let mut list = ConsumerList::default();
        let mut offset = 0;
        loop {
            let body = json!({ "offset": offset });
            let page: Page = self.list_again(&call, &body).await?;
            let infos = page.consumers.unwrap_or_default();
            // One all of whose nodes are gone comes as a configuration without a name.
            list.infos
                .extend(infos.into_iter().filter(|info| !info.name.is_empty()));
            offset += page.limit.max(1);
            if offset >= page.total {
                break;
            }
        }
        let names = self.consumer_names(stream).await?;
        let told: BTreeSet<String> = list.infos.iter().map(|info| info.name.clone()).collect();
        for name in names.into_iter().filter(|name| !told.contains(name)) {
            // It may have been made in between, and be told when it is asked for.
            let call = format!("CONSUMER.INFO.{stream}.{name}");
            match self.call(&call, &json!({})).await {
                Ok(info) => list.infos.push(info),
                Err(error) if error.is_consumer_not_found() => {}
                Err(_) => list.silent.push(name),
            }
        }
        Ok(list)
    }

    /// The sequences that hold no message any more, between the first and the last of a stream.
    ///
    /// # Errors
    /// [`RequestError::is_stream_not_found`] tells when there is no such stream.
    pub async fn deleted_sequences(&self, stream: &str) -> Result<Vec<u64>> {
        #[derive(Deserialize)]
        struct Answer {
            state: Details,
        }
        #[derive(Deserialize)]
        struct Details {
            #[serde(default)]
            deleted: Option<Vec<u64>>,
        }
        let call = format!("STREAM.INFO.{stream}");
        let answer: Answer = self
            .list_again(&call, &json!({ "deleted_details": true }))
            .await?;
        Ok(answer.state.deleted.unwrap_or_default())
    }
}

impl RequestError {
    /// Whether asking again may bring an answer.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { .. } | Self::Disconnected { .. } | Self::NoResponders { .. }
        )
    }
}
