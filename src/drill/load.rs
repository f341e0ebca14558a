//! The load: publishers and consumers that run through every step and write down what they see.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use lifeboat_harness::wait::pause_for;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::clients::Clients;
use super::watch::{Tally, Watcher};
use crate::jetstream::{
    Acknowledgement, Connection, Delivery, OutgoingMessage, PullConsumer, RequestError,
};
use crate::ledger::{AckOutcome, Event, Ledger, PublishOutcome};
use crate::model::Digest;
use crate::scenario::{Load, MOST_AGAIN, StreamSpec};

/// How long a publish or an acknowledgement may take before its fate is unknown.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Publishes under way at once; when servers hang, the load waits instead of piling up.
const IN_FLIGHT: usize = 256;
/// Publishes under way at once in a step that publishes many.
pub(super) const BULK_IN_FLIGHT: usize = 64;
/// Messages in one pull.
const BATCH: usize = 100;
/// How long a pull waits for messages.
const PULL_FOR: Duration = Duration::from_millis(500);
/// How long a consumer waits after trouble before it asks again.
pub(super) const AFTER_TROUBLE: Duration = Duration::from_millis(100);

/// What every task of the load needs.
#[derive(Clone)]
pub(super) struct Recorder {
    pub(super) clients: Clients,
    pub(super) ledger: Arc<Ledger>,
    pub(super) tally: Arc<Tally>,
    pub(super) watcher: Arc<dyn Watcher>,
    /// Every random choice follows from it.
    pub(super) seed: u64,
}

impl Recorder {
    /// Writes something down, and tells whoever watches unless it comes once per message.
    pub(super) fn record(&self, event: Event) {
        if !event.is_frequent() {
            self.watcher.event(&event);
        }
        self.ledger.record(event);
    }
}

/// Publishes to one stream. Every message is different, and follows from the seed.
#[derive(Clone)]
pub(super) struct Publisher {
    recorder: Recorder,
    stream: StreamSpec,
    payload_bytes: usize,
    counter: Arc<AtomicU64>,
    /// What became of this stream's messages alone.
    tally: Arc<Tally>,
    /// The first messages that were acknowledged.
    first: Arc<Mutex<First>>,
}

/// The first messages that were acknowledged.
#[derive(Default)]
struct First {
    /// By number.
    messages: Vec<u64>,
    /// When the first of them was.
    since: Option<Instant>,
}

/// The tasks of the load. Dropping it ends them.
pub(super) struct RunningLoad {
    stop_publishing: watch::Sender<bool>,
    stop_consuming: watch::Sender<bool>,
    publishers: JoinSet<()>,
    consumers: JoinSet<()>,
    /// Whether anybody publishes all the time.
    is_continuous: bool,
}

impl Publisher {
    pub(super) fn new(recorder: Recorder, stream: &StreamSpec, load: Load) -> Self {
        Self {
            recorder,
            stream: stream.clone(),
            payload_bytes: load.payload_bytes,
            counter: Arc::default(),
            tally: Arc::default(),
            first: Arc::default(),
        }
    }

