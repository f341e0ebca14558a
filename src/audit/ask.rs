//! The asking: streams, consumers, and through the system account every server.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;

use super::again;
use super::facts::{Facts, ServerFacts, StreamFacts};
use super::judge_servers::too_busy;
use crate::jetstream::{Connection, ConsumerList, RequestError, ServerView, StreamListing};
use crate::model::NameFilter;

/// So many streams are asked for their consumers side by side.
const ASKED_AT_ONCE: usize = 8;

/// Looks at an account, and through the system account at the servers' own copies.
///
/// # Errors
/// When the account can't be asked what it has.
pub async fn observe(
    connection: &Connection,
    system: Option<&Connection>,
    filter: &NameFilter,
) -> Result<Facts, RequestError> {
    let had = connection.account_totals().await?;
    let listing = connection.list_streams(|name| filter.chooses(name)).await?;
    let has = connection.account_totals().await?;
    let mut facts = begin(listing);
    // A standalone server has no groups that could tell its name.
    if let Some(server) = connection.own_server() {
        let streams = facts.streams.iter_mut();
        for stream in streams.filter(|stream| stream.is_standalone()) {
            stream.nodes = vec![server.clone()];
        }
    }
    let listed = facts.streams.len() as u64;
    if !filter.is_choosy() && had.streams.min(has.streams) > listed {
        facts.not_told(format!(
            "the account counts {} streams, and lists {listed}",
            has.streams
        ));
    }
    ask_consumers(connection, &mut facts).await;
    let mut servers = None;
    match system {
        None => facts.not_asked(
            "replicas were compared by their leaders' flags only, and how often servers write to \
             disk is not known: both need the system account (--sys-context, --sys-user)",
        ),
        Some(system) => match Servers::ask(connection, system, &mut facts).await {
            Ok(asked) => servers = Some(asked),
            Err(error) => facts.not_told(format!("replicas were compared by flags only: {error}")),
        },
    }
    again::settle(connection, servers.as_ref(), &mut facts.streams).await;
    let busy = too_busy(&facts);
    facts.unchecked.extend(busy);
    Ok(facts)
}

fn begin(listing: StreamListing) -> Facts {
    let told = listing.infos.into_iter().map(|info| StreamFacts {
        name: info.name().to_owned(),
        info: Some(info),
        ..StreamFacts::default()
    });
    let silent = listing.silent.into_iter().map(|stream| StreamFacts {
        name: stream.name,
        silence: stream.reason,
        nodes: stream.nodes,
        ..StreamFacts::default()
    });
    let mut streams: Vec<_> = told.chain(silent).collect();
    streams.sort_by(|a, b| a.name.cmp(&b.name));
    let mut facts = Facts {
        streams,
        ..Facts::default()
    };
    let silent: Vec<_> = facts.silent_streams().collect();
    for what in silent {
        facts.not_told(what);
    }
    facts
}

impl Facts {
    fn silent_streams(&self) -> impl Iterator<Item = String> {
        let silent = self.streams.iter().filter(|one| one.info.is_none());
        silent.map(|one| {
            let name = &one.name;
            format!(
                "what stream {name} holds, and its consumers: {}",
                one.silence
            )
        })
    }
}

async fn ask_consumers(connection: &Connection, facts: &mut Facts) {
    let read = facts.streams.iter().enumerate().filter_map(|(at, stream)| {
        let info = stream.info.as_ref()?;
        (info.state.consumer_count > 0).then(|| (at, stream.name.clone()))
    });
    let read: Vec<_> = read.collect();
    let asked = read.into_iter().map(|(at, name)| async move {
        let list = connection.list_consumers(&name).await;
        (at, name, list)
    });
    let mut asked = futures_util::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
    while let Some((at, name, list)) = asked.next().await {
        match list {
            Ok(ConsumerList { infos, silent }) => {
                for consumer in &silent {
                    facts.not_told(format!(
                        "where consumer {consumer} of stream {name} stands: it does not answer"
                    ));
                }
                facts.streams[at].consumers = infos;
                facts.streams[at].silent_consumers = silent;
            }
            Err(error) if error.is_stream_not_found() => {}
            Err(error) => facts.not_told(format!("the consumers of stream {name}: {error}")),
        }
    }
}

/// The servers, as they are asked through the system account.
pub(super) struct Servers<'a> {
    system: &'a Connection,
    account: String,
    /// Those that answered.
    names: BTreeSet<String>,
}

impl<'a> Servers<'a> {
    /// Asks all that hold a stream, and notes those that do not answer.
    async fn ask(
        connection: &Connection,
        system: &'a Connection,
        facts: &mut Facts,
    ) -> Result<Self, RequestError> {
        let account = connection.account_name().await?;
        let holders = facts.streams.iter().flat_map(StreamFacts::holders);
        let wanted: BTreeSet<_> = holders.map(str::to_owned).collect();
        let within = connection.answer_within();
        // One that does not answer may be anywhere.
        let is_all_known = facts.streams.iter().all(|stream| stream.info.is_some());
        let until = is_all_known.then_some(&wanted);
        let views = system.server_views(&account, until, within).await?;
        let names: BTreeSet<_> = views.iter().map(|view| view.name.clone()).collect();
        for name in wanted.difference(&names) {
            facts.not_told(format!(
                "what the copies on {name} hold: the server does not answer"
            ));
        }
        let servers = views.iter().map(|view| {
            let facts = ServerFacts {
                sync_interval: view.sync_interval,
                sync_always: view.sync_always,
            };
            (view.name.clone(), facts)
        });
        facts.servers = Some(servers.collect());
        take(&views, &mut facts.streams);
        Ok(Self {
            system,
            account,
            names,
        })
    }

    /// Those that answered.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Asks those that answered before once more.
    pub(super) async fn ask_again(&self, streams: &mut [StreamFacts]) {
        let within = self.system.answer_within();
        let views = self
            .system
            .server_views(&self.account, Some(&self.names), within)
            .await;
        if let Ok(views) = views {
            take(&views, streams);
        }
    }
}

/// Takes note of what the servers said of their copies.
fn take(views: &[ServerView], streams: &mut [StreamFacts]) {
    for stream in streams {
        stream.take(views);
    }
}
