//! Another look at what may be over in a moment: a replica that catches up, copies that were
//! counted while messages came.

use std::time::{Duration, Instant};

use lifeboat_harness::wait::pause_for;

use super::ask::Servers;
use super::facts::StreamFacts;
use crate::jetstream::Connection;

/// How long it is looked again.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
/// The pause between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Looks at unsettled streams again until they are settled, or the time is up.
pub(super) async fn settle(
    connection: &Connection,
    servers: Option<&Servers<'_>>,
    streams: &mut [StreamFacts],
) {
    let began = Instant::now();
    let answering = servers.map(Servers::names);
    let is_unsettled = |stream: &StreamFacts| stream.is_unsettled(answering);
    while streams.iter().any(is_unsettled) && began.elapsed() < SETTLED_WITHIN {
        pause_for(BETWEEN_LOOKS).await;
        for stream in streams.iter_mut().filter(|stream| is_unsettled(stream)) {
            if began.elapsed() >= SETTLED_WITHIN {
                return;
            }
            // What it said before stands when it does not answer now.
            if let Ok(info) = connection.stream_info(&stream.name).await {
                stream.info = Some(info);
            }
        }
        if let Some(servers) = servers {
            servers.ask_again(streams).await;
        }
    }
}