    pub(super) fn stream(&self) -> &str {
        &self.stream.name
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Publishes one message as one client and writes down how that ended; whether it was
    /// acknowledged.
    pub(super) async fn publish(&self, client: &Connection) -> bool {
        let number = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        let (id, message) = self.message(number);
        let stream = self.stream.name.clone();
        self.recorder.ledger.record(Event::Sent {
            stream: stream.clone(),
            id: id.clone(),
            subject: message.subject.clone(),
            headers: Digest::of_headers(&message.header_block()),
            payload: Digest::of(&message.payload),
        });
        let answer = client.publish(&message, ANSWER_WITHIN).await;
        let outcome = outcome_of(answer);
        let acknowledged = matches!(outcome, PublishOutcome::Acknowledged { .. });
        if acknowledged {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            if first.messages.len() < MOST_AGAIN {
                first.messages.push(number);
                first.since.get_or_insert_with(Instant::now);
            }
        }
        for tally in [&self.tally, &self.recorder.tally] {
            match &outcome {
                PublishOutcome::Acknowledged { .. } => tally.add_acknowledged(),
                PublishOutcome::Refused { .. } => tally.add_refused(),
                PublishOutcome::Unknown { .. } => tally.add_unknown(),
            }
        }
        self.recorder.ledger.record(Event::Published {
            stream,
            id,
            outcome,
        });
        self.recorder.watcher.tally(&self.recorder.tally);
        acknowledged
    }

    /// The first messages that were acknowledged, so many at most, as they were sent; and when the first
    /// of them was.
    pub(super) fn first(&self, count: usize) -> (Vec<OutgoingMessage>, Option<Instant>) {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = first.messages.iter().take(count);
        let messages = numbers.map(|number| self.message(*number).1).collect();
        (messages, first.since)
    }

    /// The stream's configuration.
    pub(super) fn config(&self) -> &Value {
        &self.stream.config
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.recorder.clients
    }

    fn message(&self, number: u64) -> (String, OutgoingMessage) {
        let mut random = fastrand::Rng::with_seed(self.recorder.seed ^ number.rotate_left(32));
        let mut payload = vec![0; self.payload_bytes];
        random.fill(&mut payload);
        let id = format!("{}-{number}", self.stream.name);
        let headers = vec![
            (String::from("Nats-Msg-Id"), id.clone()),
            (
                String::from("Lifeboat-Payload"),
                Digest::of(&payload).to_string(),
            ),
        ];
        let message = OutgoingMessage {
            subject: self.stream.subject_of(number),
            headers,
            payload: Bytes::from(payload),
        };
        (id, message)
    }

    /// Publishes until so many messages were acknowledged; how many were when time ran out.
    pub(super) async fn publish_many(&self, count: u64, within: Duration) -> u64 {
        let mut acknowledged = 0;
        // Across batches: whatever one client could not publish, another does.
        let clients = self.recorder.clients.publishing();
        let mut clients = clients.iter().cycle();
        let publishing = async {
            while acknowledged < count {
                let missing = usize::try_from(count - acknowledged).unwrap_or(usize::MAX);
                let mut batch = futures_util::stream::iter(clients.by_ref().take(missing))
                    .map(|client| self.publish(client))
                    .buffer_unordered(BULK_IN_FLIGHT);
                let before = acknowledged;
                while let Some(was_acknowledged) = batch.next().await {
                    acknowledged += u64::from(was_acknowledged);
                }
                if acknowledged == before {
                    pause_for(AFTER_TROUBLE).await;
                }
            }
        };
        let _in_time = timeout(within, publishing).await;
        acknowledged
    }

    /// Publishes at a rate until told to stop, and then waits for what is under way.
    async fn publish_at(self, rate: u32, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut others = self.recorder.clients.watch();
        let mut turns = Turns::of(&others.borrow_and_update().publishing);
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                Ok(()) = others.changed() => {
                    turns = Turns::of(&others.borrow_and_update().publishing);
                }
                _ = ticks.tick() => {}
            }
            while under_way.try_join_next().is_some() {}
            let Some((client, place)) = turns.free() else {
                under_way.join_next().await;
                continue;
            };
            let publisher = self.clone();
            under_way.spawn(async move {
                publisher.publish(&client).await;
                drop(place);
            });
        }
        while under_way.join_next().await.is_some() {}
    }
}

/// Clients that publish in turn, each with room for so many messages under way.
struct Turns {
    clients: Vec<(Connection, Arc<Semaphore>)>,
    next: usize,
}

impl Turns {
    fn of(clients: &[Connection]) -> Self {
        let room = (IN_FLIGHT / clients.len().max(1)).max(1);
        let with_room = |client: &Connection| (client.clone(), Arc::new(Semaphore::new(room)));
        Self {
            clients: clients.iter().map(with_room).collect(),
            next: 0,
        }
    }

    /// The next client with room: one whose node hangs is passed over.
    fn free(&mut self) -> Option<(Connection, OwnedSemaphorePermit)> {
        for _ in 0..self.clients.len() {
            let (client, room) = &self.clients[self.next % self.clients.len()];
            self.next = self.next.wrapping_add(1);
            if let Ok(place) = Arc::clone(room).try_acquire_owned() {
                return Some((client.clone(), place));
            }
        }
        None
    }
}

