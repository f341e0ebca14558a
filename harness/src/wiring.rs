//! Nodes and the links between them: who is where, and which way leads there at the moment.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{MutexGuard, PoisonError};

use crate::binary::ServerBinary;
use crate::cluster::Cluster;
use crate::config::NodeSettings;
use crate::error::{Error, Result, io_error};
use crate::link::{Aim, Flow, Link};
use crate::monitor::Monitor;
use crate::node::NodeState;
use crate::runtime::{Addresses, NodeKey, Routing};

/// What is known of one node.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) key: NodeKey,
    pub(crate) name: String,
    pub(crate) state: NodeState,
    pub(crate) client: Link,
    /// Given to other servers as this node's address; leads nowhere, see `config::NodeSettings`.
    pub(crate) nowhere: Link,
    pub(crate) addresses: Option<Addresses>,
    pub(crate) tags: Vec<String>,
    /// The server it runs, if it is another than the cluster's.
    pub(crate) binary: Option<ServerBinary>,
    /// The key it encrypts with, if it is another than the cluster's; none when empty.
    pub(crate) encryption: Option<String>,
    /// Removed from the meta group: nobody lists it as a route any more.
    pub(crate) removed: bool,
}

impl Cluster {
    pub(crate) fn slot<T>(&self, name: &str, read: impl FnOnce(&mut Slot) -> T) -> Result<T> {
        let mut slots = self.slots();
        match slots.iter_mut().find(|slot| slot.name == name) {
            Some(slot) => Ok(read(slot)),
            None => Err(Error::UnknownNode {
                name: name.to_owned(),
                known: names(&slots),
            }),
        }
    }

    pub(crate) fn monitor_of(&self, name: &str) -> Result<Monitor> {
        let (state, addresses) = self.slot(name, |slot| (slot.state, slot.addresses))?;
        match addresses {
            Some(addresses) => Ok(Monitor::new(name, addresses.monitor, self.http.clone())),
            None => Err(Error::IllegalTransition {
                node: name.to_owned(),
                verb: "monitor",
                state,
            }),
        }
    }

