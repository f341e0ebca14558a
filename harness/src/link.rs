//! An address the harness owns: a socket bound once and held, whose traffic goes where it is aimed.
//!
//! Servers pick their own ports and change them at every start. Everybody who must reach a
//! server, a client or another server, is given a link instead, so that an address stays
//! right for as long as the cluster lives and can't be taken by anybody else.
//!
//! A link is also where the network breaks. Each of its two directions can be closed or slowed
//! down. A closed direction is silent, as a network that drops packets is: bytes wait, nobody
//! is told that the other end closed, and nobody new gets through until it is open again.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::keeper::Keeper;
use crate::wait::pause_for;

/// The pause after the system refused a connection.
const AFTER_REFUSAL: Duration = Duration::from_millis(50);
/// Bytes taken from a socket at once.
const CHUNK: usize = 64 << 10;
/// The least room worth reading into.
const LEAST_ROOM: usize = 4 << 10;
/// Bytes under way in one direction of a connection; more wait in the sender's socket.
const UNDER_WAY: usize = 2 << 20;
/// What a sender may say before anybody hears it; a server says a line or two.
const EARLY: usize = 64 << 10;
/// Slower is no network any more.
const LONGEST_DELAY: Duration = Duration::from_secs(3600);

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

/// How bytes pass in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) open: bool,
    /// How much later than they were sent bytes arrive.
    pub(crate) delay: Duration,
}

/// A network that works.
pub(crate) const HEALTHY: Flow = Flow {
    open: true,
    delay: Duration::ZERO,
};

/// Everything that can be changed of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    aim: Aim,
    /// From whoever connected to where the link leads.
    toward: Flow,
    /// The way back.
    back: Flow,
}

impl State {
    fn is_open(&self) -> bool {
        self.toward.open && self.back.open
    }
}

/// One of the two directions of a link.
#[derive(Debug, Clone, Copy)]
enum Way {
    Toward,
    Back,
}

impl Way {
    fn flow(self, state: &State) -> Flow {
        match self {
            Self::Toward => state.toward,
            Self::Back => state.back,
        }
    }
}

/// A bound address and the control over where it leads.
#[derive(Debug)]
pub(crate) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Link {
    /// Binds a free port of an address and begins to serve it, leading nowhere.
    pub(crate) async fn bind(keeper: &Keeper, host: IpAddr) -> io::Result<Self> {
        let (state, watched) = watch::channel(State {
            aim: Aim::Refuse,
            toward: HEALTHY,
            back: HEALTHY,
        });
        let address = keeper
            .run(async move {
                let listener = TcpListener::bind((host, 0)).await?;
                let address = listener.local_addr()?;
                tokio::spawn(serve(listener, watched));
                Ok::<_, io::Error>(address)
            })
            .await?;
        Ok(Self { address, state })
    }

    /// The address to hand out.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads the link elsewhere. Open connections are closed when the aim really changes.
    pub(crate) fn aim(&self, aim: Aim) {
        self.change(|state| state.aim = aim);
    }

    /// Changes how bytes pass, for connections that are open as well.
    pub(crate) fn flow(&self, toward: Flow, back: Flow) {
        self.change(|state| (state.toward, state.back) = (toward, back));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|state| {
            let before = *state;
            change(state);
            *state != before
        });
    }
}

/// Accepts for as long as the link exists.
async fn serve(listener: TcpListener, mut state: watch::Receiver<State>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                match accepted {
                    Ok((stream, _)) => drop(tokio::spawn(carry(stream, state.clone()))),
                    // Out of file descriptors, most likely: trying again at once would spin.
                    Err(_) => pause_for(AFTER_REFUSAL).await,
                }
            }
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Carries one connection until either side closes it or the link is aimed elsewhere.
async fn carry(mut near: TcpStream, mut state: watch::Receiver<State>) {
    let mut early = BytesMut::new();
    let Some(target) = way_through(&mut near, &mut early, &mut state).await else {
        return;
    };
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    // Small protocol messages must not wait for each other on top of the servers' own batching.
    let _nodelay = (near.set_nodelay(true), far.set_nodelay(true));
    {
        let (near_reads, near_writes) = near.split();
        let (far_reads, far_writes) = far.split();
        let toward = pump(near_reads, far_writes, early, state.clone(), Way::Toward);
        let nothing = BytesMut::new();
        let back = pump(far_reads, near_writes, nothing, state.clone(), Way::Back);
        tokio::select! {
            _ended = async { tokio::try_join!(toward, back) } => {}
            _aimed = state.wait_for(|state| state.aim != Aim::Forward(target)) => {}
        }
    }
    // Across a cut nobody learns that the other end is gone; an error means the link is.
    let _open = state.wait_for(State::is_open).await;
}

/// Waits until a new connection may pass and returns where it leads, if anywhere. While either
/// direction is closed nobody connects: TCP needs both. What the sender says meanwhile is kept.
async fn way_through(
    near: &mut TcpStream,
    early: &mut BytesMut,
    state: &mut watch::Receiver<State>,
) -> Option<SocketAddr> {
    let passes = async {
        let decided = |state: &State| state.is_open() && state.aim != Aim::Hold;
        match state.wait_for(decided).await.ok()?.aim {
            Aim::Forward(target) => Some(target),
            Aim::Refuse | Aim::Hold => None,
        }
    };
    // Whoever gave up is let go: a server tries again and again for as long as a cut lasts.
    let gives_up = async {
        while early.len() < EARLY {
            if near.read_buf(early).await.unwrap_or_default() == 0 {
                return;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        biased;
        target = passes => target,
        () = gives_up => None,
    }
}

/// Carries bytes in one direction, beginning with those that were read already, until their
/// sender closes it. An error is the receiver's.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    early: BytesMut,
    mut state: watch::Receiver<State>,
    way: Way,
) -> io::Result<()> {
    let (queue, mut queued) = mpsc::unbounded_channel::<(Instant, Bytes)>();
    let room = Semaphore::new(UNDER_WAY);
    let flows = state.clone();
    let read = async {
        let queue = queue;
        let mut buffer = early;
        loop {
            let arrives = Instant::now() + way.flow(&flows.borrow()).delay.min(LONGEST_DELAY);
            let bytes = buffer.split().freeze();
            // Given back by whoever writes them.
            let taken = room.acquire_many(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            if let Ok(taken) = taken.await {
                taken.forget();
            }
            if queue.send((arrives, bytes)).is_err() {
                return Ok(());
            }
            if buffer.capacity() < LEAST_ROOM {
                buffer.reserve(CHUNK);
            }
            // A sender that broke off has closed as well.
            if from.read_buf(&mut buffer).await.unwrap_or_default() == 0 {
                let arrives = Instant::now() + way.flow(&flows.borrow()).delay.min(LONGEST_DELAY);
                // Its end arrives no sooner than its words.
                let _sent = queue.send((arrives, Bytes::new()));
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some((arrives, bytes)) = queued.recv().await {
            let left = arrives.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                pause_for(left).await;
            }
            opened(&mut state, way).await?;
            to.write_all(&bytes).await?;
            room.add_permits(bytes.len());
        }
        opened(&mut state, way).await?;
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}

/// Waits until a direction is open.
async fn opened(state: &mut watch::Receiver<State>, way: Way) -> io::Result<()> {
    let open = state.wait_for(|state| way.flow(state).open).await;
    open.map(drop).map_err(io::Error::other)
}