/// What may be concluded from an answer, or from its absence.
fn outcome_of(answer: Result<Acknowledgement, RequestError>) -> PublishOutcome {
    match answer {
        Ok(Acknowledgement { sequence, .. }) => PublishOutcome::Acknowledged { sequence },
        Err(error @ (RequestError::Refused { .. } | RequestError::NoResponders { .. })) => {
            PublishOutcome::Refused {
                reason: error.to_string(),
            }
        }
        Err(error) => PublishOutcome::Unknown {
            reason: error.to_string(),
        },
    }
}

impl RunningLoad {
    /// Starts a publisher for every stream and a reader for every consumer.
    pub(super) fn start(
        recorder: &Recorder,
        streams: &[StreamSpec],
        publishers: &[Publisher],
        load: Load,
    ) -> Self {
        let (stop_publishing, publishing) = watch::channel(false);
        let (stop_consuming, consuming) = watch::channel(false);
        let mut running = Self {
            stop_publishing,
            stop_consuming,
            publishers: JoinSet::new(),
            consumers: JoinSet::new(),
            is_continuous: load.rate > 0,
        };
        if running.is_continuous {
            recorder.ledger.record(Event::LoadBegan);
        }
        for publisher in publishers.iter().filter(|_| load.rate > 0) {
            let task = publisher.clone().publish_at(load.rate, publishing.clone());
            running.publishers.spawn(task);
        }
        for stream in streams {
            for name in &stream.consumers {
                let task = consume(
                    recorder.clone(),
                    stream.name.clone(),
                    name.clone(),
                    consuming.clone(),
                );
                running.consumers.spawn(task);
            }
        }
        running
    }

    /// Publishes no more, and returns when the fate of every message is known or unknown.
    pub(super) async fn end_publishing(&mut self, ledger: &Ledger) {
        self.stop_publishing.send_replace(true);
        // Now, and not when what is under way has got its answer: nobody publishes any more.
        if self.is_continuous {
            ledger.record(Event::LoadEnded);
        }
        while self.publishers.join_next().await.is_some() {}
    }

    /// Consumes no more.
    pub(super) async fn end_consuming(&mut self) {
        self.stop_consuming.send_replace(true);
        while self.consumers.join_next().await.is_some() {}
    }
}

/// Pulls and acknowledges until told to stop. Trouble is waited out: in a disaster it is normal.
async fn consume(recorder: Recorder, stream: String, name: String, stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        // What one cluster delivers is not acknowledged to another.
        let _busy = recorder.clients.busy().await;
        let consumer = recorder.clients.asking().consumer(&stream, &name);
        let Ok(batch) = consumer.pull(BATCH, PULL_FOR).await else {
            pause_for(AFTER_TROUBLE).await;
            continue;
        };
        recorder.tally.add_delivered(batch.deliveries.len());
        for delivery in &batch.deliveries {
            recorder.ledger.record(Event::Delivered {
                stream: stream.clone(),
                consumer: consumer.name().to_owned(),
                attempt: delivery.attempt,
                message: delivery.message.fingerprint(),
            });
        }
        let acks = batch
            .deliveries
            .iter()
            .map(|delivery| acknowledge(&recorder, &stream, &consumer, delivery));
        futures_util::future::join_all(acks).await;
        if batch.trouble.is_some() {
            pause_for(AFTER_TROUBLE).await;
        }
    }
}

async fn acknowledge(
    recorder: &Recorder,
    stream: &str,
    consumer: &PullConsumer,
    delivery: &Delivery,
) {
    let outcome = match consumer.acknowledge(delivery, ANSWER_WITHIN).await {
        Ok(()) => AckOutcome::Confirmed,
        Err(_) => AckOutcome::Unknown,
    };
    recorder.ledger.record(Event::Acked {
        stream: stream.to_owned(),
        consumer: consumer.name().to_owned(),
        id: delivery.message.id().to_owned(),
        outcome,
    });
}
