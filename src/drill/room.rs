//! How many drills run side by side: as many as the machine has room for, by what each takes of it.

use std::fs;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::scenario::{Scenario, Step};

/// A core carries so many servers without their elections starving: with ten of them drills still
/// gave the verdicts that they give alone (measured on two cores, five drills side by side).
const SERVERS_PER_CORE: usize = 6;
/// A server under a drill's load takes less than this (measured: 20 to 80 MiB).
const MIB_PER_SERVER: usize = 100;
/// So much of the memory that is free when the first drill begins is given to drills.
const SHARE_OF_MEMORY: usize = 2;

/// What a drill takes of the machine while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Servers that run at once, at most.
    pub servers: usize,
    /// Memory, in MiB: that of its servers, and disks of a size, which lie in memory.
    pub memory_mib: usize,
}

impl Cost {
    /// What a scenario takes.
    pub fn of(scenario: &Scenario) -> Self {
        let added = scenario.steps.iter();
        let added = added.filter(|step| matches!(step, Step::AddNode { .. }));
        let begun: usize = scenario.clusters().map(|cluster| cluster.nodes).sum();
        let servers = begun + added.count();
        let disks = scenario.clusters().filter_map(|cluster| cluster.disk_bytes);
        let disk = disks.max().unwrap_or_default() >> 20;
        let disk = usize::try_from(disk).unwrap_or(usize::MAX);
        Self {
            servers,
            memory_mib: servers.saturating_mul(MIB_PER_SERVER.saturating_add(disk)),
        }
    }
}

/// The room on this machine.
#[derive(Debug, Clone)]
pub struct Room {
    drills: Limit,
    servers: Limit,
    memory_mib: Limit,
}

/// A place in the room, as long as it is held.
#[derive(Debug)]
pub struct Place {
    _held: [OwnedSemaphorePermit; 3],
}

#[derive(Debug, Clone)]
struct Limit {
    places: Arc<Semaphore>,
    all: u32,
}

impl Limit {
    fn new(all: usize) -> Self {
        let all = u32::try_from(all.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self {
            places: Arc::new(Semaphore::new(all as usize)),
            all,
        }
    }

    /// Waits for so much of it; what asks for more than there is gets all, and is alone.
    async fn take(&self, wanted: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.all);
        Arc::clone(&self.places)
            .acquire_many_owned(wanted)
            .await
            .ok()
    }
}

impl Room {
    /// The room for at most so many drills; as many as cores and free memory carry when nothing is
    /// said.
    pub fn for_drills(most: Option<usize>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let free = free_memory_mib().map_or(Semaphore::MAX_PERMITS, |mib| mib / SHARE_OF_MEMORY);
        let servers = match most {
            // Whoever says how many has the last word on the cores, not on the memory.
            Some(_) => Semaphore::MAX_PERMITS,
            None => cores.saturating_mul(SERVERS_PER_CORE),
        };
        Self {
            drills: Limit::new(most.unwrap_or(Semaphore::MAX_PERMITS)),
            servers: Limit::new(servers),
            memory_mib: Limit::new(free),
        }
    }

    /// Waits for a place. Places are given in the order in which they were asked for. None when the
    /// room was closed, which nobody does.
    pub async fn enter(&self, cost: Cost) -> Option<Place> {
        // Always in the same order, so that no two wait for each other.
        let drill = self.drills.take(1).await?;
        let servers = self.servers.take(cost.servers).await?;
        let memory = self.memory_mib.take(cost.memory_mib).await?;
        Some(Place {
            _held: [drill, servers, memory],
        })
    }
}

/// The memory that can be had without swapping, where the system tells (Linux).
fn free_memory_mib() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_bounded_and_given_back() {
        let room = Room {
            drills: Limit::new(10),
            servers: Limit::new(8),
            memory_mib: Limit::new(1000),
        };
        let cost = |servers, memory_mib| Cost {
            servers,
            memory_mib,
        };
        let first = room.enter(cost(5, 100)).await.unwrap();
        let is_free = async |wanted| {
            let asked = std::pin::pin!(room.enter(wanted));
            futures_util::poll!(asked).is_ready()
        };
        assert!(is_free(cost(3, 100)).await);
        assert!(!is_free(cost(4, 100)).await);
        assert!(!is_free(cost(1, 950)).await);
        drop(first);
        // More than there is: it gets all, once everybody else is gone.
        assert!(is_free(cost(100, 5000)).await);
    }
}
