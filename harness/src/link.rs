//! An address the harness owns: a socket bound once and held, whose traffic goes where it is aimed.
//!
//! Servers pick their own ports and change them at every start. Everybody who must reach a
//! server, a client or another server, is given a link instead, so that an address stays
//! right for as long as the cluster lives and can't be taken by anybody else.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::keeper::Keeper;
use crate::wait::pause_for;

/// The pause after the system refused a connection.
const AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// Where a link leads at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Nowhere: a connection is closed at once, as a dead host's would be.
    Refuse,
    /// To a server that is starting: a connection waits until its address is known.
    Hold,
    /// To this address.
    Forward(SocketAddr),
}

/// A bound address and the control over where it leads.
#[derive(Debug)]
pub(crate) struct Link {
    address: SocketAddr,
    aim: watch::Sender<Aim>,
}

impl Link {
    /// Binds a free port on loopback and begins to serve it, leading nowhere.
    pub(crate) async fn bind(keeper: &Keeper) -> io::Result<Self> {
        let (aim, aimed) = watch::channel(Aim::Refuse);
        let address = keeper
            .run(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let address = listener.local_addr()?;
                tokio::spawn(serve(listener, aimed));
                Ok::<_, io::Error>(address)
            })
            .await?;
        Ok(Self { address, aim })
    }

    /// The address to hand out.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads the link elsewhere. Open connections are closed when the aim really changes.
    pub(crate) fn aim(&self, aim: Aim) {
        self.aim.send_if_modified(|current| {
            let changed = *current != aim;
            *current = aim;
            changed
        });
    }
}

/// Accepts for as long as the link exists.
async fn serve(listener: TcpListener, mut aimed: watch::Receiver<Aim>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                match accepted {
                    Ok((stream, _)) => drop(tokio::spawn(carry(stream, aimed.clone()))),
                    // Out of file descriptors, most likely: trying again at once would spin.
                    Err(_) => pause_for(AFTER_REFUSAL).await,
                }
            }
            changed = aimed.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Carries one connection until either side closes it or the link is aimed elsewhere.
async fn carry(mut near: TcpStream, mut aimed: watch::Receiver<Aim>) {
    let target = loop {
        match *aimed.borrow_and_update() {
            Aim::Refuse => return,
            Aim::Forward(target) => break target,
            Aim::Hold => {}
        }
        if aimed.changed().await.is_err() {
            return;
        }
    };
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    // Small protocol messages must not wait for each other on top of the servers' own batching.
    let _nodelay = (near.set_nodelay(true), far.set_nodelay(true));
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _changed = aimed.changed() => {}
    }
}