    pub(crate) fn set_state(&self, key: NodeKey, state: NodeState) {
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.key == key) {
            slot.state = state;
        }
    }

    /// A node whose server has ended: nothing leads to it any more.
    pub(crate) fn mark_stopped(&self, key: NodeKey) {
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.key == key) {
            slot.state = NodeState::Stopped;
            slot.addresses = None;
        }
        self.aim_links(|_, _| true);
    }

    pub(crate) fn rename(&self, key: NodeKey, name: &str) -> Result<()> {
        self.check_name(name)?;
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.key == key) {
            name.clone_into(&mut slot.name);
            slot.removed = false;
        }
        Ok(())
    }

    /// Starts a node's server and leads every link to it.
    pub(crate) async fn launch(&self, key: NodeKey) -> Result<()> {
        self.launch_into(key, |_, _| true).await
    }

    /// Starts a node's server and leads those links to it that `open` allows.
    pub(crate) async fn launch_into(
        &self,
        key: NodeKey,
        open: impl Fn(NodeKey, NodeKey) -> bool,
    ) -> Result<()> {
        let settings = self.node_settings(key);
        let launched = self.host.launch(key, &self.settings, &settings).await;
        let addresses = launched?;
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.key == key) {
            slot.state = NodeState::Running;
            slot.addresses = Some(addresses);
        }
        self.aim_links_to(Some(key), open);
        Ok(())
    }

    pub(crate) fn aim_links(&self, open: impl Fn(NodeKey, NodeKey) -> bool) {
        self.aim_links_to(None, open);
    }

    /// Leads links to where their nodes really are: all of them, or those to one node.
    pub(crate) fn aim_links_to(
        &self,
        only: Option<NodeKey>,
        open: impl Fn(NodeKey, NodeKey) -> bool,
    ) {
        let aim = |address: Option<SocketAddr>| address.map_or(Aim::Refuse, Aim::Forward);
        let slots = self.slots();
        let wanted = |key: NodeKey| only.is_none_or(|only| only == key);
        for slot in slots.iter().filter(|slot| wanted(slot.key)) {
            slot.client.aim(aim(slot.addresses.map(|at| at.client)));
        }
        for ((from, to), link) in self.links().iter() {
            let target = slots.iter().find(|slot| slot.key == *to);
            if wanted(*to) && open(*from, *to) {
                link.aim(aim(target
                    .and_then(|slot| slot.addresses)
                    .and_then(|at| at.cluster)));
            }
        }
    }

    pub(crate) fn node_settings(&self, key: NodeKey) -> NodeSettings {
        let slots = self.slots();
        let own = slots
            .iter()
            .find(|slot| slot.key == key)
            .expect("a key is made together with its slot, and slots are never removed");
        let links = self.links();
        // An empty node takes the number of its routes for the size of the meta group. So it
        // lists itself, as operators do: one less, and a group of three was seen to count two
        // for ever (2.10.26). And nobody lists a node that was removed.
        let listed = slots.iter().filter(|slot| slot.key == key || !slot.removed);
        let (routes, advertise): (Vec<_>, _) = match self.host.routing() {
            Routing::Links(_) => {
                let own_links = listed.filter_map(|slot| links.get(&(key, slot.key)));
                let routes = own_links.map(|link| link.address().to_string());
                (routes.collect(), own.nowhere.address().to_string())
            }
            Routing::Direct => {
                let routes = listed.map(|slot| self.host.peer_address(slot.key));
                (routes.collect(), self.host.peer_address(key))
            }
        };
        NodeSettings {
            name: own.name.clone(),
            tags: own.tags.clone(),
            routes,
            advertise,
            program: own.binary.as_ref().map(|binary| binary.path.clone()),
            key: own.encryption.clone(),
        }
    }

    /// Makes the links of a new node: to and from every other, and to itself.
    pub(crate) async fn add_slot(&self, name: &str, tags: Vec<String>) -> Result<NodeKey> {
        let others: Vec<_> = self.slots().iter().map(|slot| slot.key).collect();
        let key = NodeKey(others.len() + 1);
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let among_servers = match self.host.routing() {
            Routing::Links(host) => {
                let both_ways = others
                    .iter()
                    .flat_map(|other| [(key, *other), (*other, key)]);
                for pair in both_ways.chain([(key, key)]) {
                    let link = self.bind_link(host).await?;
                    self.links().insert(pair, link);
                }
                // A link to a node that exists already leads there at once.
                self.aim_links(|_, _| true);
                host
            }
            Routing::Direct => loopback,
        };
        let client = self.bind_link(loopback).await?;
        let nowhere = self.bind_link(among_servers).await?;
        // Silence keeps a server that dials it busy; refused, it would dial forty times a second.
        nowhere.aim(Aim::Hold);
        self.slots().push(Slot {
            key,
            name: name.to_owned(),
            state: NodeState::Stopped,
            client,
            nowhere,
            addresses: None,
            tags,
            binary: None,
            encryption: None,
            removed: false,
        });
        Ok(key)
    }

    async fn bind_link(&self, host: IpAddr) -> Result<Link> {
        let bound = Link::bind(&self.keeper, host).await;
        bound.map_err(io_error(format!("binding a port on {host}")))
    }

    pub(crate) fn check_name(&self, name: &str) -> Result<()> {
        let bad = |reason: &str| Error::BadNodeName {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(bad("expected letters, digits, `-` and `_`"));
        }
        if self.slots().iter().any(|slot| slot.name == name) {
            return Err(bad("it is taken"));
        }
        Ok(())
    }

    pub(crate) fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        // Slots are whole between any two statements, so a poisoned lock is still usable.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn flows(&self) -> MutexGuard<'_, BTreeMap<(NodeKey, NodeKey), Flow>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn links(&self) -> MutexGuard<'_, BTreeMap<(NodeKey, NodeKey), Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(slots: &[Slot]) -> String {
    let names: Vec<_> = slots.iter().map(|slot| slot.name.as_str()).collect();
    names.join(", ")
}
