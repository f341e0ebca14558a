//! Every stream of an account in few requests, and those of which no leader tells anything.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::Connection;
use super::error::Result;
use super::stream::StreamInfo;

/// So many streams that the list lacked are asked side by side: each may cost a whole timeout.
const ASKED_AT_ONCE: usize = 32;

/// The streams of an account.
#[derive(Debug, Clone, Default)]
pub struct StreamListing {
    /// Those whose leader answered, by name.
    pub infos: Vec<StreamInfo>,
    /// All others, by name.
    pub silent: Vec<SilentStream>,
}

/// A stream that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentStream {
    /// Its name.
    pub name: String,
    /// Its peers, when the meta leader knows that all of them are gone.
    pub nodes: Vec<String>,
    /// Why there is no answer.
    pub reason: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    total: usize,
    #[serde(default)]
    limit: usize,
    streams: Option<Vec<Value>>,
    missing: Option<Vec<String>>,
}

impl Connection {
    /// Every stream of the account that `wanted` picks. A list is asked first, which costs four
    /// seconds when a leader does not answer, and then each stream that it lacks.
    ///
    /// # Errors
    /// [`super::RequestError`] when the meta leader does not answer.
    pub async fn list_streams(&self, wanted: impl Fn(&str) -> bool) -> Result<StreamListing> {
        let (mut infos, mut missing) = (Vec::new(), BTreeSet::new());
        let mut offset = 0;
        loop {
            let body = json!({ "offset": offset });
            let page: Page = self.list_again("STREAM.LIST", &body).await?;
            infos.extend(page.streams.unwrap_or_default());
            missing.extend(page.missing.unwrap_or_default());
            offset += page.limit.max(1);
            if offset >= page.total {
                break;
            }
        }
        let mut listing = StreamListing::default();
        let mut gone = Vec::new();
        for info in infos {
            let Ok(info) = StreamInfo::deserialize(&info) else {
                continue;
            };
            // One all of whose peers are gone is listed with a state of zeros, and as missing.
            if missing.contains(info.name()) {
                gone.push(info);
            } else {
                listing.infos.push(info);
            }
        }
        for name in self.stream_names().await? {
            if !listing.infos.iter().any(|info| info.name() == name) {
                missing.insert(name);
            }
        }
        listing.infos.retain(|info| wanted(info.name()));
        missing.retain(|name| wanted(name));
        self.ask_again(missing, &gone, &mut listing).await;
        listing.infos.sort_by(|a, b| a.name().cmp(b.name()));
        listing.silent.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listing)
    }

    /// Asks each stream that the list lacked: a leader may have been elected meanwhile.
    async fn ask_again(
        &self,
        missing: BTreeSet<String>,
        gone: &[StreamInfo],
        listing: &mut StreamListing,
    ) {
        let asked = missing.into_iter().map(|name| async move {
            let info = self.stream_info(&name).await;
            (name, info)
        });
        let mut asked = futures_util::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
        while let Some((name, info)) = asked.next().await {
            match info {
                Ok(info) => listing.infos.push(info),
                Err(error) if error.is_stream_not_found() => {}
                Err(error) => {
                    let gone = gone.iter().find(|info| info.name() == name);
                    let nodes = gone.map(StreamInfo::followers).unwrap_or_default();
                    listing.silent.push(SilentStream {
                        nodes: nodes.into_iter().map(str::to_owned).collect(),
                        name,
                        reason: error.to_string(),
                    });
                }
            }
        }
    }
}

impl StreamInfo {
    /// The stream's name.
    pub fn name(&self) -> &str {
        self.config["name"].as_str().unwrap_or_default()
    }
}
