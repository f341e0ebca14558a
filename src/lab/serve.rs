//! The background process of a lab: it runs the drill, and answers whoever talks to it, until the lab is
//! taken down.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat_harness::wait::{Probe, pause_for, until};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::bell::{Bell, Title};
use super::place::{LabPlace, PlaceError};
use super::talk::{Answer, Question};
use crate::drill::{DrillError, DrillSettings, LabDesk, LabOrder, LabView, run_lab};
use crate::judge::RunRecord;
use crate::scenario::GrowingScenario;

/// How often the load is measured.
const MEASURE_EVERY: Duration = Duration::from_millis(250);
/// How long the first look at the cluster may take.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// The pause after a caller could not be taken.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);
/// How long a question may take to be said.
const ASKED_WITHIN: Duration = Duration::from_secs(10);
/// The longest question.
const LONGEST_QUESTION: u64 = 1 << 20;
/// How long whoever listens may take to hear the last word.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// How a lab ended.
#[derive(Debug)]
pub enum Served {
    /// It was taken down and judged.
    Judged(Box<RunRecord>),
    /// It was taken down at once.
    Discarded,
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is no place for it.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// What happens can't be written down.
    #[error(transparent)]
    Drill(#[from] DrillError),
    /// Nobody could talk to it.
    #[error("can't listen on {}: {source}", path.display())]
    Listen {
        /// The socket.
        path: std::path::PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Runs a lab until it is taken down, or `stop` is ready. What it says while it starts, and how it is when it
/// is ready, goes to `starting`.
///
/// # Errors
/// [`ServeError`] when it can't be run.
pub async fn serve(
    place: &LabPlace,
    scenario: GrowingScenario,
    planned: Vec<String>,
    settings: &DrillSettings,
    starting: mpsc::UnboundedSender<Answer>,
    stop: impl Future<Output = ()>,
) -> Result<Served, ServeError> {
    let taken = place.take()?;
    let listener = UnixListener::bind(place.socket()).map_err(|source| ServeError::Listen {
        path: place.socket(),
        source,
    })?;
    let (view, seen) = watch::channel(LabView::default());
    let (order, orders) = mpsc::channel(1);
    let (discard, mut discarded) = mpsc::channel(1);
    let bell = Arc::new(Bell::new(seen.clone()));
    // From its first word on.
    let told = bell.told.subscribe();
    let reception = Reception {
        bell: Arc::clone(&bell),
        title: Title {
            name: place.name().to_owned(),
            server: settings.server.version.to_string(),
            runtime: settings.runtime.to_string(),
            config_home: place.config_home().to_owned(),
        },
        view: seen,
        order,
        discard,
    };
    let desk = LabDesk { orders, view };
    let drill = run_lab(scenario, planned, settings, Arc::clone(&bell) as _, desk);
    let work = async {
        tokio::select! {
            run = drill => Ok(Served::Judged(Box::new(run?))),
            _ = discarded.recv() => Ok(Served::Discarded),
            () = stop => Ok(Served::Discarded),
        }
    };
    let mut callers = JoinSet::new();
    let outcome = tokio::select! {
        outcome = work => outcome,
        never = reception.receive(&listener, &mut callers) => never,
        never = reception.announce(told, starting) => never,
        never = reception.keep_context(place) => never,
        () = reception.measure(place) => Ok(Served::Discarded),
    };
    let last = match &outcome {
        Ok(Served::Judged(run)) => Answer::Judged { run: run.clone() },
        Ok(Served::Discarded) => Answer::Ended,
        Err(error) => refused(ServeError::to_string(error)),
    };
    // Who is told that it has ended finds its name free.
    drop(listener);
    drop(taken);
    let _heard = bell.told.send(last);
    let hearing = async { while callers.join_next().await.is_some() {} };
    let _in_time = timeout(HEARD_WITHIN, hearing).await;
    outcome
}

fn refused(reason: String) -> Answer {
    Answer::Refused {
        reason,
        is_misuse: false,
    }
}

/// Whom callers talk to.
#[derive(Debug, Clone)]
struct Reception {
    bell: Arc<Bell>,
    title: Title,
    view: watch::Receiver<LabView>,
    order: mpsc::Sender<LabOrder>,
    discard: mpsc::Sender<()>,
}

impl Reception {
    async fn receive(&self, listener: &UnixListener, callers: &mut JoinSet<()>) -> ! {
        loop {
            // Out of file descriptors, most likely: trying again at once would spin.
            if let Ok((caller, _)) = listener.accept().await {
                let reception = self.clone();
                callers.spawn(async move {
                    // Whoever hangs up has heard enough.
                    let _said = reception.answer(caller).await;
                });
            } else {
                pause_for(AFTER_REFUSAL).await;
            }
            while callers.try_join_next().is_some() {}
        }
    }

    /// Tells whoever started the lab what it does until it is ready.
    async fn announce(
        &self,
        mut told: broadcast::Receiver<Answer>,
        starting: mpsc::UnboundedSender<Answer>,
    ) -> ! {
        let mut view = self.view.clone();
        loop {
            tokio::select! {
                said = told.recv() => if let Ok(said) = said {
                    let _heard = starting.send(said);
                },
                Ok(()) = view.changed() => {
                    if view.borrow_and_update().access.is_some() {
                        break;
                    }
                }
            }
        }
        // Who asks how it is wants to see something.
        let seen = until(SEEN_WITHIN, || async {
            if self.bell.has_seen() {
                Probe::Ready(())
            } else {
                Probe::Pending(String::from("nobody has looked yet"))
            }
        });
        let _seen = seen.await;
        if let Some(status) = self.bell.status(&self.title) {
            let status = Box::new(status);
            let _heard = starting.send(Answer::Status { status });
        }
        drop(starting);
        std::future::pending().await
    }

    /// Measures the load until nobody can talk to the lab any more, as when a directory for temporary files is
    /// cleaned: who can't be taken down must not stay.
    async fn measure(&self, place: &LabPlace) {
        let mut ticks = interval(MEASURE_EVERY);
        loop {
            ticks.tick().await;
            self.bell.measure();
            if !place.socket().exists() {
                return;
            }
        }
    }

    /// Keeps the context for the `nats` CLI as the cluster is: nodes are added, another cluster takes over.
    async fn keep_context(&self, place: &LabPlace) -> ! {
        let mut view = self.view.clone();
        let mut written = None;
        while view.changed().await.is_ok() {
            let access = view.borrow_and_update().access.clone();
            if let Some(access) = access.filter(|access| written.as_ref() != Some(access)) {
                if let Err(error) = place.write_context(&access) {
                    let text = error.to_string();
                    let _heard = self.bell.told.send(Answer::Note { text });
                }
                written = Some(access);
            }
        }
        std::future::pending().await
    }

    /// Answers one question.
    async fn answer(&self, caller: UnixStream) -> io::Result<()> {
        let mut caller = BufReader::new(caller);
        let mut line = String::new();
        let mut limited = (&mut caller).take(LONGEST_QUESTION);
        let asked = timeout(ASKED_WITHIN, limited.read_line(&mut line)).await;
        let question = match asked {
            Ok(read) => {
                read?;
                serde_json::from_str(&line)
            }
            Err(_) => return Ok(()),
        };
        match question {
            Err(error) => {
                say(
                    &mut caller,
                    &refused(format!("this is no question: {error}")),
                )
                .await
            }
            Ok(Question::Status) => {
                let status = self.bell.status(&self.title).map(Box::new);
                let answer = status.map_or_else(still_starting, |status| Answer::Status { status });
                say(&mut caller, &answer).await
            }
            Ok(Question::History) => {
                let answer = self.history();
                say(&mut caller, &answer).await
            }
            Ok(Question::Step { text }) => self.step(&mut caller, text).await,
            Ok(Question::Down) => {
                let told = self.bell.told.subscribe();
                if self.view.borrow().access.is_none() {
                    return say(&mut caller, &still_starting()).await;
                }
                if let Some(step) = self.step_under_way() {
                    let text = format!("waiting for the step under way: {step}");
                    say(&mut caller, &Answer::Note { text }).await?;
                }
                let _ordered = self.order.send(LabOrder::End).await;
                pass_on(&mut caller, told, None).await
            }
            Ok(Question::Discard) => {
                let told = self.bell.told.subscribe();
                let _ordered = self.discard.send(()).await;
                pass_on(&mut caller, told, None).await
            }
        }
    }

    fn step_under_way(&self) -> Option<String> {
        let view = self.view.borrow();
        let last = view.steps.last().filter(|(_, end)| end.is_none());
        last.map(|(text, _)| text.clone())
    }

    fn history(&self) -> Answer {
        if self.view.borrow().access.is_none() {
            return still_starting();
        }
        let (mut history, idle_since) = {
            let view = self.view.borrow();
            (view.history.clone(), view.idle_since)
        };
        // As if it ended now.
        if let Some(since) = idle_since {
            history.pause(since.elapsed());
        }
        Answer::History {
            reason: history.check().err().map(|fault| fault.message),
            text: history.text(),
        }
    }

    async fn step(&self, caller: &mut BufReader<UnixStream>, text: String) -> io::Result<()> {
        let told = self.bell.told.subscribe();
        let under_way = if self.view.borrow().access.is_none() {
            Some(still_starting())
        } else {
            let step = self.step_under_way();
            step.map(|step| refused(format!("another step is under way: {step}")))
        };
        if let Some(answer) = under_way {
            return say(caller, &answer).await;
        }
        let (answer, ended) = oneshot::channel();
        let _ordered = self.order.send(LabOrder::Step { text, answer }).await;
        let began = Instant::now();
        let ended = async move {
            match ended.await {
                Ok(Ok(end)) => Answer::StepEnded {
                    end,
                    seconds: began.elapsed().as_secs_f64(),
                },
                Ok(Err(fault)) => Answer::Refused {
                    reason: fault.to_string(),
                    is_misuse: true,
                },
                // The lab ended before.
                Err(_) => Answer::Ended,
            }
        };
        pass_on(caller, told, Some(Box::pin(ended))).await
    }
}

fn still_starting() -> Answer {
    refused(String::from("the lab is still starting"))
}

type Last = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Passes on what is told until `last` is known; without it, until the lab has ended.
async fn pass_on(
    caller: &mut BufReader<UnixStream>,
    mut told: broadcast::Receiver<Answer>,
    last: Option<Last>,
) -> io::Result<()> {
    let is_end = |answer: &Answer| {
        matches!(
            answer,
            Answer::Judged { .. } | Answer::Ended | Answer::Refused { .. }
        )
    };
    let mut last = last.unwrap_or_else(|| Box::pin(std::future::pending()));
    loop {
        let answer = tokio::select! {
            biased;
            said = told.recv() => match said {
                Ok(Answer::StepEnded { .. }) => continue,
                Ok(answer) => answer,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Ok(()),
            },
            answer = &mut last => return say(caller, &answer).await,
        };
        say(caller, &answer).await?;
        if is_end(&answer) {
            return Ok(());
        }
    }
}

async fn say(caller: &mut BufReader<UnixStream>, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    caller.write_all(&line).await?;
    caller.flush().await
}
