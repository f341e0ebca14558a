//! Breaking the network between nodes, and healing it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::link::{Flow, HEALTHY};
use crate::node::NodeState;
use crate::runtime::NodeKey;

/// The network between two sets of nodes, and what can be done to it. Made by
/// [`Cluster::between`] and [`Cluster::around`].
///
/// Servers are not told that they are cut off: bytes of open connections wait and new
/// connections get no answer, as when a network drops packets. What waited arrives when the
/// network heals. Only servers are concerned: clients still reach every node, unless
/// [`Between::with_clients`] says otherwise.
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is cut, delayed or healed"]
pub struct Between<'a> {
    cluster: &'a Cluster,
    one: Vec<NodeKey>,
    other: Vec<NodeKey>,
    clients: bool,
}

impl Cluster {
    /// The network between two sets of nodes.
    ///
    /// ```no_run
    /// # async fn example(cluster: lifeboat_harness::Cluster) -> lifeboat_harness::Result<()> {
    /// let network = cluster.between(&["n1"], &["n2", "n3"])?;
    /// network.cut().await?; // n1 is alone
    /// network.heal().await?; // and what waited arrives
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownNode`]; [`Error::BadPartition`] when a set is empty or a node in both.
    pub fn between(&self, one: &[&str], other: &[&str]) -> Result<Between<'_>> {
        let keys = |names: &[&str]| -> Result<Vec<NodeKey>> {
            let keys = names.iter().map(|name| self.slot(name, |slot| slot.key));
            keys.collect()
        };
        if let Some(both) = one.iter().find(|name| other.contains(name)) {
            return Err(Error::BadPartition(format!("`{both}` is on both sides")));
        }
        if one.is_empty() || other.is_empty() {
            return Err(Error::BadPartition(String::from("one side has no node")));
        }
        Ok(Between {
            cluster: self,
            one: keys(one)?,
            other: keys(other)?,
            clients: false,
        })
    }

    /// The network between some nodes and all others there are now. A node that is added later
    /// is connected to everybody.
    ///
    /// # Errors
    /// As [`Cluster::between`].
    pub fn around(&self, nodes: &[&str]) -> Result<Between<'_>> {
        let all: Vec<_> = self.slots().iter().map(|slot| slot.name.clone()).collect();
        let others: Vec<_> = all
            .iter()
            .map(String::as_str)
            .filter(|name| !nodes.contains(name))
            .collect();
        self.between(nodes, &others)
    }

    /// Heals the whole network: nothing is cut or delayed any more.
    pub async fn heal(&self) {
        let _verb = self.verb().await;
        self.flows().clear();
        self.apply_flows();
    }

    /// Leads every link's flows to what the network is like at the moment.
    pub(crate) fn apply_flows(&self) {
        let flows = self.flows();
        let flow = |from: NodeKey, to: NodeKey| flows.get(&(from, to)).copied().unwrap_or(HEALTHY);
        for ((from, to), link) in self.links().iter() {
            link.flow(flow(*from, *to), flow(*to, *from));
        }
        for slot in self.slots().iter() {
            let own = flow(slot.key, slot.key);
            slot.client.flow(own, own);
        }
    }

    /// The running nodes that reach each other and that clients reach: of several such sides
    /// the largest, of equally large ones that with the oldest node. Who asks the cluster asks
    /// there, for a node that is cut off answers with what it last knew.
    pub(crate) fn main_side(&self) -> BTreeSet<NodeKey> {
        let flows = self.flows();
        let open = |from: NodeKey, to: NodeKey| flows.get(&(from, to)).is_none_or(|flow| flow.open);
        let slots = self.slots();
        let mut left: BTreeSet<NodeKey> = slots
            .iter()
            .filter(|slot| slot.state == NodeState::Running && open(slot.key, slot.key))
            .map(|slot| slot.key)
            .collect();
        let mut largest = BTreeSet::new();
        while let Some(first) = left.pop_first() {
            let mut side = BTreeSet::from([first]);
            let mut edge = vec![first];
            while let Some(here) = edge.pop() {
                let reached: Vec<_> = left
                    .iter()
                    .copied()
                    .filter(|there| open(here, *there) && open(*there, here))
                    .collect();
                left.retain(|key| !reached.contains(key));
                side.extend(&reached);
                edge.extend(reached);
            }
            if side.len() > largest.len() {
                largest = side;
            }
        }
        largest
    }
}

impl Between<'_> {
    /// Concerns the first set's clients as well: they reach its nodes no better than the other
    /// set does.
    pub fn with_clients(mut self) -> Self {
        self.clients = true;
        self
    }

    /// Cuts the network both ways: no byte passes, and nobody is told.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the runtime can't cut its network.
    pub async fn cut(&self) -> Result<()> {
        self.change(true, |flow| flow.open = false).await
    }

    /// Cuts the network one way: nothing that the first set sends reaches the other, while
    /// what the other sends still arrives. Nobody opens a new connection, which takes both ways.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the runtime can't cut its network.
    pub async fn cut_one_way(&self) -> Result<()> {
        self.change(false, |flow| flow.open = false).await
    }

    /// Has everything arrive so much later, in each direction: a round trip takes twice that
    /// long. A delay of zero takes an earlier one back.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the runtime can't delay its network.
    pub async fn delay(&self, by: Duration) -> Result<()> {
        self.change(true, |flow| flow.delay = by).await
    }

    /// Heals this part of the network, whatever broke it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the runtime can't cut its network.
    pub async fn heal(&self) -> Result<()> {
        self.change(true, |flow| *flow = HEALTHY).await
    }

    async fn change(&self, both_ways: bool, change: impl Fn(&mut Flow)) -> Result<()> {
        let _verb = self.cluster.verb().await;
        self.cluster.check_possible(Fault::Network)?;
        {
            let mut flows = self.cluster.flows();
            let mut change_one = |from: NodeKey, to: NodeKey| {
                change(flows.entry((from, to)).or_insert(HEALTHY));
            };
            for one in &self.one {
                for other in &self.other {
                    change_one(*one, *other);
                    if both_ways {
                        change_one(*other, *one);
                    }
                }
                if self.clients {
                    change_one(*one, *one);
                }
            }
        }
        self.cluster.apply_flows();
        Ok(())
    }
}
