//! What an operator asks of a cluster in trouble, beyond taking a node out of it: a replica out
//! of one stream's group, and a smaller quorum for a meta group that has lost its own.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::wait::{Probe, until};

/// How long a stream's group may take to change: its new leader may have to be elected first.
const CHANGED_WITHIN: Duration = Duration::from_secs(30);
/// How long a meta group may take to elect a leader with a smaller quorum.
const RESCUED_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
struct Success {
    success: bool,
}

impl Cluster {
    /// Takes a node's replica out of a stream's group (`$JS.API.STREAM.PEER.REMOVE`) and waits
    /// until the group is without it. Where a spare node is there, it gets the replica.
    ///
    /// # Errors
    /// [`Error::UnknownNode`]; [`Error::Refused`] with the server's reason; [`Error::NoAnswer`];
    /// [`Error::Timeout`] when the group kept the node.
    pub async fn stream_peer_remove(&self, stream: &str, name: &str) -> Result<()> {
        self.slot(name, |_| ())?;
        let subject = format!("$JS.API.STREAM.PEER.REMOVE.{stream}");
        let body = json!({ "peer": name });
        let servers = self.addresses_to_ask();
        let asked: Success = self.user.request(&servers, &subject, &body).await?;
        if !asked.success {
            return Err(unsuccessful(&subject));
        }
        // An acknowledgement is no proof.
        until(CHANGED_WITHIN, || async {
            match self.stream_members(stream).await {
                Ok(members) if members.all().iter().all(|member| member != name) => {
                    Probe::Ready(())
                }
                Ok(members) => Probe::Pending(format!("it is on {}", members.all().join(", "))),
                Err(error) => Probe::Pending(error.to_string()),
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting(format!("stream {stream} to be without `{name}`")))
    }

    /// Has a meta group that has lost its quorum take a smaller one for some minutes, as the
    /// survivor that is asked knows it (`$JS.API.META.RESCUE`, servers from 2.15 on), and waits
    /// until it has a leader; returns its name.
    ///
    /// # Errors
    /// [`Error::UnknownNode`]; [`Error::Refused`] by servers that know no such call, or while
    /// there is a leader; [`Error::NoAnswer`]; [`Error::Timeout`] when nobody is elected.
    pub async fn meta_rescue(&self, name: &str, quorum: usize) -> Result<String> {
        // Only a survivor knows that the others are gone, so it alone is asked.
        let address = self.slot(name, |slot| slot.client.address())?;
        let body = json!({ "quorum_needed": quorum });
        let subject = "$JS.API.META.RESCUE";
        let _answer: Value = self.system.request(&[address], subject, &body).await?;
        until(RESCUED_WITHIN, || async {
            match self.meta_leader().await {
                Some(leader) => Probe::Ready(leader),
                None => Probe::Pending(String::from("no meta leader")),
            }
        })
        .await
        .map_err(|timed_out| timed_out.awaiting("a meta leader after the rescue"))
    }
}

fn unsuccessful(request: &str) -> Error {
    Error::NoAnswer {
        request: request.to_owned(),
        reason: String::from("success: false"),
    }
}
