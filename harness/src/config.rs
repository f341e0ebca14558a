//! From what a node should be to the text of its `nats-server` configuration. Pure.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The account that servers know themselves by; what they store of the meta group lies under it.
pub(crate) const SYSTEM_ACCOUNT: &str = "SYS";

/// A user of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account the user belongs to.
    pub account: String,
    /// The user's name.
    pub user: String,
    /// The user's password, random for every cluster.
    pub password: String,
}

/// What every node of a cluster has in common.
#[derive(Debug, Clone)]
pub(crate) struct ClusterSettings {
    pub(crate) name: String,
    /// What nodes' names begin with.
    pub(crate) node_prefix: String,
    /// One server by itself: with a `cluster` block but no route, JetStream would not start.
    pub(crate) standalone: bool,
    pub(crate) system: Credentials,
    pub(crate) accounts: Vec<Credentials>,
    pub(crate) sync_interval: Option<String>,
    pub(crate) domain: Option<String>,
    /// The key of encryption at rest.
    pub(crate) key: Option<String>,
    /// Bytes of disk and of memory that streams may take on each node, by the servers' own count.
    pub(crate) reserve: Option<(u64, u64)>,
    pub(crate) extra: String,
}

impl ClusterSettings {
    /// The name that the n-th node has when nobody gives it another.
    pub(crate) fn node_name(&self, number: usize) -> String {
        format!("{}{number}", self.node_prefix)
    }
}

/// What one node is, whatever runtime it runs in.
#[derive(Debug, Clone)]
pub(crate) struct NodeSettings {
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
    /// Where to reach the other nodes.
    pub(crate) routes: Vec<String>,
    /// Told to other servers as this node's address. Where routes are links it leads nowhere,
    /// so that no server ever dials another except through its own link.
    pub(crate) advertise: String,
    /// The server to run, if it is another than the cluster's.
    pub(crate) program: Option<PathBuf>,
    /// The key of encryption at rest, if it is another than the cluster's; none at all when empty.
    pub(crate) key: Option<String>,
}

/// Where a runtime puts a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement<'a> {
    /// The address to listen on.
    pub(crate) listen: &'a str,
    pub(crate) store: &'a Path,
    pub(crate) ports: Ports<'a>,
}

/// The ports to listen at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ports<'a> {
    /// The server picks them itself, and writes them down in a file in this directory.
    Picked { told_in: &'a Path },
    /// These: nobody else has the address.
    Fixed {
        client: u16,
        cluster: u16,
        monitor: u16,
    },
}

/// Renders the configuration of one node.
pub(crate) fn render(
    cluster: &ClusterSettings,
    node: &NodeSettings,
    placement: Placement<'_>,
) -> String {
    let Placement {
        listen,
        store,
        ports,
    } = placement;
    let at = |port: &dyn Display| quote(&format!("{listen}:{port}"));
    let [client, routes, monitor] = match ports {
        Ports::Picked { .. } => [at(&-1), at(&-1), at(&-1)],
        Ports::Fixed {
            client,
            cluster,
            monitor,
        } => [at(&client), at(&cluster), at(&monitor)],
    };
    let mut lines = vec![
        format!("server_name: {}", quote(&node.name)),
        format!("listen: {client}"),
        format!("http: {monitor}"),
        // The least that servers accept: a drill waits for a lame duck, nobody needs two minutes.
        String::from("lame_duck_duration: \"30s\""),
        String::from("lame_duck_grace_period: \"1s\""),
        format!(
            "server_tags: [{}]",
            list(node.tags.iter().map(|tag| quote(tag)))
        ),
        String::from("jetstream {"),
        format!("  store_dir: {}", quote(&store.to_string_lossy())),
    ];
    if let Some(interval) = &cluster.sync_interval {
        lines.push(format!("  sync_interval: {}", quote(interval)));
    }
    if let Some(domain) = &cluster.domain {
        lines.push(format!("  domain: {}", quote(domain)));
    }
    if let Some((disk, memory)) = cluster.reserve {
        lines.push(format!(
            "  max_file_store: {disk}\n  max_memory_store: {memory}"
        ));
    }
    let key = node.key.as_ref().or(cluster.key.as_ref());
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        lines.push(format!("  cipher: chachapoly\n  key: {}", quote(key)));
    }
    lines.push(String::from("}"));
    if let Ports::Picked { told_in } = ports {
        let directory = quote(&told_in.to_string_lossy());
        lines.push(format!("ports_file_dir: {directory}"));
    }
    if !cluster.standalone {
        lines.extend(routing(cluster, node, &routes));
    }
    lines.extend([
        format!("system_account: {}", quote(&cluster.system.account)),
        String::from("accounts {"),
        account(&cluster.system, false),
    ]);
    lines.extend(cluster.accounts.iter().map(|user| account(user, true)));
    lines.push(String::from("}"));
    lines.push(cluster.extra.clone());
    lines.join("\n")
}

/// The `cluster` block of one node.
fn routing(cluster: &ClusterSettings, node: &NodeSettings, listen: &str) -> [String; 7] {
    let routes = node
        .routes
        .iter()
        .map(|route| quote(&format!("nats://{route}")));
    [
        String::from("cluster {"),
        format!("  name: {}", quote(&cluster.name)),
        format!("  listen: {listen}"),
        format!("  advertise: {}", quote(&node.advertise)),
        String::from("  no_advertise: true"),
        format!("  routes: [{}]", list(routes)),
        String::from("}"),
    ]
}

fn account(user: &Credentials, jetstream: bool) -> String {
    format!(
        "  {}: {{ {}users: [{{ user: {}, password: {} }}] }}",
        quote(&user.account),
        if jetstream {
            "jetstream: enabled, "
        } else {
            ""
        },
        quote(&user.user),
        quote(&user.password),
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// A double-quoted string of the configuration language.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_lists_its_links_and_quotes_what_it_is_given() {
        let user = |account: &str| Credentials {
            account: account.to_owned(),
            user: String::from("u"),
            password: String::from("p\"w"),
        };
        let cluster = ClusterSettings {
            name: String::from("C"),
            node_prefix: String::from("n"),
            standalone: false,
            system: user("SYS"),
            accounts: vec![user("APP")],
            sync_interval: Some(String::from("always")),
            domain: None,
            key: Some(String::from("k")),
            reserve: Some((1 << 40, 7)),
            extra: String::from("max_payload: 1MB"),
        };
        let node = NodeSettings {
            name: String::from("n1"),
            tags: vec![String::from("az:1")],
            routes: vec![String::from("127.0.0.1:7"), String::from("127.0.0.1:8")],
            advertise: String::from("127.0.0.1:9"),
            program: None,
            key: None,
        };
        let text = render(
            &cluster,
            &node,
            Placement {
                listen: "127.0.0.1",
                store: Path::new("/s"),
                ports: Ports::Picked {
                    told_in: Path::new("/p"),
                },
            },
        );
        for expected in [
            "server_name: \"n1\"",
            "routes: [\"nats://127.0.0.1:7\", \"nats://127.0.0.1:8\"]",
            "sync_interval: \"always\"",
            "cipher: chachapoly\n  key: \"k\"",
            "server_tags: [\"az:1\"]",
            "max_file_store: 1099511627776\n  max_memory_store: 7",
            r#""APP": { jetstream: enabled, users: [{ user: "u", password: "p\"w" }] }"#,
            "system_account: \"SYS\"",
            "max_payload: 1MB",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }
}
